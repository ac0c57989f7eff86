/**
 * What can be said about a command besides its program and arguments. Public as the types of `Command.ts`.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type * as Fd from "../../Fd.ts"
import type { Namespace } from "../../Namespace.ts"
import type * as Signal from "../../Signal.ts"
import type * as Stdio from "../../Stdio.ts"
import type { Credentials } from "./credentials.ts"
import type { Limits } from "./limits.ts"
import type { Priority } from "./priority.ts"
import type { Sandbox } from "./sandbox.ts"

/**
 * One argument: a string, or a `Redacted` one, which the child gets in clear and which never shows in errors, logs or spans.
 */
export type Word = string | Redacted.Redacted<string>

/**
 * Changes to an environment: a value sets a variable, `undefined` removes it. A `Redacted` value never shows in errors, logs or
 * spans.
 */
export type Env = { readonly [name: string]: string | Redacted.Redacted<string> | undefined }

/**
 * Whom a signal reaches: the process that was started (`"leader"`), its process group, or everything descended from it by any
 * path (`"tree"`).
 */
export type Reach = "leader" | "group" | "tree"

/**
 * How a process is ended: it gets `signal`, and what is still there after `grace` gets SIGKILL.
 *
 * What is left out has the value of `Command.defaultStop`.
 */
export interface StopOptions {
  /** The signal that asks it to end; SIGTERM by default. */
  readonly signal?: Signal.Signal | undefined
  /**
   * How long it may take to end; 2 seconds by default. `"Infinity"` never sends SIGKILL while this program lives: closing the
   * scope then takes as long as the process does.
   */
  readonly grace?: Duration.Input | undefined
  /**
   * Whom the signal reaches; the process group by default. SIGKILL always reaches everything. When the leader ends during a stop
   * and something of its tree is left, that gets the signal too, whatever this says.
   */
  readonly to?: Reach | undefined
}

/**
 * How a process is ended, with nothing left to fill in.
 */
export interface StopPolicy {
  readonly signal: Signal.Signal
  readonly grace: Duration.Duration
  readonly to: Reach
}

/**
 * What is ended with the process, and by whom:
 *
 * - `"tree"` (default): everything that it started, wherever it moved, by a helper process that all orphans fall to.
 * - `"group"`: its process group; whatever left the group ends with the nursery. For thousands of trusted one-shots.
 * - `"pid-namespace"`: everything, by the kernel, even if all helpers are killed at once. It is alone with what it starts: it sees
 *   and signals no other process. Needs privilege or user namespaces; in one of those, programs that are set-user-ID gain nothing.
 * - `"cgroup"`: everything, by the kernel; it needs a delegated cgroup.
 *
 * A level that is not available is a `SpawnError`, never replaced by a weaker one.
 */
export type Containment = "tree" | "group" | "pid-namespace" | "cgroup"

/**
 * Descriptors by their names for the program, of at most 255 ASCII characters without control characters and colons.
 */
export type Activation = { readonly [name: string]: Fd.Fd }

/**
 * Where the process belongs (`credentials(7)`):
 *
 * - `"new"` (default): it leads a new session, without a controlling terminal.
 * - `"group"`: it leads a new process group in the session of this program.
 * - `"owner"`: it is in the process group of this program, and so gets the signals of its terminal. A stop `to` the `"group"`
 *   then reaches the leader only, for the group is this program's own.
 */
export type Session = "new" | "group" | "owner"

/**
 * The options of a command. Every one has a combinator of the same name.
 */
export interface Options<
  In = Stdio.Input,
  Out = Stdio.Output,
  Err = Stdio.Output,
  Fds = Stdio.Descriptors,
  Names = Namespace | undefined,
  Activated = Activation | undefined,
  Store = Fd.Store | undefined
