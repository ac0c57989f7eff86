/**
 * Why a process could not be started: the reasons of a `SpawnError`, each with what to do about it. They are exported with the errors
 * themselves, by `ProcessError`.
 */
import * as Schema from "effect/Schema"
import * as Errno from "./internal/errno.ts"
import { pathProblem } from "./internal/pathAdvice.ts"
import { showPath } from "./internal/text.ts"

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
