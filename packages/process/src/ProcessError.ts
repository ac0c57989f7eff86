/**
 * The errors of this package.
 *
 * All of them are Schema classes, so they can be sent and stored. Each message says what could not be done, why, and what to do
 * where something can be done. None ever contains the value of a `Redacted`: a command appears as `Command.display` prints it.
 *
 * An error of the operating system is kept as its name (`"ENOENT"`, see `errno(3)`), which means the same on every platform, and
 * not as its number.
 */
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"
import * as ExitStatus from "./ExitStatus.ts"
import * as Errno from "./internal/errno.ts"
import { pathProblem } from "./internal/pathAdvice.ts"
import { quoteCommand, showPath, tail } from "./internal/text.ts"

/**
 * There is no such program: none of that name in the directories of `PATH`, or no file at the path.
 */
export class ProgramNotFound extends Schema.TaggedError<ProgramNotFound>()("ProgramNotFound", {
  /** As the command has it; a relative path has been made absolute. */
  program: Schema.String,
  /** The directories of `PATH` that were searched, in this order; empty for a program given by a path. */
  searched: Schema.Array(Schema.String)
}) {
  override get message(): string {
    if (this.program.includes("/")) return `no such file: ${showPath(this.program)}`
    if (this.searched.length === 0) return "no such program: PATH is empty"
    return `no such program on PATH (searched ${this.searched.map(showPath).join(", ")})`
  }
}

/**
 * The operating system forbids to execute the program although its mode allows it: a directory above it may not be searched, its
 * file system is mounted `noexec`, or a security module says no.
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  path: Schema.String
}) {
  override get message(): string {
    return `permission to execute ${showPath(this.path)} is denied: check the directories above it, and whether its file system is mounted noexec`
  }
}

/**
 * The file is there, but it is no program.
 */
export class NotExecutable extends Schema.TaggedError<NotExecutable>()("NotExecutable", {
  path: Schema.String,
  /**
   * - `directory`: it is not even a file.
   * - `mode`: its mode does not allow to execute it.
   * - `format`: it is neither a program for this machine nor a script that begins with `#!`.
   */
  problem: Schema.Literals(["directory", "mode", "format"])
}) {
  override get message(): string {
    const path = showPath(this.path)
    switch (this.problem) {
      case "directory":
        return `${path} is a directory`
      case "mode":
        return `${path} is not executable: try chmod +x ${path}`
      case "format":
        return `${path} is neither a program for this machine nor a script that begins with #!`
    }
  }
}

/**
 * The program is there, but what should run it is not: the interpreter of its `#!` line, or its dynamic loader.
 */
export class InterpreterNotFound extends Schema.TaggedError<InterpreterNotFound>()("InterpreterNotFound", {
  path: Schema.String,
  interpreter: Schema.String,
  kind: Schema.Literals(["script", "loader"])
}) {
  override get message(): string {
    const path = showPath(this.path)
    const interpreter = showPath(this.interpreter)
    return this.kind === "script"
      ? `${path} is there, but the interpreter of its first line is not: ${interpreter}`
      : `${path} is there, but its dynamic loader is not: ${interpreter} (it was built for another system)`
  }
}

/**
 * The working directory cannot be entered.
 */
export class WorkingDirectory extends Schema.TaggedError<WorkingDirectory>()("WorkingDirectory", {
  path: Schema.String,
  errno: Schema.String
}) {
  override get message(): string {
    return `cannot enter the working directory ${showPath(this.path)}: ${pathProblem(this.errno)}`
  }
}

/**
 * An option of the command has a value that no process can be started with.
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  /** Which one: `args[2]`, `env.PATH`, `fds[7]`, `stop.grace`. */
  option: Schema.String,
  /** What is wrong with it, to be read after its name; never contains a value of `args` or `env`. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.option} ${this.problem}`
  }
}

const streamNames = ["stdin", "stdout", "stderr"]

/**
 * A descriptor of the child could not be set up, such as a file that cannot be opened.
 */
