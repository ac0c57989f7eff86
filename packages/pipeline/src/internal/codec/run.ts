/**
 * Codecs as channels.
 *
 * @internal
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type * as Sink from "effect/Sink"
import { type BadRecord, type DecodeError, EncodeError, Unrepresentable } from "../../CodecError.ts"
import * as DeadLetters from "./deadLetters.ts"
import {
  type Encoder,
  type Encoding,
  type Failure,
  Intake,
  isSuccess,
  mismatch,
  nothing,
  reasonOf,
  type Spec,
  Stop,
  Unwritable,
  type Waiting
} from "./model.ts"

type Chunk<A> = Arr.NonEmptyReadonlyArray<A>
type Bytes = Chunk<Uint8Array>

export interface DecodeOptions {
  readonly limit: number
  readonly deadLetters: Sink.Sink<unknown, BadRecord, unknown, unknown, unknown> | undefined
}

/** Takes the place of a value that there is not. */
const none = Symbol("none")

const isNotEmpty = <A>(values: ReadonlyArray<A>): values is Chunk<A> => values.length > 0

/** The records of chunks. Their services and errors are those that the types of the public functions say. */
export const decode = (
  spec: Spec,
  options: DecodeOptions
): Channel.Channel<Chunk<unknown>, unknown, unknown, Bytes, unknown, unknown, unknown> =>
  Channel.fromTransform((upstream: Pull.Pull<Bytes, unknown, unknown>, scope) =>
    Effect.gen(function* () {
      const sink = options.deadLetters
      const letters = sink === undefined ? undefined : yield* DeadLetters.open(sink, scope)
      const intake = new Intake({ format: spec.format, limit: options.limit, collectsBad: sink !== undefined })
      const decoder = spec.decoder(intake)
      /** How the stream ends when what is there has been taken. */
      let last: Pull.Pull<never, unknown, unknown> | undefined
      /** What has been given to the Sink is not lost with the stream. */
      const afterLetters = (end: Pull.Pull<never, unknown, unknown>): Pull.Pull<never, unknown, unknown> =>
        letters === undefined ? end : Effect.andThen(letters.end, end)

      const feed = (f: () => void): void => {
        try {
          f()
        } catch (cause) {
          if (!(cause instanceof Stop)) throw cause
          last = afterLetters(Effect.fail(cause.error))
        }
      }

      const emit = (): Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> => {
        const { values } = intake
        intake.values = []
        if (isNotEmpty(values)) return Effect.succeed(values)
        return last ?? pull
      }

      const flush = (): Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> => {
        if (intake.waiting.length === 0 && intake.bad.length === 0) return emit()
        return resolve(intake, (error) => {
          last = Effect.fail(error)
        }).pipe(
          Effect.flatMap(() => {
            const bad = intake.bad
            intake.bad = []
            return letters === undefined || bad.length === 0 ? Effect.void : letters.give(bad)
          }),
          Effect.flatMap(emit)
        )
      }

      const onChunks = (chunks: Bytes): Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> => {
        feed(() => {
          for (const chunk of chunks) decoder.push(chunk)
        })
        return flush()
      }

      const onDone = (done: unknown): Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> => {
        last = afterLetters(Cause.done(done))
        feed(() => decoder.end())
        return flush()
      }

      const pull: Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> = Effect.suspend(
        () => last ?? Pull.matchEffect(upstream, { onSuccess: onChunks, onFailure: Effect.failCause, onDone })
      )
      return pull
    })
  )

/** Waits for the Schemas that are not synchronous, one after the other. `stop` is told of a bad record that ends it all. */
const resolve = (intake: Intake, stop: (error: DecodeError) => void): Effect.Effect<void, never, unknown> =>
  Effect.gen(function* () {
    const { values, waiting } = intake
    if (waiting.length === 0) return
    intake.waiting = []
    for (const each of waiting) {
      const result = yield* Effect.result(each.reading)
      if (Result.isSuccess(result)) values[each.index] = result.success
      else if (!rejects(intake, each, result.failure, stop)) {
        values.length = each.index
        break
      }
    }
    intake.values = values.filter((value) => value !== none)
    intake.bad.sort((a, b) => a.error.record - b.error.record)
  })

