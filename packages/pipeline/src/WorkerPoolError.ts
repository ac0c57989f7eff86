/**
 * What goes wrong with workers, and with the requests that they get.
 */
import { ExitStatus, KeeperLost, Unkillable } from "@nursery/process"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { DecodeError, EncodeError } from "./CodecError.ts"

/**
 * The worker has ended before it had answered.
 *
 * @category errors
 */
export class WorkerExited extends Schema.TaggedError<WorkerExited>()("WorkerExited", {
  status: ExitStatus.ExitStatus,
  /** The last 8 KiB of what it wrote to stderr where that was piped, else empty. */
  stderr: Schema.String
}) {
  override get message(): string {
    const written = this.stderr.trimEnd()
    return `the worker ${ExitStatus.format(this.status)} before it had answered${written === "" ? "" : `\n${written}`}`
  }
}

/**
 * The worker did not answer in time, and was killed.
 *
 * @category errors
 */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", {
  limit: Schema.Duration
}) {
  override get message(): string {
    return `the worker did not answer within ${Duration.format(this.limit)}`
  }
}

/**
 * The worker has closed what it reads requests from, and was killed when it went on for a second without.
 *
 * @category errors
 */
export class InputClosed extends Schema.TaggedError<InputClosed>()("InputClosed", {}) {
  override get message(): string {
    return "the worker reads no more requests: it has closed its input"
  }
}

/**
 * What the worker wrote is no answer to what it was asked, and it was killed: which answer belongs to which request is not known any more.
 *
 * @category errors
 */
export class BadResponse extends Schema.TaggedError<BadResponse>()("BadResponse", {
  problem: Schema.String,
  /** Of a record that is not what the Schema of responses says. */
  error: Schema.optionalKey(DecodeError)
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * Why a worker has ended.
 *
 * @category errors
 */
export const WorkerFailure = Schema.Union([
  WorkerExited,
  RequestTimedOut,
  BadResponse,
  InputClosed,
  KeeperLost,
  Unkillable
])

/**
 * Why a worker has ended.
 *
 * @category errors
 */
export type WorkerFailure = typeof WorkerFailure.Type

/**
 * The pool has no workers any more: one of them has given up, as its restart policy says, or the scope of the pool has closed.
 *
 * @category errors
 */
export class PoolClosed extends Schema.TaggedError<PoolClosed>()("PoolClosed", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * A request that has no answer. `reason` can be used with `Effect.catchReason`.
 *
 * @category errors
 */
export class RequestFailed extends Schema.TaggedError<RequestFailed>()("RequestFailed", {
  /** Of its last attempt. An `EncodeError` is one of the request itself, which no worker got. */
  reason: Schema.Union([
    WorkerExited,
    RequestTimedOut,
    BadResponse,
    InputClosed,
    KeeperLost,
    Unkillable,
    EncodeError,
    PoolClosed
  ]),
  /** How many workers got it. Each of them may have done what was asked of it. */
  attempts: Schema.Int
}) {
  override get message(): string {
    const attempts = this.attempts > 1 ? ` (${this.attempts} attempts)` : ""
    return `a request has failed${attempts}: ${this.reason.message}`
  }
}

/**
 * A request that a dead-letter sink gets.
 *
 * @category models
 */
export interface DeadLetter<out Request> {
  readonly request: Request
  readonly error: RequestFailed
}

/**
 * The options of a pool contradict each other, or are none.
 *
 * @category errors
 */
export class InvalidPool extends Schema.TaggedError<InvalidPool>()("InvalidPool", {
  option: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `a pool of workers cannot be made: ${this.option} ${this.problem}`
  }
}
