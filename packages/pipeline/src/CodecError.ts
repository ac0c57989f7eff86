/**
 * What is wrong with records: of bytes that came in, and of values that cannot go out.
 *
 * All of these are Schema classes, so they can be sent and stored. Records are counted from 1 and bytes from 0, in all that the codec
 * has read; what is no record, such as the header of a CSV file or an empty line, is not counted.
 */
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"

/**
 * The bytes of the record are no UTF-8.
 *
 * @category errors
 */
export class InvalidUtf8 extends Schema.TaggedError<InvalidUtf8>()("InvalidUtf8", {}) {
  override get message(): string {
    return "it is no valid UTF-8"
  }
}

/**
 * The record is not written as the format demands.
 *
 * @category errors
 */
export class InvalidSyntax extends Schema.TaggedError<InvalidSyntax>()("InvalidSyntax", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * The record is well written, but not what the Schema demands.
 *
 * @category errors
 */
export class SchemaMismatch extends Schema.TaggedError<SchemaMismatch>()("SchemaMismatch", {
  /** What the Schema says, with the path of what is wrong. */
  issue: Schema.String
}) {
  override get message(): string {
    return this.issue
  }
}

/**
 * The record is larger than what is allowed.
 *
 * @category errors
 */
export class RecordTooLarge extends Schema.TaggedError<RecordTooLarge>()("RecordTooLarge", {
  limit: Schema.ByteSize
}) {
  override get message(): string {
    return `it is larger than ${ByteSize.format(this.limit, { system: "binary" })}: allow more with maxRecordSize`
  }

  /** For loggers that write JSON, which has no bigint. */
  override toJSON(): object {
    return { _tag: this._tag, limit: Number(this.limit) }
  }
}

/**
 * The input ended inside of the record.
 *
 * @category errors
 */
export class RecordCutOff extends Schema.TaggedError<RecordCutOff>()("RecordCutOff", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * Why a record could not be read.
 *
 * @category errors
 */
export const DecodeReason = Schema.Union([InvalidUtf8, InvalidSyntax, SchemaMismatch, RecordTooLarge, RecordCutOff])

/**
 * Why a record could not be read.
 *
 * @category errors
 */
export type DecodeReason = typeof DecodeReason.Type

const longestExcerpt = 100

/**
 * A record that could not be read. `reason` can be used with `Effect.catchReason`.
 *
 * **Gotchas**
 *
 * `input` is what was read: where that is confidential, do not log the error.
 *
 * **Example** (A record of the wrong type)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const bytes = Stream.make('{"id":1}\n{"id":"two"}\n').pipe(Stream.encodeText)
 * const error = await bytes.pipe(
 *   Codec.decode(Codec.ndjson(Schema.Struct({ id: Schema.Int }))),
 *   Stream.runDrain,
 *   Effect.flip,
 *   Effect.runPromise
 * )
 * assert.equal(error.reason._tag, "SchemaMismatch")
 * assert.deepEqual([error.record, error.offset, error.input], [2, 9, '{"id":"two"}'])
 * ```
 *
 * @category errors
 */
export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", {
  reason: DecodeReason,
  /** The format: `NDJSON`, `CSV` and so on. */
  format: Schema.String,
  /** The number of the record, from 1. */
  record: Schema.Int,
  /** Where the record begins, in bytes from the beginning of the input. */
  offset: Schema.Int,
  /** The beginning of the record. Bytes that are no UTF-8 are shown as `�`. */
  input: Schema.String
}) {
  override get message(): string {
    const input = this.input === "" ? "" : `\n${JSON.stringify(this.input)}`
    return `record ${this.record} of the ${this.format}, at byte ${this.offset}: ${this.reason.message}${input}`
  }
}

/**
 * A bad record as a dead-letter sink gets it: all that is needed to look at it, or to try again.
 *
 * @category models
 */
export interface BadRecord {
  readonly error: DecodeError
  /** Its bytes, without what separates it from others. Of one that is too large the beginning, as much as is allowed, or nothing. */
  readonly bytes: Uint8Array
}

/**
 * The value has no form in the format: a line with a line break in it, a JSON value that is `undefined`.
 *
 * @category errors
 */
export class Unrepresentable extends Schema.TaggedError<Unrepresentable>()("Unrepresentable", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * A value that could not be written. `reason` can be used with `Effect.catchReason`.
 *
 * @category errors
 */
export class EncodeError extends Schema.TaggedError<EncodeError>()("EncodeError", {
  reason: Schema.Union([SchemaMismatch, Unrepresentable]),
  /** The format: `NDJSON`, `CSV` and so on. */
  format: Schema.String,
  /** The number of the record, from 1. */
  record: Schema.Int
}) {
  override get message(): string {
    return `record ${this.record} cannot be written as ${this.format}: ${this.reason.message}`
  }
}

/** @internal */
export const excerptOf = (bytes: Uint8Array): string => {
  const text = new TextDecoder().decode(bytes.subarray(0, 4 * longestExcerpt))
  return text.length > longestExcerpt ? `${text.slice(0, longestExcerpt - 1)}…` : text
}
