/**
 * What the effects of this package stand on: a way to start processes, told by callbacks.
 *
 * Two things implement it: the keeper client (every promise of `docs/guarantees.md`) and the portable layer on
 * `node:child_process` (the platform's own, weaker ones). Nothing here is an Effect: a spawn passes through this interface
 * thousands of times a second, and each of its calls is synchronous, never throws and never blocks the event loop.
 *
 * @internal
 */
import type { KeeperLost, SpawnReason } from "../ProcessError.ts"
import type { Guarantees } from "./guarantees.ts"
import type { Held, HeldEnd, HeldRequest, Holding } from "./held.ts"
import type { VirtualEnd } from "./streams/virtual.ts"

/** A containment level, as in `docs/guarantees.md`. */
export type Level = "tree" | "group" | "pid-namespace" | "cgroup"

/** Whom a signal reaches. */
export type Reach = "leader" | "group" | "tree"

/** How a process is ended. Times are milliseconds; `undefined` waits as long as it takes. */
export interface StopPolicy {
  /** A signal number; 0 means SIGKILL at once. */
  readonly signal: number
  readonly reach: Reach
  readonly grace: number | undefined
  /** What the rest of the tree gets once the leader has ended. */
  readonly linger: number | undefined
}

/** What a descriptor of the child is connected to. */
export type FdRequest = { readonly target: number } & (
  | { readonly kind: "null" }
  /** A descriptor number of this program. */
  | { readonly kind: "inherit"; readonly source: number }
  /** A pipe that the child reads and this program writes. `size`: what it should hold, in bytes; a wish, not a promise. */
  | { readonly kind: "pipeIn"; readonly size?: number }
  /** A pipe that the child writes and this program reads. */
  | { readonly kind: "pipeOut"; readonly size?: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: "read" | "truncate" | "append" }
  /** One end of a pipe made by `Backend.pipe`: child to child, no byte passes through this program. */
  | { readonly kind: "joined"; readonly pipe: Joined; readonly end: "read" | "write" }
  /** Something made by `Backend.hold`. `given`: once the child has started, its copy is the only one. */
  | { readonly kind: "held"; readonly held: Held; readonly end: HeldEnd; readonly given: boolean }
  /** A stream socket; this program holds the other end, for both directions. */
  | { readonly kind: "duplex" }
)

/** A kind of namespace, `namespaces(7)`. */
export type NamespaceKind = "user" | "pid" | "mount" | "network" | "ipc" | "uts" | "cgroup" | "time"

/** An address, or what begins with so many bits of it. `text` is what it was given by. */
export interface Prefix {
  readonly text: string
  readonly family: "inet" | "inet6"
  readonly bytes: ReadonlyArray<number>
  readonly bits: number
}

/** These are arranged before all others, in their order. */
export type NamespaceItem =
  /**
   * New ones. The user and group of this program are called `own` in a user namespace, where they are all that there is; `undefined`:
   * nothing is mapped, for that is done afterwards. `clocks`: nanoseconds that they are ahead of those outside.
   */
  | {
      readonly kind: "namespaces"
      readonly make: ReadonlyArray<NamespaceKind>
      readonly own: { readonly uid: number; readonly gid: number } | undefined
      readonly clocks?: { readonly monotonic: bigint; readonly boottime: bigint }
    }
  /** Paths are absolute. */
  | {
      readonly kind: "mount"
      readonly how: "tmpfs" | "bind" | "bindReadOnly" | "readOnly"
      readonly source: string
      readonly target: string
    }
  | { readonly kind: "hostname"; readonly name: string }
  | { readonly kind: "loopback" }
  /** Those of a running process of the same backend. */
  | { readonly kind: "enter"; readonly process: Ticket; readonly namespaces: ReadonlyArray<NamespaceKind> }
  /** One that a path leads to. */
  | { readonly kind: "enterPath"; readonly namespace: NamespaceKind; readonly path: string }
  /** A pair of devices: one here, the other in the network of a running process of the same backend. */
  | { readonly kind: "veth"; readonly near: string; readonly far: string; readonly process: Ticket }
  | { readonly kind: "address"; readonly device: string; readonly address: Prefix }
  | { readonly kind: "linkUp"; readonly device: string }
  | {
      readonly kind: "route"
      readonly device: string
      readonly to: Prefix
      /** Of the same family; `undefined`: all that is there is a neighbour. */
      readonly via: Prefix | undefined
    }

