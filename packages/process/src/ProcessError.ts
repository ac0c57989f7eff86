/**
 * The errors of this package.
 *
 * All of them are Schema classes, so they can be sent and stored. Each message says what could not be done, why, and where
 * there is something to do about it, what. No error ever contains the value of a `Redacted`: a command appears as
 * `Command.display` prints it.
 */
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"
import * as ExitStatus from "./ExitStatus.ts"
import * as Errno from "./internal/errno.ts"

/**
 * The name of an error number of the operating system, such as `"ENOENT"` (`errno(3)`).
 */
export const ErrnoName = Schema.String

const quote = (text: string): string => JSON.stringify(text)

// ---- Reasons of SpawnError

/**
 * There is no such program.
 */
export class ProgramNotFound extends Schema.TaggedError<ProgramNotFound>()("ProgramNotFound", {
  program: Schema.String,
  /** The directories of PATH that were searched; empty for a program given by its path. */
  searched: Schema.Array(Schema.String)
}) {
  override get message(): string {
    if (this.program.includes("/")) return `there is no file ${this.program}`
    if (this.searched.length === 0) return "no such program: PATH is empty"
    return `no such program on PATH (searched ${this.searched.join(", ")})`
  }
}

/**
 * The operating system does not allow it to be executed, although its mode does: a directory on the way cannot be searched,
 * the file system is mounted `noexec`, or a security module forbids it.
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  path: Schema.String
}) {
  override get message(): string {
    return `permission to execute ${this.path} is denied: see that this user may search every directory above it, and that its file system is not mounted noexec`
  }
}

/**
 * The file is there but is not a program.
 */
export class NotExecutable extends Schema.TaggedError<NotExecutable>()("NotExecutable", {
  path: Schema.String,
  /** `directory`: not a file. `mode`: no permission to execute it. `format`: neither a binary for this machine nor a script. */
  problem: Schema.Literals(["directory", "mode", "format"])
}) {
  override get message(): string {
    switch (this.problem) {
      case "directory":
        return `${this.path} is a directory`
      case "mode":
        return `${this.path} is not executable: run chmod +x on it`
      case "format":
        return `${this.path} is neither a program for this machine nor a script that begins with #!`
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
    return this.kind === "script"
      ? `${this.path} is there, but the interpreter of its #! line is not: ${this.interpreter}`
      : `${this.path} is there, but its dynamic loader is not: ${this.interpreter} (was it built for another system?)`
  }
}

/**
 * The working directory cannot be entered.
 */
export class WorkingDirectory extends Schema.TaggedError<WorkingDirectory>()("WorkingDirectory", {
  path: Schema.String,
  errno: ErrnoName
}) {
  override get message(): string {
    return `cannot enter the working directory ${this.path}: ${Errno.describe(this.errno)}`
  }
}

/**
 * An option of the command has a value that no process can be started with. Never contains a `Redacted` value.
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  /** Which one, such as `args[2]`, `env.PATH`, `fds[7]`, `stop.grace`. */
  option: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.option} ${this.problem}`
  }
}

/**
 * A descriptor of the child could not be set up, such as a file for its stdout that cannot be opened.
 */
export class Descriptor extends Schema.TaggedError<Descriptor>()("Descriptor", {
  descriptor: Schema.Int,
  /** The file that was to be opened for it, if it was one. */
  path: Schema.optionalKey(Schema.String),
  errno: ErrnoName
}) {
  override get message(): string {
    const names = ["stdin", "stdout", "stderr"]
    const name = names[this.descriptor] ?? `descriptor ${this.descriptor}`
    const what = this.path === undefined ? `cannot set up ${name}` : `cannot open ${this.path} as ${name}`
    return `${what}: ${Errno.describe(this.errno)}`
  }
}

/**
 * The user, group or supplementary groups could not be changed.
 */
export class Credentials extends Schema.TaggedError<Credentials>()("Credentials", { errno: ErrnoName }) {
  override get message(): string {
    return `cannot change user or groups: ${Errno.describe(this.errno)}`
  }
}

/**
 * A resource limit could not be set.
 */
export class Limits extends Schema.TaggedError<Limits>()("Limits", {
  limit: Schema.optionalKey(Schema.String),
  errno: ErrnoName
}) {
  override get message(): string {
    return `cannot set the limit${this.limit === undefined ? "s" : ` ${this.limit}`}: ${Errno.describe(this.errno)}`
  }
}

/**
 * A namespace could not be made or entered.
 */
export class NamespaceSetup extends Schema.TaggedError<NamespaceSetup>()("NamespaceSetup", {
  namespace: Schema.optionalKey(Schema.String),
  errno: ErrnoName
}) {
  override get message(): string {
    const which = this.namespace === undefined ? "the namespaces" : `the ${this.namespace} namespace`
    return `cannot set up ${which}: ${Errno.describe(this.errno)}`
  }
}

/**
 * The level of containment that was asked for is not available here. It is never replaced by a weaker one.
 */
export class Containment extends Schema.TaggedError<Containment>()("Containment", {
  level: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `containment ${quote(this.level)} is not available: ${this.problem}`
  }
}

/**
 * Processes, memory or descriptors have run out. It may work later: retry with a `Schedule`.
 */
export class ResourcesExhausted extends Schema.TaggedError<ResourcesExhausted>()("ResourcesExhausted", {
  errno: ErrnoName
}) {
  override get message(): string {
    switch (this.errno) {
      case "EAGAIN":
        return "no more processes are allowed: see RLIMIT_NPROC (ulimit -u), pids.max of the cgroup, and kernel.pid_max"
      case "ENOMEM":
        return "out of memory"
      case "EMFILE":
        return "too many open descriptors in one process: see RLIMIT_NOFILE (ulimit -n)"
      case "ENFILE":
        return "too many open files on this machine: see fs.file-max"
      case "ETIMEDOUT":
        return "the program did not start within the spawn deadline: is it, or its working directory, on a file system that hangs?"
      default:
        return Errno.describe(this.errno)
    }
  }
}

/**
 * This platform or layer cannot do what was asked for.
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  feature: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.feature} is not supported: ${this.problem}`
  }
}

