/**
 * What a child that is a process fails with beside the errors of processes: it did not become ready, or it was alive no longer.
 *
 * Each message says what did not happen, why as far as that is known, and what to do.
 */
import * as ExitStatus from "@nursery/process/ExitStatus"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * It ended before it was ready, whatever its status.
 *
 * @category errors
 */
export class ExitedBeforeReady extends Schema.TaggedError<ExitedBeforeReady>()("ExitedBeforeReady", {
  exit: ExitStatus.ProcessExit
}) {
  override get message(): string {
    const how = ExitStatus.format(this.exit.status)
    if (!ExitStatus.isSuccess(this.exit.status)) return `it ${how} before it was ready: see what it wrote`
    return `it ${how} before it was ready: let it stay in the foreground, or make it a child without "ready" if it is meant to end`
  }

  /** For loggers that write JSON, which has no bigint: without the usage, whose sizes are some. Encode by the Schema to keep all. */
  override toJSON(): object {
    return { _tag: this._tag, status: this.exit.status }
  }
}

/**
 * It was not ready in time.
 *
 * @category errors
 */
export class ReadyTimeout extends Schema.TaggedError<ReadyTimeout>()("ReadyTimeout", {
  /** What was waited for: `http http://127.0.0.1:8080/health`. */
  ready: Schema.String,
  after: Schema.Duration,
  /** Why the last probe failed, where there was one. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const last = this.problem === undefined ? "" : `, the last answer was: ${this.problem}`
    return `${this.ready} did not succeed within ${Duration.format(this.after)}${last} (startTimeout or Ready.timeout gives more time)`
  }
}

const steps = {
  beforeStart: "what it does before its start was not done",
  command: "the Effect that makes its command was not done",
  spawn: "its program was not started"
} as const

/**
 * Its `startTimeout` was up before there was anything to be ready.
 *
 * @category errors
 */
export class StartTimeout extends Schema.TaggedError<StartTimeout>()("StartTimeout", {
  /** What it was at: its hook `beforeStart`, the Effect that makes its command, or the start of its program. */
  step: Schema.Literals(["beforeStart", "command", "spawn"]),
  after: Schema.Duration
}) {
  override get message(): string {
    return `${steps[this.step]} within ${Duration.format(this.after)} (startTimeout gives more time)`
  }
}

/**
 * A process that does not belong to the child said that the child was ready: it listens where the child should, or wrote to its
 * notify socket.
 *
 * @category errors
 */
export class ReadyStranger extends Schema.TaggedError<ReadyStranger>()("ReadyStranger", {
  /** What it answered for: `tcp 127.0.0.1:5432`. */
  ready: Schema.String,
  /** Who it is; absent where it belongs to another user, who hides it. */
  pid: Schema.optionalKey(Schema.Int),
  /** The name of its program, as far as it is known. */
  program: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const name = this.program === undefined ? "" : ` (${this.program})`
    const who = this.pid === undefined ? "a process of another user" : `pid ${this.pid}${name}`
    if (this.ready === "notify")
      return `${who} sent READY=1 in its place, and is not part of it: it has to send that itself`
    return `${who} answered for ${this.ready}, and is not part of it: end that one, or let the child use another address`
  }
}

/**
 * Why a child did not become ready.
 *
 * @category errors
 */
export type NotReadyReason = typeof NotReadyReason.Type

/**
 * The Schema of {@link NotReadyReason}.
 *
 * @category schemas
 */
export const NotReadyReason = Schema.Union([ExitedBeforeReady, StartTimeout, ReadyTimeout, ReadyStranger])

/**
 * It did not become ready: the reason says why.
 *
 * **Example** (Handling one reason)
 *
 * ```ts
 * import * as Duration from "effect/Duration"
 * import * as Effect from "effect/Effect"
 * import { NotReady, ReadyTimeout } from "@nursery/supervisor"
 * import assert from "node:assert/strict"
 *
 * const reason = new ReadyTimeout({ ready: "tcp 127.0.0.1:5432", after: Duration.seconds(30) })
 * const start = Effect.fail(new NotReady({ child: "db", reason }))
 * const handled = start.pipe(Effect.catchReason("NotReady", "ReadyTimeout", ({ ready }) => Effect.succeed(ready)))
 *
 * assert.equal(Effect.runSync(handled), "tcp 127.0.0.1:5432")
 * ```
 *
 * @category errors
 */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {
  /** The name of the child. */
  child: Schema.String,
  reason: NotReadyReason
}) {
  override get message(): string {
    return `"${this.child}" did not become ready: ${this.reason.message}`
  }
}

/**
 * It was alive no longer: its liveness check failed, or its watchdog was not heard of.
 *
 * @category errors
 */
export class Unresponsive extends Schema.TaggedError<Unresponsive>()("Unresponsive", {
  /** The name of the child. */
  child: Schema.String,
  /** What failed: `watchdog`, `http http://127.0.0.1:8080/health`. */
  check: Schema.String,
  /** What was wrong, the last time. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const why = this.problem === undefined ? "" : `, ${this.problem}`
    return `"${this.child}" runs but does not respond: ${this.check}${why}`
  }
}