> {
  /**
   * The working directory; by default that of this program when the process is started. A program given by a relative path is
   * looked up from here.
   */
  readonly cwd?: string | undefined
  /**
   * Changes to the environment that the process inherits, which is that of this program when the process is started. A program
   * given by its name alone is looked up in the `PATH` that results.
   */
  readonly env?: Env | undefined
  /** Start from an empty environment instead of that of this program. */
  readonly clearEnv?: boolean | undefined
  /**
   * Run the program as a script: `true` by `/bin/sh -c`, a string by that shell. The program is then the whole script and there
   * are no arguments; pass values to it through `env`.
   */
  readonly shell?: boolean | string | undefined
  /** What stdin is connected to; `"null"` by default. */
  readonly stdin?: In | undefined
  /** What stdout is connected to; `"inherit"` by default. */
  readonly stdout?: Out | undefined
  /** What stderr is connected to; `"inherit"` by default. */
  readonly stderr?: Err | undefined
  /** What further descriptors are connected to, by number from 3 on; nothing by default. */
  readonly fds?: (Fds & Stdio.CheckDescriptors<Fds>) | undefined
  /** How the process is ended when its scope closes. */
  readonly stop?: StopOptions | undefined
  /** The exit codes that are a success, from 0 to 255; 0 alone by default. */
  readonly successCodes?: ReadonlyArray<number> | undefined
  /** What is ended with the process; `"tree"` by default. */
  readonly containment?: Containment | undefined
  /** The file mode creation mask (`umask(2)`), from 0 to 0o777; by default that of this program. */
  readonly umask?: number | undefined
  /** The session and process group of the process; `"new"` by default. */
  readonly session?: Session | undefined
  /**
   * Whether the terminal that is its stdin becomes its controlling terminal (`credentials(7)`), so that Ctrl-C reaches it and the job
   * control of a shell works. By default that is so for the terminal of an `Fd.pty` in a session of its own. A terminal is the
   * controlling terminal of one session only: another process that uses it at the same time is started with `false`.
   */
  readonly controllingTerminal?: boolean | undefined
  /**
   * Whether it takes over the terminal of this program, as a job in the foreground of a shell: Ctrl-C and the other keys that are signals reach
   * it and not this program. It leads a process group in the session of this program, like `session: "group"`. When it has ended,
   * however it ended, or is stopped by Ctrl-Z, this program has the terminal again. There is one such process at a time. Give it the
   * terminal as `stdin: "inherit"`, and read nothing from it here meanwhile.
   */
  readonly foreground?: boolean | undefined
  /** The namespaces that the process is started in; by default those of this program. */
  readonly namespaces?: Names | undefined
  /**
   * Whether the process can tell how it is by sd_notify(3), as a service of systemd does; `false` by default. It gets a socket of
   * its own, named by `NOTIFY_SOCKET` in its environment, and what it sends there is in `process.notifications`.
   *
   * It inherits no `WATCHDOG_USEC` and `WATCHDOG_PID`, which are meant for this program. To ask for signs of life, set
   * `WATCHDOG_USEC` by `env`; without `WATCHDOG_PID`, which cannot be known before the start, it is meant for every process that gets
   * it. The portable layer refuses the option as `Unsupported`.
   */
  readonly notify?: boolean | undefined
  /** Resource limits; those of this program by default. The portable layer refuses them as `Unsupported`, as all that follows. */
  readonly limits?: Limits | undefined
  /** User, groups and privileges; those of this program by default. */
  readonly credentials?: Credentials | undefined
  /** Niceness, scheduling policy and I/O priority, or a niceness alone; those of this program by default. */
  readonly priority?: Priority | number | undefined
  /** The processors that it may run on, by number from 0 on; those of this program by default. */
  readonly affinity?: ReadonlyArray<number> | undefined
  /**
   * How soon the out-of-memory killer takes it, from -1000 (never) to 1000 (first); as this program by default. Raising it is free,
   * lowering it takes privilege (`CAP_SYS_RESOURCE`).
   */
  readonly oomScoreAdjust?: number | undefined
  /** What it and its descendants may reach; by default what this program may. */
  readonly sandbox?: Sandbox | undefined
  /**
   * A filter of system calls (`seccomp(2)`), as bytes of `struct sock_filter`, 8 for each instruction: what `seccomp_export_bpf(3)` writes.
   * It is installed last, and the exec of the program is the first system call that it sees. It implies `noNewPrivileges`.
   */
  readonly seccomp?: Uint8Array | undefined
  /**
   * Sockets that listen already, or other descriptors, for a program that knows socket activation (sd_listen_fds(3)): they are its
   * descriptors from 3 on, in this order, and `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` say so. See `Fd.listen`.
   */
  readonly activation?: Activated | undefined
  /**
   * Where the process may leave descriptors for those that come after it (`FDSTORE=1` of sd_notify(3)). What is there when it starts
   * comes after those of `activation`, by the names that it was given. See `Fd.store`.
   */
  readonly fdStore?: Store | undefined
}
