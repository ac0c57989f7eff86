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
import { quoteCommand, tail } from "./internal/text.ts"
import { SpawnReason } from "./SpawnReason.ts"

export * from "./SpawnReason.ts"

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
