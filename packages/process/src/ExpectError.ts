/**
 * The errors of waiting for output (`Expect`).
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * What was waited for did not come in time.
 */
export class ExpectTimeout extends Schema.TaggedError<ExpectTimeout>()("ExpectTimeout", {
  duration: Schema.DurationFromString
}) {
  override get message(): string {
    return `it did not come within ${Duration.format(this.duration)}`
  }
}

/**
 * The output ended before it came.
 */
export class ExpectEnd extends Schema.TaggedError<ExpectEnd>()("ExpectEnd", {}) {
  override get message(): string {
    return "the output ended before it came"
  }
}

/**
 * There is more output than may be kept, and it is not in that.
 */
export class ExpectOverflow extends Schema.TaggedError<ExpectOverflow>()("ExpectOverflow", {
  /** How much was kept, in bytes. */
  limit: Schema.Int
}) {
  override get message(): string {
    return `it is not in the first ${this.limit} bytes: take what is not wanted away (\`pending\`), or ask for a larger \`buffer\``
  }
}

/**
 * Why output that was waited for is not there.
 */
export type ExpectReason = typeof ExpectReason.Type

/**
 * The Schema of {@link ExpectReason}.
 */
export const ExpectReason = Schema.Union([ExpectTimeout, ExpectEnd, ExpectOverflow])

/**
 * Output that was waited for is not there. Nothing of what came instead is lost: the next one to wait finds it.
 *
 * **Example** (Going on without a prompt)
 *
 * ```ts
 * import { Expect } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const expect = yield* Expect.make(Stream.make("no prompt").pipe(Stream.encodeText))
 *   return yield* expect.until("password: ").pipe(
 *     Effect.as("asked"),
 *     Effect.catchReason("ExpectError", "ExpectEnd", () => Effect.succeed("not asked"))
 *   )
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(program), "not asked")
 * ```
 */
export class ExpectError extends Schema.TaggedError<ExpectError>()("ExpectError", {
  reason: ExpectReason,
  /** What was waited for: texts in quotes, patterns between slashes. */
  expected: Schema.Array(Schema.String),
  /** The last that came and was not taken, up to 2048 characters. */
  output: Schema.String
}) {
  override get message(): string {
    const last = this.output === "" ? "there is no output" : `the last output is ${JSON.stringify(this.output)}`
    return `expected ${this.expected.join(" or ")}: ${this.reason.message}; ${last}`
  }
}
