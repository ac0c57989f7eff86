/**
 * Codecs: how records are written as bytes, each with a Schema that says what they are.
 *
 * A codec is a value without effects. {@link decode} and {@link encode} make of it what a Stream can be sent through; a pipeline does the
 * same with its stages `decode` and `encode`.
 *
 * **Details**
 *
 * - Records are read a chunk at a time, by synchronous code; only records whose Schema needs an Effect wait for one.
 * - No record may be larger than `maxRecordSize`, 1 MiB where nothing is said, so that the memory that is needed is bounded.
 * - A bad record is a `DecodeError` with its number and the offset of its first byte, and ends the Stream after the records before
 *   it. With `deadLetters` it goes there, and the Stream goes on with the next record.
 * - Text is UTF-8. A byte order mark at the beginning of the input is passed over.
 */
import type * as Arr from "effect/Array"
import type * as ByteSize from "effect/ByteSize"
import type * as Channel from "effect/Channel"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { BadRecord, DecodeError, EncodeError } from "./CodecError.ts"
import { limitOf } from "./internal/codec/limit.ts"
import type { Spec } from "./internal/codec/model.ts"
import type { prefixes } from "./internal/codec/prefixed.ts"
import * as run from "./internal/codec/run.ts"
import * as specs from "./internal/codec/specs.ts"

const TypeId = "~@nursery/pipeline/Codec"

/**
 * How records of type `A` are written. `DecodeR` and `EncodeR` are the services that its Schema needs.
 *
 * @category models
 */
export interface Codec<in out A, out DecodeR = never, out EncodeR = never> {
  readonly [TypeId]: {
    readonly _A: Types.Invariant<A>
    readonly _DecodeR: Types.Covariant<DecodeR>
    readonly _EncodeR: Types.Covariant<EncodeR>
  }
  /** What errors call the format: `NDJSON`, `CSV` and so on. */
  readonly format: string
  /** @internal */
  readonly spec: Spec
}

/**
 * What every codec with a Schema can be told.
 *
 * @category models
 */
export interface SchemaOptions {
  /** How the Schema looks at records, such as `{ onExcessProperty: "error" }`. */
  readonly parseOptions?: SchemaAST.ParseOptions | undefined
}

/** The codec of a Schema. */
type Of<S extends Schema.Constraint> = Codec<S["Type"], S["DecodingServices"], S["EncodingServices"]>

const variance = {
  _A: (_: never) => _,
  _DecodeR: (_: never) => _,
  _EncodeR: (_: never) => _
}

// Of which type it is follows from the Schema that the spec was made from, as the functions below say.
const make = (spec: Spec): never => ({ [TypeId]: variance, format: spec.format, spec }) as never

/**
 * Chunks of bytes as they come, of whatever size: no records at all, and no bound on their size.
 *
 * @category codecs
 */
export const bytes: Codec<Uint8Array> = make(specs.bytes)

/**
 * A line of text each. `\n` and `\r\n` end a line; what comes after the last of them is a line too, unless it is empty.
 *
 * With a Schema each line is what that encodes to. A text with a line break in it cannot be written.
 *
 * **Example** (Numbers, one to a line)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const numbers = Stream.make("1\n2", "0\n3").pipe(
 *   Stream.encodeText,
 *   Codec.decode(Codec.lines(Schema.NumberFromString)),
 *   Stream.runCollect
 * )
 * assert.deepEqual(await Effect.runPromise(numbers), [1, 20, 3])
 * ```
 *
 * @category codecs
 */
export const lines: {
  (): Codec<string>
  <S extends Schema.ConstraintCodec<unknown, string, unknown, unknown>>(
    schema: S,
    options?: SchemaOptions & {
      /** What is written after a line; `"\n"` by default. */
      readonly newline?: "\n" | "\r\n" | undefined
    }
  ): Of<S>
} = (schema: Schema.Constraint = Schema.String, options?: SchemaOptions & { readonly newline?: string | undefined }) =>
  make(specs.lines(schema, options?.newline ?? "\n", options?.parseOptions))

/**
 * NDJSON, also known as JSON lines: a JSON value on a line each. Empty lines are passed over.
 *
 * **Details**
 *
 * Values are written as `Schema.toCodecJson` of the Schema says, so that a `Date` or a `bigint` has a form.
 *
 * **Gotchas**
 *
 * A number that the end of the input has cut off is a number all the same. Where a process may have died while it wrote, its exit
 * tells.
 *
 * **Example** (Dates and large numbers)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const Event = Schema.Struct({ at: Schema.Date, bytes: Schema.BigInt })
 * const text = Stream.make({ at: new Date(0), bytes: 2n ** 64n }).pipe(
 *   Codec.encode(Codec.ndjson(Event)),
 *   Stream.decodeText,
 *   Stream.mkString
 * )
 * assert.equal(await Effect.runPromise(text), '{"at":"1970-01-01T00:00:00.000Z","bytes":"18446744073709551616"}\n')
 * ```
 *
 * @category codecs
 */