export class Descriptor extends Schema.TaggedError<Descriptor>()("Descriptor", {
  /** Its number in the child. */
  descriptor: Schema.Int,
  /** The file that was to be opened, if it was one. */
  path: Schema.optionalKey(Schema.String),
  errno: Schema.String,
  /** Of an `Fd` that cannot be used, or a file: why, and what to do, where more can be said than the error does. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const name = streamNames[this.descriptor] ?? `descriptor ${this.descriptor}`
    if (this.path !== undefined) {
      return `cannot open ${showPath(this.path)} as ${name}: ${this.problem ?? pathProblem(this.errno)}`
    }
    if (this.problem !== undefined) return `cannot use this Fd as ${name}: ${this.problem}`
    return `cannot set up ${name}: ${Errno.describe(this.errno)}`
  }
}

/** `: operation not permitted, and what to do`, as far as either is known. */
const because = (errno: string | undefined, problem: string | undefined): string =>
  [errno === undefined ? undefined : Errno.describe(errno), problem]
    .filter((part) => part !== undefined)
    .map((part) => `: ${part}`)
    .join("")

/**
 * User, groups or capabilities could not be changed, or a name of them means nothing here.
 */
export class Credentials extends Schema.TaggedError<Credentials>()("Credentials", {
  /** Which option it was about: `credentials.user`, `credentials.groups[1]`, `credentials.capabilities`. */
  option: Schema.optionalKey(Schema.String),
  /** What the operating system said, where it was asked. */
  errno: Schema.optionalKey(Schema.String),
  /** Why not, and what to do. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const which = this.option ?? "the user or groups of the process"
    return `cannot change ${which}${because(this.errno, this.problem)}`
  }
}

/**
 * A resource limit (`setrlimit(2)`) or a priority could not be set.
 */
export class Limits extends Schema.TaggedError<Limits>()("Limits", {
  /** Its name in the option `limits`, or the option itself: `nofile`, `priority.nice`, `affinity`, `oomScoreAdjust`. */
  limit: Schema.optionalKey(Schema.String),
  errno: Schema.String,
  /** Why not, and what to do. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const which = this.limit === undefined ? "the limits of the process" : `the limit ${this.limit}`
    return `cannot set ${which}${because(this.errno, this.problem)}`
  }
}

/**
 * A namespace (`namespaces(7)`) could not be made or entered.
 */
export class NamespaceSetup extends Schema.TaggedError<NamespaceSetup>()("NamespaceSetup", {
  /** Which, several of them separated by commas: `user`, `pid`, `mount`, `network`, `ipc`, `uts`, `cgroup`, `time`. */
  namespace: Schema.optionalKey(Schema.String),
  /** What could not be done: making or entering them, or what was to be arranged in them. */
  step: Schema.optionalKey(Schema.Literals(["make", "map", "mount", "hostname", "loopback", "enter", "connect"])),
  errno: Schema.String,
  /** Why not, and what to do. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const name = this.namespace ?? ""
    const which = name === "" ? "namespaces" : `the ${name} namespace${name.includes(",") ? "s" : ""}`
    const what = {
      make: "make",
      map: "map the ids of",
      mount: "set up",
      hostname: "set up",
      loopback: "set up",
      enter: "enter",
      connect: "connect"
    }
    return `cannot ${what[this.step ?? "mount"]} ${which}: ${this.problem ?? Errno.describe(this.errno)}`
  }
}

/**
 * The level of containment that was asked for is not available here. It is never replaced by a weaker one.
 */
export class Containment extends Schema.TaggedError<Containment>()("Containment", {
  level: Schema.String,
  /** Why not, and what to do. */
  problem: Schema.String
}) {
  override get message(): string {
    return `containment "${this.level}" is not available: ${this.problem}`
  }
}

const exhausted: Readonly<Record<string, string>> = {
  EAGAIN: "no more processes are allowed: see RLIMIT_NPROC (ulimit -u), pids.max of the cgroup and kernel.pid_max",
  ENOMEM: "out of memory",
  EMFILE: "too many open descriptors: see RLIMIT_NOFILE (ulimit -n)",
  ENFILE: "too many open files on this machine: see fs.file-max",
  ETIMEDOUT:
    "it did not start within the spawn deadline: perhaps it or its working directory is on a file system that hangs"
}

/**
 * A terminal cannot be used as the command says.
 */
export class TerminalUnavailable extends Schema.TaggedError<TerminalUnavailable>()("TerminalUnavailable", {
  /** The option that asks for it. */
  use: Schema.Literals(["controllingTerminal", "foreground"]),
  /** Why not, and what to do. */
  problem: Schema.String
}) {
  override get message(): string {
    const what =
      this.use === "foreground" ? "in the foreground of a terminal" : "with this terminal as its controlling terminal"
    return `it cannot run ${what}: ${this.problem}`
  }
}

/**
 * Processes, memory, descriptors or time have run out. Nothing is retried here; a `Schedule` of yours can.
 */
export class ResourcesExhausted extends Schema.TaggedError<ResourcesExhausted>()("ResourcesExhausted", {
  errno: Schema.String
}) {
  override get message(): string {
    return exhausted[this.errno] ?? Errno.describe(this.errno)
  }
}

/**
 * This platform or layer cannot do what was asked for.
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  feature: Schema.String,
  /** Why not, and what to do. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.feature} is not supported here: ${this.problem}`
  }
}

/**
 * Why a process could not be started.
 */
export type SpawnReason = typeof SpawnReason.Type

/**
 * The Schema of {@link SpawnReason}.
 */
export const SpawnReason = Schema.Union([
  ProgramNotFound,
  PermissionDenied,
  NotExecutable,
  InterpreterNotFound,
  WorkingDirectory,
  InvalidArgument,
  Descriptor,
  Credentials,
  Limits,
  NamespaceSetup,
  Containment,
  TerminalUnavailable,
  ResourcesExhausted,
  Unsupported
])

/**
 * The step of a start that failed: checking the `request`, finding a `helper`, opening a `descriptor`, `fork`, then in the child
 * `session` (with umask and process group), `containment`, `namespace`, `terminal`, `limits`, `credentials`, `cwd`, `sandbox` and
 * `exec`.
 */
export type SpawnStep = typeof SpawnStep.Type

/**
 * The Schema of {@link SpawnStep}.
 */
export const SpawnStep = Schema.Literals([
  "request",
  "helper",
  "descriptor",
  "fork",
  "session",
  "containment",
  "namespace",
  "limits",
  "credentials",
  "cwd",
  "sandbox",
  "terminal",
  "exec"
])

/**
 * A process could not be started. Nothing is left of the attempt.
 *
 * **Example** (Handling one reason)
 *
 * ```ts
 * import { InvalidArgument, SpawnError } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const failed = Effect.fail(
 *   new SpawnError({
 *     reason: new InvalidArgument({ option: "args[0]", problem: "contains a NUL character" }),
 *     command: "ls",
 *     step: "request"
 *   })
 * )
 * const handled = failed.pipe(
 *   Effect.catchReason("SpawnError", "InvalidArgument", (reason) => Effect.succeed(reason.option))
 * )
 *
 * assert.equal(Effect.runSync(handled), "args[0]")
 * ```
 */
export class SpawnError extends Schema.TaggedError<SpawnError>()("SpawnError", {
  reason: SpawnReason,
  /** The command as `Command.display` prints it. */
  command: Schema.String,
  step: SpawnStep,
  /** The name of the error that the operating system gave, where there was one. */
  errno: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `cannot start ${quoteCommand(this.command)}: ${this.reason.message}`
  }
}

/**
 * A process ended, but not with one of its `successCodes`.
 */
export class ExitError extends Schema.TaggedError<ExitError>()("ExitError", {
  status: ExitStatus.ExitStatus,
  usage: ExitStatus.ResourceUsage,
  /** The command as `Command.display` prints it. */
  command: Schema.String,
  /** The last 8 KiB of what it wrote to stderr where that was piped, else empty. */
  stderr: Schema.String
}) {
  override get message(): string {
    const what = `${quoteCommand(this.command)} ${ExitStatus.format(this.status)}`
    const written = tail(this.stderr)
    return written === "" ? what : `${what}\n${written}`
  }

  /** For loggers that write JSON, which has no bigint: without the usage, whose sizes are some. Encode by the Schema to keep all. */
  override toJSON(): object {
    return { _tag: this._tag, command: this.command, status: this.status, stderr: this.stderr }
  }
}

/**
 * A process wrote more than it was allowed to, and was stopped.
 */
export class OutputTooLarge extends Schema.TaggedError<OutputTooLarge>()("OutputTooLarge", {
  /** The command as `Command.display` prints it. */
  command: Schema.String,
  stream: Schema.String,
  limit: Schema.ByteSize
}) {
  override get message(): string {
    const limit = ByteSize.format(this.limit, { system: "binary" })
    return `${quoteCommand(this.command)} wrote more than ${limit} to its ${this.stream}: allow more, or read it as a Stream`
  }

  /** For loggers that write JSON, which has no bigint. */
  override toJSON(): object {
    return { _tag: this._tag, command: this.command, stream: this.stream, limit: Number(this.limit) }
  }
}

/**
 * Reading from or writing to a descriptor of a process failed. A process that closed its stdin or ended before it had read
 * everything is the error `EPIPE`.
 */
export class StreamError extends Schema.TaggedError<StreamError>()("StreamError", {
  /** `stdin`, `stdout`, `stderr`, or `fd 3` and so on. */
  stream: Schema.String,
  operation: Schema.Literals(["open", "read", "write"]),
  /** The command as `Command.display` prints it. */
  command: Schema.String,
  /** The name of the error that the operating system gave, where there was one. */
  errno: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    const what = `cannot ${this.operation} ${this.stream} of ${quoteCommand(this.command)}`
    if (this.errno !== undefined) return `${what}: ${Errno.describe(this.errno)}`
    return this.cause instanceof Error ? `${what}: ${this.cause.message}` : what
  }
}

/**
 * Processes are still there long after SIGKILL: uninterruptible in the kernel, held by a tracer, or become another user that this
 * one may not signal. They go on being waited for in the background.
 */
export class Unkillable extends Schema.TaggedError<Unkillable>()("Unkillable", {
  /** The command as `Command.display` prints it. */
  command: Schema.String,
  /** The process that was started. */
  pid: Schema.Int,
  /** Those that are left of its tree; the first ones, if they are many. */
  pids: Schema.Array(Schema.Int)
}) {
  override get message(): string {
    const left = this.pids.length === 0 ? "" : `, left are pids ${this.pids.join(", ")}`
    return `cannot end ${quoteCommand(this.command)} (pid ${this.pid})${left}: blocked in the kernel, held by a tracer, or of another user (see ps -o pid,stat,wchan,user)`
  }
}

/**
 * What a running process uses cannot be told, because the system does not show it to this program. Its exit tells it all the same.
 */
export class UsageHidden extends Schema.TaggedError<UsageHidden>()("UsageHidden", { pid: Schema.Int }) {
  override get message(): string {
    return `cannot tell what process ${this.pid} uses while it runs: /proc/${this.pid} is hidden from this program (it is of another user and /proc is mounted with hidepid=, or there is no /proc here); its exit has the figures`
  }
}

/**
 * A helper process was killed, and with it the knowledge of how a process ended. Everything that was started is ended all the same.
 */
export class KeeperLost extends Schema.TaggedError<KeeperLost>()("KeeperLost", {
  /** `keeper`: that of the whole nursery; the next start makes a new one. `reaper`: that of this process alone. `relay`: of a pty. */
  helper: Schema.Literals(["keeper", "reaper", "relay"]),
  message: Schema.String
}) {}

/**
 * The keeper could not be started.
 */
export class KeeperUnavailable extends Schema.TaggedError<KeeperUnavailable>()("KeeperUnavailable", {
  /**
   * - `platform`: there is none for this system.
   * - `notBuilt`: there is no binary, and no compiler has made one.
   * - `notFound`: there is no file at the path that was given.
   * - `notExecutable`: this user may not execute it.
   * - `truncated`: the file is no complete program.
   * - `version`: it is of another version than this package.
   * - `failed`: it ended, or said something that is not understood.
   * - `timeout`: it did not answer in time.
   */
  reason: Schema.Literals([
    "platform",
    "notBuilt",
    "notFound",
    "notExecutable",
    "truncated",
    "version",
    "failed",
    "timeout"
  ]),
  /** The binary that was tried, if there was one. */
  path: Schema.optionalKey(Schema.String),
  message: Schema.String
}) {}
