/**
 * What a child that is a process fails with beside the errors of processes: it did not become ready, or it was alive no longer.
 */
import { ProcessExit } from "@nursery/process/ExitStatus"
import * as Schema from "effect/Schema"

/**
 * It ended before it was ready.
 *
 * @category errors
 */
export class ExitedBeforeReady extends Schema.TaggedError<ExitedBeforeReady>()("ExitedBeforeReady", {
  exit: ProcessExit
}) {
  override get message(): string {
    return "it ended before it was ready"
  }
}

/**
 * It was not ready in time.
 *
 * @category errors
 */
export class ReadyTimeout extends Schema.TaggedError<ReadyTimeout>()("ReadyTimeout", {
  /** What was waited for. */
  ready: Schema.String,
  after: Schema.Duration
}) {}

/**
 * A process that does not belong to the child said that the child was ready.
 *
 * @category errors
 */
export class ReadyStranger extends Schema.TaggedError<ReadyStranger>()("ReadyStranger", {
  pid: Schema.Number
}) {}

/**
 * It did not become ready: the reason says why.
 *
 * @category errors
 */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {
  /** The name of the child. */
  child: Schema.String,
  reason: Schema.Union([ExitedBeforeReady, ReadyTimeout, ReadyStranger])
}) {}

/**
 * It was alive no longer: its liveness check failed, or its watchdog was not heard of.
 *
 * @category errors
 */
export class Unresponsive extends Schema.TaggedError<Unresponsive>()("Unresponsive", {
  /** The name of the child. */
  child: Schema.String,
  /** What failed: `watchdog`, `http http://127.0.0.1:8080/health`. */
  check: Schema.String
}) {}
