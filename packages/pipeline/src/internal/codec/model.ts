/**
 * What a codec is made of. Below this line everything is synchronous and works on whole chunks: an Effect for each record would cost
 * more than the reading of it. An Effect comes in only where a Schema is not synchronous, and then for its records alone.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SchemaIssue from "effect/SchemaIssue"
import {
  type BadRecord,
  DecodeError,
  type DecodeReason,
  excerptOf,
  RecordTooLarge,
  SchemaMismatch
} from "../../CodecError.ts"

/** Reads one stream of bytes. What is complete goes to the intake that it was made with. */
export interface Decoder {
  /** The chunk is the caller's: what is needed of it later is copied. */
  readonly push: (chunk: Uint8Array) => void
  /** The input has ended. */
  readonly end: () => void
}

/** Writes one stream of records. */
export interface Encoder {
  /** One value as its Schema encodes it. */
  readonly encode: (value: unknown) => Encoding
  /** What is written before the first record. */
  readonly begin: Uint8Array
  /** Encoded values as bytes; throws {@link Unwritable} for the first that has no form. */
  readonly write: (encoded: ReadonlyArray<unknown>) => Uint8Array
  /** What is written after the last record. */
  readonly end: Uint8Array
}

export interface Spec {
  /** As errors call it. */
  readonly format: string
  /** Whether a record can be known to be complete without what comes after it, and is never two. */
  readonly isFramed: boolean
  readonly decoder: (intake: Intake) => Decoder
  readonly encoder: () => Encoder
}

/** A value of `index` that has no form in the format. */
export class Unwritable extends Error {
  readonly index: number
  constructor(index: number, problem: string) {
    super(problem)
    this.index = index
  }
}

/** Ends the decoding, where it stands. */
export class Stop extends Error {
  readonly error: DecodeError
  constructor(error: DecodeError) {
    super(error.message)
    this.error = error
  }
}

/** Why a record could not be read, as it is found. */
export type Failure = SchemaIssue.Issue | DecodeReason

/** What reading one record gives: an Exit, unless its Schema is not synchronous. */
export type Reading = Effect.Effect<unknown, Failure, unknown>

/** What a Schema makes of a value: an Exit, unless it is not synchronous. */
export type Encoding = Effect.Effect<unknown, SchemaIssue.Issue, unknown>

/** A record whose Schema has not decided yet. */
export interface Waiting {
  /** Its place in `values`. */
  readonly index: number
  readonly reading: Reading
  readonly record: number
  readonly offset: number
  readonly bytes: Uint8Array
}

/** What was wrong with a record; throws what is no failure of the Schema. */
const reasonIn = (cause: Cause.Cause<Failure>): DecodeReason => {
  const [reason] = cause.reasons
  if (reason?._tag !== "Fail") throw Cause.squash(cause)
  return reasonOf(reason.error)
}

/** Whether it is known already. */
const isExit = (reading: Reading): reading is Exit.Exit<unknown, Failure> => Exit.isExit(reading)

export const isSuccess = (reading: Reading): reading is Exit.Success<unknown, Failure> =>
  isExit(reading) && reading._tag === "Success"

/** What is wrong with a record, where that is known already. */
export const problemOf = (reading: Reading): DecodeReason | undefined =>
  isExit(reading) && reading._tag === "Failure" ? reasonIn(reading.cause) : undefined

const describe = SchemaIssue.makeFormatterDefault()

export const mismatch = (issue: SchemaIssue.Issue): SchemaMismatch => new SchemaMismatch({ issue: describe(issue) })

const isReason = (error: Failure): error is DecodeReason => error instanceof Error

export const reasonOf = (error: Failure): DecodeReason => (isReason(error) ? error : mismatch(error))

/** Takes what a decoder finds. */
export class Intake {
  readonly limit: number
  /** The number of the record that was found last. */
  record = 0
  values: Array<unknown> = []
  waiting: Array<Waiting> = []
  bad: Array<BadRecord> = []
  readonly #format: string
  readonly #collectsBad: boolean

  constructor(options: {
    readonly format: string
    readonly limit: number
    /** Whether bad records are collected; else the first one ends the decoding. */
    readonly collectsBad: boolean
  }) {
    this.limit = options.limit
    this.#format = options.format
    this.#collectsBad = options.collectsBad
  }

  /** The reading of a record that is larger than the limit. */
  get tooLarge(): Reading {
    return Exit.fail(new RecordTooLarge({ limit: ByteSize.bytes(this.limit) }))
  }

  /** What came of the last record, whose bytes are copied where they are needed. */
  settle(reading: Reading, offset: number, bytes: Uint8Array): void {
    if (!isExit(reading)) {
      this.waiting.push({ index: this.values.length, reading, record: this.record, offset, bytes: bytes.slice() })
      this.values.push(undefined)
    } else if (reading._tag === "Success") this.values.push(reading.value)
    else this.reject(reasonIn(reading.cause), offset, bytes)
  }

  /** A record that is bad, whose bytes are copied. */
  reject(reason: DecodeReason, offset: number, bytes: Uint8Array, record = this.record): void {
    const kept = bytes.slice(0, this.limit)
    const error = this.#errorOf(reason, offset, kept, record)
    if (!this.#collectsBad) throw new Stop(error)
    this.bad.push({ error, bytes: kept })
  }

  /** Something after which no further record can be found. */
  stop(reason: DecodeReason, offset: number, bytes: Uint8Array): never {
    throw new Stop(this.#errorOf(reason, offset, bytes.subarray(0, this.limit), this.record))
  }

  #errorOf(reason: DecodeReason, offset: number, bytes: Uint8Array, record: number): DecodeError {
    return new DecodeError({ reason, format: this.#format, record, offset, input: excerptOf(bytes) })
  }
}

/** The beginning of a record, whose end has not come yet. */
export class Held {
  size = 0
  #memory = new Uint8Array(256)

  /** Keeps a copy. */
  add(bytes: Uint8Array): void {
    const size = this.size + bytes.length
    if (size > this.#memory.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#memory.length))
      larger.set(this.bytes)
      this.#memory = larger
    }
    this.#memory.set(bytes, this.size)
    this.size = size
  }

  /** What is held: good until the next call of `add`. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.size)
  }

  /** All that is held; the memory is used again at the next call of `add`. */
  take(): Uint8Array {
    const { bytes } = this
    this.size = 0
    return bytes
  }
}

export const nothing = new Uint8Array(0)