/** Whether it goes on. */
const rejects = (
  intake: Intake,
  { bytes, index, offset, record }: Waiting,
  error: Failure,
  stop: (error: DecodeError) => void
): boolean => {
  try {
    intake.reject(reasonOf(error), offset, bytes, record)
    intake.values[index] = none
    return true
  } catch (cause) {
    if (!(cause instanceof Stop)) throw cause
    stop(cause.error)
    return false
  }
}

/** The bytes of records. */
export const encode = (
  spec: Spec
): Channel.Channel<Bytes, unknown, unknown, Chunk<unknown>, unknown, unknown, unknown> =>
  Channel.fromTransform((upstream: Pull.Pull<Chunk<unknown>, unknown, unknown>) =>
    Effect.sync(() => {
      const encoder = spec.encoder()
      let record = 0
      let lead = encoder.begin
      let last: Pull.Pull<never, unknown, unknown> | undefined

      const write = (encoded: ReadonlyArray<unknown>): Pull.Pull<Bytes, unknown, unknown, unknown> => {
        try {
          const bytes = encoder.write(encoded)
          record += encoded.length
          if (lead.length === 0) return Effect.succeed([bytes])
          const both = [lead, bytes] as const
          lead = nothing
          return Effect.succeed(both)
        } catch (cause) {
          if (!(cause instanceof Unwritable)) throw cause
          return failAt(encoded, cause.index, new Unrepresentable({ problem: cause.message }))
        }
      }

      /** What comes before the bad record is written yet. */
      const failAt = (
        encoded: ReadonlyArray<unknown>,
        index: number,
        reason: EncodeError["reason"]
      ): Pull.Pull<Bytes, unknown, unknown, unknown> => {
        const failure = Effect.fail(new EncodeError({ reason, format: spec.format, record: record + index + 1 }))
        if (index === 0) return failure
        last = failure
        return write(encoded.slice(0, index))
      }

      const onRecords = (records: Chunk<unknown>): Pull.Pull<Bytes, unknown, unknown, unknown> => {
        const encoded: Array<unknown> = []
        for (const value of records) {
          const reading = encoder.encode(value)
          if (!isSuccess(reading)) return encodeSlowly(encoder, records, encoded, reading, write, failAt)
          encoded.push(reading.value)
        }
        return write(encoded)
      }

      const onDone = (done: unknown): Pull.Pull<Bytes, unknown, unknown, unknown> => {
        last = Cause.done(done)
        const rest = [lead, encoder.end].filter((bytes) => bytes.length > 0)
        return isNotEmpty(rest) ? Effect.succeed(rest) : last
      }

      const pull: Pull.Pull<Bytes, unknown, unknown, unknown> = Effect.suspend(
        () => last ?? Pull.matchEffect(upstream, { onSuccess: onRecords, onFailure: Effect.failCause, onDone })
      )
      return pull
    })
  )

/** As above, from the first record on whose Schema is not synchronous or says no. */
const encodeSlowly = (
  encoder: Encoder,
  records: Chunk<unknown>,
  encoded: Array<unknown>,
  first: Encoding,
  write: (encoded: ReadonlyArray<unknown>) => Pull.Pull<Bytes, unknown, unknown, unknown>,
  failAt: (
    encoded: ReadonlyArray<unknown>,
    index: number,
    reason: EncodeError["reason"]
  ) => Pull.Pull<Bytes, unknown, unknown, unknown>
): Pull.Pull<Bytes, unknown, unknown, unknown> =>
  Effect.gen(function* () {
    for (let reading = first; ; reading = encoder.encode(records[encoded.length])) {
      const result = yield* Effect.result(reading)
      if (Result.isFailure(result)) return yield* failAt(encoded, encoded.length, mismatch(result.failure))
      encoded.push(result.success)
      if (encoded.length === records.length) return yield* write(encoded)
    }
  })
