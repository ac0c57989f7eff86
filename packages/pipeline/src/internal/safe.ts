/**
 * Streams of a pipeline in this program: what fails is told to the run, and what passes is counted.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Run } from "./run.ts"
import type { Elements } from "./spec.ts"
import type { Flow } from "./stage.ts"

/** Bytes or records. What fails is told to the run, and the stream then has no end. */
export type Safe = Stream.Stream<unknown>

export type Bytes = Stream.Stream<Uint8Array>

/** What one part of a pipeline gives to the next. */
export interface Outflow {
  readonly stream: Safe
  /** For a reader that has ended, and has never begun to read: what writes would else wait for it without an end. */
  readonly giveUp: Effect.Effect<void>
}

/** What comes from outside of the pipeline waits for nobody. */
export const outflow = (stream: Safe): Outflow => ({ stream, giveUp: Effect.void })

export const nothing: Outflow = outflow(Stream.empty)

// What a pipeline of bytes carries, by its types.
export const asBytes = (stream: Safe): Bytes => stream as Bytes

// A Sink takes what the pipeline gives, and what it requires is in the context of whoever runs that: both by the types of the public functions.
export const withServices = <Z>(sink: Sink.Sink<Z, never, unknown, unknown, unknown>) =>
  sink as Sink.Sink<Z, unknown, unknown, unknown>

/** With the services of the caller. */
export const safe = (
  run: Run,
  stream: Elements,
  onFailure: (cause: Cause.Cause<unknown>) => Effect.Effect<never>
): Safe => held(Stream.provideContext(stream as Stream.Stream<unknown, unknown>, run.context), onFailure)

/** What has failed stays as it is: nothing that it reads is closed. */
export const held = <A, E>(
  stream: Stream.Stream<A, E>,
  onFailure: (cause: Cause.Cause<E>) => Effect.Effect<never>
): Stream.Stream<A> =>
  Stream.transformPull(stream, (pull) =>
    Effect.succeed(
      Effect.catchCause(pull, (cause) => {
        const done = Pull.doneExitFromCause(cause)
        return Exit.isSuccess(done) ? Cause.done(done.value) : onFailure(done.cause)
      })
    )
  )

/** Counts what passes, and how long it is waited for. */
export const counted = <A>(stream: Stream.Stream<A>, ...flows: ReadonlyArray<Flow | undefined>): Stream.Stream<A> => {
  const all = flows.filter((flow) => flow !== undefined)
  if (all.length === 0) return stream
  return Stream.transformPull(stream, (pull) => {
    const passes = (chunk: ReadonlyArray<unknown>) => {
      for (const flow of all) {
        flow.goesOn()
        flow.add(chunk)
      }
    }
    const counting = Effect.map(pull, (chunk) => {
      passes(chunk)
      return chunk
    })
    return Effect.succeed(
      Effect.suspend(() => {
        for (const flow of all) flow.waits()
        return counting
      })
    )
  })
}