/**
 * Why a process could not be started.
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
  ResourcesExhausted,
  Unsupported
])

/**
 * Why a process could not be started.
 */
export type SpawnReason = typeof SpawnReason.Type

/**
 * The step of a spawn that failed, in the order in which they are taken.
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
  "exec"
])

/**
 * The step of a spawn that failed.
 */
export type SpawnStep = typeof SpawnStep.Type

/**
 * A process could not be started. Nothing of it is left.
 */
export class SpawnError extends Schema.TaggedError<SpawnError>()("SpawnError", {
  reason: SpawnReason,
  /** The command, as `Command.display` prints it. */
  command: Schema.String,
  step: SpawnStep,
  /** The error of the operating system, where one was the cause. */
  errno: Schema.optionalKey(ErrnoName)
}) {
  override get message(): string {
    return `cannot start ${quote(this.command)}: ${this.reason.message}`
  }
}

// ---- Errors of a running process

/**
 * A process ended with a status that is not one of its `successCodes`.
 */
export class ExitError extends Schema.TaggedError<ExitError>()("ExitError", {
  status: ExitStatus.ExitStatus,
  usage: ExitStatus.ResourceUsage,
  /** The command, as `Command.display` prints it. */
  command: Schema.String,
  /** The last 8 KiB of its stderr where it was piped, else empty. */
  stderr: Schema.String
}) {
  override get message(): string {
    return `${quote(this.command)} ${this.status._tag}`
  }
}

/**
 * A process wrote more than the caller allowed.
 */
export class OutputTooLarge extends Schema.TaggedError<OutputTooLarge>()("OutputTooLarge", {
  command: Schema.String,
  stream: Schema.String,
  limit: Schema.ByteSize
}) {
  override get message(): string {
    return `${quote(this.command)} wrote more than ${ByteSize.format(this.limit)} to its ${this.stream}`
  }
}

/**
 * Reading from or writing to a stream of a process failed.
 */
export class StreamError extends Schema.TaggedError<StreamError>()("StreamError", {
  /** `stdin`, `stdout`, `stderr`, or `fd 3`. */
  stream: Schema.String,
  command: Schema.String,
  errno: Schema.optionalKey(ErrnoName),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.stream} of ${quote(this.command)} failed`
  }
}

/**
 * Processes are still there although SIGKILL was sent long ago.
 */
export class Unkillable extends Schema.TaggedError<Unkillable>()("Unkillable", {
  command: Schema.String,
  pid: Schema.Int,
  pids: Schema.Array(Schema.Int)
}) {
  override get message(): string {
    return `${quote(this.command)} (pid ${this.pid}) cannot be ended`
  }
}

/**
 * A helper process was killed, and with it the knowledge of what becomes of the process.
 */
export class KeeperLost extends Schema.TaggedError<KeeperLost>()("KeeperLost", {
  helper: Schema.Literals(["keeper", "reaper"]),
  message: Schema.String
}) {}

/**
 * The keeper could not be started.
 */
export class KeeperUnavailable extends Schema.TaggedError<KeeperUnavailable>()("KeeperUnavailable", {
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