export const ndjson = <S extends Schema.Constraint>(schema: S, options?: SchemaOptions): Of<S> =>
  make(specs.ndjson(schema, options?.parseOptions))

/**
 * One JSON array, whose elements are the records: they are read while the array is still being written.
 *
 * **Example** (The elements, as they come)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const first = Stream.make('[{"n": 1}, {"n": 2}', " and this is no JSON").pipe(
 *   Stream.encodeText,
 *   Codec.decode(Codec.jsonArray(Schema.Struct({ n: Schema.Int }))),
 *   Stream.take(1),
 *   Stream.runCollect
 * )
 * assert.deepEqual(await Effect.runPromise(first), [{ n: 1 }])
 * ```
 *
 * @category codecs
 */
export const jsonArray = <S extends Schema.Constraint>(schema: S, options?: SchemaOptions): Of<S> =>
  make(specs.jsonArray(schema, options?.parseOptions))

/**
 * How CSV is written.
 *
 * @category models
 */
export interface CsvOptions extends SchemaOptions {
  /** Whether the first row has the names of the columns; `true` by default, and never for rows that are arrays. */
  readonly header?: boolean | undefined
  /** The columns in the order in which they are written, and without a header read; by default as the Schema has them. */
  readonly columns?: ReadonlyArray<string> | undefined
  /** One ASCII character; `","` by default. */
  readonly delimiter?: string | undefined
  /** What is written after a row; `"\r\n"` by default, as RFC 4180 has it. Both are read. */
  readonly newline?: "\n" | "\r\n" | undefined
}

/**
 * CSV (RFC 4180): a row each, cells in quotes where they have a delimiter, quote or line break in them.
 *
 * **Details**
 *
 * - With a struct rows are read by the names of the columns: their order does not matter, and columns that the Schema does not know are
 *   passed over. Without a header they are in the order of the Schema. A tuple or array of strings gets the cells as they are.
 * - Cells are text. What the Schema has as a number, a boolean or a `Date` is made of it by `Schema.toCodecStringTree`.
 * - An empty cell of an optional column is a missing one. Empty lines are passed over.
 * - A header without a column that is needed is a `DecodeError` of the record 0.
 *
 * **Example** (A table of numbers)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const City = Schema.Struct({ name: Schema.String, people: Schema.Int })
 * const cities = Stream.make('people,country,name\n54000,FO,"Tórshavn, Eysturoy"\n').pipe(
 *   Stream.encodeText,
 *   Codec.decode(Codec.csv(City)),
 *   Stream.runCollect
 * )
 * assert.deepEqual(await Effect.runPromise(cities), [{ name: "Tórshavn, Eysturoy", people: 54000 }])
 * ```
 *
 * @category codecs
 */
export const csv = <S extends Schema.Constraint>(schema: S, options?: CsvOptions): Of<S> =>
  make(
    specs.csv(schema, {
      hasHeader: options?.header ?? true,
      columns: options?.columns,
      delimiter: options?.delimiter ?? ",",
      lineBreak: options?.newline ?? "\r\n",
      parseOptions: options?.parseOptions
    })
  )

/**
 * How the length of a record is written: unsigned, of so many bits, with the highest (`be`) or the lowest (`le`) byte first; or of 7 bits
 * to a byte, as Protocol Buffers have it.
 *
 * @category models
 */
export type Prefix = keyof typeof prefixes

/**
 * Options of {@link lengthPrefixed}.
 *
 * @category models
 */
export interface PrefixOptions extends SchemaOptions {
  /** `"uint32be"` by default. */
  readonly prefix?: Prefix | undefined
}

/**
 * Records after their length in bytes, so that there may be anything in them: JSON, or with `payload` text or bytes as the Schema
 * encodes them.
 *
 * **Example** (Texts with line breaks)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const texts = Codec.lengthPrefixed(Schema.String, { prefix: "uint16be", payload: "text" })
 * const bytes = await Effect.runPromise(Stream.make("a\nb").pipe(Codec.encode(texts), Stream.runCollect))
 * assert.deepEqual(Buffer.concat(bytes), Buffer.from("\0\x03a\nb"))
 * ```
 *
 * @category codecs
 */
