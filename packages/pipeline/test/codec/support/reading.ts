/** What a codec makes of bytes, in a form that can be compared. */
import { type BadRecord, Codec, type DecodeError } from "@nursery/pipeline"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

export interface Read<A> {
  readonly values: ReadonlyArray<A>
  readonly bad: ReadonlyArray<BadRecord>
  /** What ended it, where something did. */
  readonly error: DecodeError | undefined
}

/** Reads chunks; bad records end it, or are collected. */
export const read = <A>(
  codec: Codec.Codec<A, never, never>,
  chunks: ReadonlyArray<Uint8Array>,
  options: { readonly collects?: boolean; readonly limit?: number } = {}
): Effect.Effect<Read<A>> =>
  Effect.gen(function* () {
    const values: Array<A> = []
    const bad: Array<BadRecord> = []
    const keep = (each: BadRecord) => Effect.sync(() => void bad.push(each))
    const deadLetters = Sink.forEach(keep)
    const exit = yield* Stream.fromIterable(chunks, { chunkSize: 2 }).pipe(
      Codec.decode(codec, {
        ...(options.collects === true ? { deadLetters } : undefined),
        ...(options.limit === undefined ? undefined : { maxRecordSize: options.limit })
      }),
      Stream.runForEach((value) => Effect.sync(() => void values.push(value))),
      Effect.exit
    )
    if (Exit.isSuccess(exit)) return { values, bad, error: undefined }
    const [reason] = exit.cause.reasons
    if (reason?._tag !== "Fail") return yield* Effect.failCause(exit.cause).pipe(Effect.orDie)
    return { values, bad, error: reason.error }
  })

export const write = <A>(codec: Codec.Codec<A, never, never>, values: ReadonlyArray<A>): Effect.Effect<Uint8Array> =>
  Stream.fromIterable(values, { chunkSize: 3 }).pipe(
    Codec.encode(codec),
    Stream.runCollect,
    Effect.map((chunks) => new Uint8Array(Buffer.concat(chunks))),
    Effect.orDie
  )

/** The same bytes, cut at places between 0 and 1 of their length. */
export const cut = (bytes: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const at = [0, ...places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.slice(at[index], end))
}

/** The same bytes, one by one. */
export const crumbs = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => Array.from(bytes, (byte) => Uint8Array.of(byte))

/** An error as plain data. */
export const plain = (error: DecodeError | undefined): object | undefined =>
  error === undefined
    ? undefined
    : {
        reason: error.reason._tag,
        problem: error.reason.message,
        record: error.record,
        offset: error.offset,
        input: error.input
      }