/** A limit in the unit of the kernel; `"keep"` is as it is. */
export type LimitValue = bigint | "unlimited" | "keep"

/** At level `cgroup`: a file of the process's own group, and what is written to it. */
export interface CgroupItem {
  readonly kind: "cgroupFile"
  readonly file: string
  readonly value: string
}

/** One thing that is arranged for the child before its program starts. */
export type SetupItem =
  /** setrlimit(2), by the number of the resource. */
  | { readonly kind: "limit"; readonly resource: number; readonly soft: LimitValue; readonly hard: LimitValue }
  | { readonly kind: "nice"; readonly value: number }
  /** sched_setscheduler(2); the priority is 0 but for the real-time policies. */
  | { readonly kind: "scheduler"; readonly policy: number; readonly priority: number }
  /** As ioprio_set(2) takes it. */
  | { readonly kind: "ioPriority"; readonly value: number }
  /** The numbers of the processors. */
  | { readonly kind: "affinity"; readonly cpus: ReadonlyArray<number> }
  | { readonly kind: "oomScore"; readonly value: number }
  /** Real, effective and saved ids; `undefined` is as it was. */
  | {
      readonly kind: "credentials"
      readonly user: number | undefined
      readonly group: number | undefined
      readonly groups: ReadonlyArray<number> | undefined
    }
  /** `bounded`: the bounding set may stay as it is where it must, for nothing can be gained by it. */
  | {
      readonly kind: "capabilities"
      readonly set: bigint
      readonly mode: "keep" | "drop"
      readonly bounded: boolean
    }
  | { readonly kind: "noNewPrivileges" }
  /** landlock(7): what is held back, by the bits of the kernel; what is allowed all the same follows. */
  | { readonly kind: "sandbox"; readonly files: bigint; readonly network: bigint; readonly scoped: bigint }
  /** An absolute path. `optional`: left out where it cannot be opened. `option`: what it was given by, for errors. */
  | {
      readonly kind: "sandboxPath"
      readonly path: string
      readonly allowed: bigint
      readonly optional: boolean
      readonly option: string | undefined
    }
  | { readonly kind: "sandboxPort"; readonly port: number; readonly allowed: bigint }
  /** A program of seccomp(2). */
  | { readonly kind: "filter"; readonly instructions: Uint8Array }
  /** The leader of a new session gets it as its controlling terminal; `target`: which of its descriptors. */
  | { readonly kind: "terminal"; readonly target: number }
  | NamespaceItem
  | CgroupItem