export const lengthPrefixed: {
  <S extends Schema.Constraint>(schema: S, options?: PrefixOptions & { readonly payload?: "json" | undefined }): Of<S>
  <S extends Schema.ConstraintCodec<unknown, string, unknown, unknown>>(
    schema: S,
    options: PrefixOptions & { readonly payload: "text" }
  ): Of<S>
  <S extends Schema.ConstraintCodec<unknown, Uint8Array, unknown, unknown>>(
    schema: S,
    options: PrefixOptions & { readonly payload: "bytes" }
  ): Of<S>
} = (schema: Schema.Constraint, options?: PrefixOptions & { readonly payload?: specs.Payload | undefined }) =>
  make(specs.lengthPrefixed(schema, options?.prefix ?? "uint32be", options?.payload ?? "json", options?.parseOptions))

/**
 * The compact binary form that Effect derives from a Schema (`effect/encoding/SchemaBinary`): for programs on Effect at both ends.
 *
 * **Example** (There and back)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const points = Codec.binary(Schema.Struct({ x: Schema.Finite, tags: Schema.Array(Schema.String) }))
 * const same = Stream.make({ x: 0.5, tags: ["a", "b"] }).pipe(Codec.encode(points), Codec.decode(points), Stream.runCollect)
 * assert.deepEqual(await Effect.runPromise(same), [{ x: 0.5, tags: ["a", "b"] }])
 * ```
 *
 * @category codecs
 */
export const binary = <S extends Schema.Constraint>(schema: S, options?: SchemaOptions): Of<S> =>
  make(specs.binary(schema, options?.parseOptions))

/**
 * How records are read.
 *
 * @category models
 */
export interface DecodeOptions<out E = never, out R = never> {
  /** How large one record may be; 1 MiB by default. */
  readonly maxRecordSize?: ByteSize.Input | undefined
  /**
   * Gets bad records, and why they are. The Stream goes on without them, at the pace of the Sink, and is done when that is.
   *
   * Where nothing further can be found after a bad record, such as after an array in the place of which is something else, the Stream
   * fails all the same.
   */
  readonly deadLetters?: Sink.Sink<unknown, BadRecord, unknown, E, R> | undefined
}

/**
 * Makes records of a Stream of bytes.
 *
 * **Example** (Bad records in a list of their own)
 *
 * ```ts
 * import { type BadRecord, Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Sink from "effect/Sink"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const bad: Array<string> = []
 * const deadLetters = Sink.forEach(({ error }: BadRecord) => Effect.sync(() => bad.push(error.reason._tag)))
 * const good = Stream.make("1\n[\ntrue\n2\n").pipe(
 *   Stream.encodeText,
 *   Codec.decode(Codec.ndjson(Schema.Number), { deadLetters }),
 *   Stream.runCollect
 * )
 * assert.deepEqual(await Effect.runPromise(good), [1, 2])
 * assert.deepEqual(bad, ["InvalidSyntax", "SchemaMismatch"])
 * ```
 *
 * @category streams
 */
export const decode =
  <A, DecodeR, EncodeR, E2 = never, R2 = never>(codec: Codec<A, DecodeR, EncodeR>, options?: DecodeOptions<E2, R2>) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<A, E | E2 | DecodeError, R | R2 | DecodeR> => {
    const channel = run.decode(codec.spec, {
      limit: limitOf(options?.maxRecordSize),
      deadLetters: options?.deadLetters
    })
    // The channel has the types that the codec and the options were made with.
    type Through = Channel.Channel<
      Arr.NonEmptyReadonlyArray<A>,
      E | E2 | DecodeError,
      unknown,
      Arr.NonEmptyReadonlyArray<Uint8Array>,
      E,
      unknown,
      R2 | DecodeR
    >
    return Stream.pipeThroughChannel(self, channel as unknown as Through)
  }

/**
 * Makes bytes of a Stream of records. Those before one that cannot be written are written.
 *
 * **Example** (From CSV to NDJSON)
 *
 * ```ts
 * import { Codec } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const Point = Schema.Struct({ x: Schema.Number, y: Schema.Number })
 * const text = Stream.make("x,y\r\n1,2\r\n").pipe(
 *   Stream.encodeText,
 *   Codec.decode(Codec.csv(Point)),
 *   Codec.encode(Codec.ndjson(Point)),
 *   Stream.decodeText,
 *   Stream.mkString
 * )
 * assert.equal(await Effect.runPromise(text), '{"x":1,"y":2}\n')
 * ```
 *
 * @category streams
 */
export const encode =
  <A, DecodeR, EncodeR>(codec: Codec<A, DecodeR, EncodeR>) =>
  <E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<Uint8Array, E | EncodeError, R | EncodeR> => {
    // The channel has the types that the codec was made with.
    type Through = Channel.Channel<
      Arr.NonEmptyReadonlyArray<Uint8Array>,
      E | EncodeError,
      unknown,
      Arr.NonEmptyReadonlyArray<A>,
      E,
      unknown,
      EncodeR
    >
    return Stream.pipeThroughChannel(self, run.encode(codec.spec) as unknown as Through)
  }