/** Everything that a spawn needs, resolved: no defaults are left to fill in. */
export interface SpawnRequest {
  /** With a slash: a path (a relative one is resolved against `cwd`); without: looked up in `searchPath`. */
  readonly program: string
  /** All of argv, the name of the program first. */
  readonly argv: ReadonlyArray<string>
  readonly searchPath: string
  /** Absolute, or empty for the working directory of this program. */
  readonly cwd: string
  /** Start from nothing instead of this program's environment. */
  readonly clearEnv: boolean
  /** Changes to it: a value sets, `undefined` removes. */
  readonly env: ReadonlyArray<readonly [name: string, value: string | undefined]>
  readonly level: Level
  readonly session: "new" | "group" | "owner"
  readonly stop: StopPolicy
  /** `undefined`: this program's. */
  readonly umask: number | undefined
  readonly fds: ReadonlyArray<FdRequest>
  /** A text file without `#!` is run by `/bin/sh`, as POSIX `execvp` does. */
  readonly shellFallback: boolean
  /** An exit other than 0 sends the stop signal to what is left of the process group, at once. */
  readonly groupOnFailure: boolean
  /** It gets a socket for sd_notify(3), and its observer what comes there. Asked of those only whose guarantees say `notifications`. */
  readonly notify?: boolean
  /** The value of the variable LISTEN_PID, of 10 characters or more, becomes the pid of the process. */
  readonly listenPid?: boolean
  /** What its processes hand over by sd_pid_notify_with_fds(3) is held; the observer gets it with the notification, and drops it. */
  readonly store?: boolean
  /** Its group has the foreground of this program's terminal. With the session `group`. */
  readonly foreground?: boolean
  readonly setup?: ReadonlyArray<SetupItem>
}

/** What all processes of a cgroup have used; `undefined` is not known here. Times in microseconds, sizes in bytes. */
export interface RawCgroupUsage {
  readonly cpuTime: number
  readonly userTime: number
  readonly systemTime: number
  readonly throttledTime: number | undefined
  /** At the moment; not of one that is gone. */
  readonly memory: number | undefined
  readonly memoryPeak: number | undefined
  readonly readBytes: number | undefined
  readonly writtenBytes: number | undefined
  /** Of its processes that the kernel has killed for want of memory. */
  readonly oomKills: number
  /** The leader was one of them. */
  readonly outOfMemory: boolean
}

/** The raw figures of `wait4`, as the kernel gave them. Times in microseconds, sizes in bytes. */
export interface RawUsage {
  readonly userTime: number
  readonly systemTime: number
  readonly maxResidentSet: number
  readonly minorFaults: number
  readonly majorFaults: number
  readonly blockInput: number
  readonly blockOutput: number
  readonly voluntarySwitches: number
  readonly involuntarySwitches: number
  /** At level `cgroup`. */
  readonly cgroup?: RawCgroupUsage | undefined
}

/** What was sent to the socket of sd_notify(3) of one process. */
export interface RawNotification {
  /** Of the sender; 0 where the kernel shows none. */
  readonly pid: number
  /** Whether the sender was of its tree; `gone`: it has ended, so that nobody can tell. */
  readonly sender: "member" | "stranger" | "gone"
  /** The text was longer than 4096 bytes; its end is missing. */
  readonly cut: boolean
  readonly text: string
  /** Descriptors that came with it. */
  readonly stored?: ReadonlyArray<Held>
}

/** The step of a spawn that failed, as `SpawnError.step` names it. */
export type Step =
  | "request"
  | "helper"
  | "descriptor"
  | "fork"
  | "session"
  | "credentials"
  | "cwd"
  | "exec"
  | "limits"
  | "namespace"
  | "containment"
  | "sandbox"
  | "terminal"

export interface SpawnFailure {
  readonly step: Step
  /** Linux number; ETIMEDOUT for the spawn deadline, ECANCELED after `cancel`; 0 where the kernel was not asked. */
  readonly errno: number
  /**
   * The descriptor that the step was about, or the item of `SpawnRequest.setup`, counted from 0; of the step `containment` which part;
   * -1: none.
   */
  readonly target: number
  /** What it means, where the backend knows. Else it is found out by looking at the files that the request names. */
  readonly reason?: SpawnReason
}

/** This program's end of a pipe or socket: an open, nonblocking descriptor that the receiver owns and closes. */
export interface OpenedFd {
  readonly target: number
  readonly kind: "pipeIn" | "pipeOut" | "duplex"
  /**
   * A descriptor number or a connected socket (not flowing, half-open allowed): "duplex" is always a socket, and so are the pipes
   * of a program that cannot open them, because it has changed its user (`setuid`) since its helpers were started. Of a simulated
   * process: an end without a descriptor.
   */
  readonly handle: number | import("node:net").Socket | VirtualEnd
}

/**
 * What happens to a process, in this order: `started` then `exited` then `ended`, each once; or `failed` alone; or `lost` (the
 * helpers died) in place of what had not come yet, followed by `ended` once everything is proven dead. `unkillable` may come
 * between, once; so may `notified`, any number of times, and before `exited` all that was sent before the exit. Callbacks are
 * called from the event loop, never from inside a call of `Backend`, and must not throw.
 */
export interface Observer {
  started(pid: number, helper: number, fds: ReadonlyArray<OpenedFd>): void
  failed(failure: SpawnFailure): void
  /**
   * `status` as of wait(2). `isLast`: nothing else of the tree is left, and `ended` follows before anything else happens, so that
   * who waits for the exit can be told when nothing is to be stopped any more.
   */
  exited(status: number, usage: RawUsage, isLast?: boolean): void
  /** Nothing of the tree is left: all dead, all waited for. */
  ended(): void
  lost(error: KeeperLost): void
  /** SIGKILL has not ended these within the deadline; reaping goes on, `ended` may still come. */
  unkillable(pids: ReadonlyArray<number>): void
  /** Of a request with `notify`. */
  notified?(notification: RawNotification): void
}

/** A process below a running one, with its age in milliseconds. */
export interface Below {
  readonly pid: number
  readonly name: string
  readonly parent: number
  readonly age: number
}

/** A process that was asked for. */
export interface Ticket {
  /** By which the backend knows it; where there is none, nothing can enter its namespaces. */
  readonly id?: number
  /** Ends it whatever its state: `failed` with ECANCELED, or SIGKILL and `ended`. For an interrupted spawn. */
  cancel(): void
  /** Begins the stop. A second call with a harsher policy replaces the first; a milder one changes nothing. */
  stop(policy: StopPolicy): void
  /** Sends a signal; `done` gets an errno, 0 for success, ESRCH when there is nobody to get it. */
  signal(signal: number, reach: Reach, done: (errno: number) => void): void
  /** It may outlive scope and program (`unref`). */
  release(done: (errno: number) => void): void
  /** Undoes `release`. */
  retain(done: (errno: number) => void): void
  /** Whether a live process keeps the event loop of this program alive. */
  ref(): void
  unref(): void
  /** At level `cgroup`: the directory of its group, while there is one, and what was told last of its usage. */
  readonly cgroup?: { readonly path: string; readonly usage: RawCgroupUsage | undefined } | undefined
  /** What the running leader has used, and what descends from it. Where nothing is said, `/proc` is asked about the pid. */
  usage?(): RawUsage | undefined
  descendants?(): ReadonlyArray<Below> | undefined
}

/** A kernel pipe between two children. */
export interface Joined {
  readonly id: number
  /** Lets go of both ends; the children keep theirs. */
  drop(): void
}

export interface Backend {
  /** What is known without trying. A level that only a try can tell about counts as available, and each spawn tries it. */
  readonly guarantees: () => Guarantees
  /** The same after having tried the levels that the kernel, its settings or a container may forbid. Does not keep the program alive. */
  readonly probe?: (done: (guarantees: Guarantees) => void) => void
  spawn(request: SpawnRequest, observer: Observer): Ticket
  /** `undefined` where this backend cannot join children by a kernel pipe. */
  readonly pipe: (() => Joined) | undefined
  /**
   * Makes something that is held for any number of spawns. `done` is called once, later. Not there where this backend can hold nothing.
   */
  readonly hold?: ((request: HeldRequest, done: (result: Holding) => void) => void) | undefined
  /** Ends everything and lets the helpers go; `done` is called when all is proven dead. Later spawns start anew or fail. */
  close(done: () => void): void
  /** Milliseconds since 1970, for what the nursery tells about its processes, where it is not the machine's time. */
  readonly now?: () => number
}
