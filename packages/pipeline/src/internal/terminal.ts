/**
 * The ways to run a pipeline.
 *
 * @internal
 */
import type { Nursery } from "@nursery/process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Report } from "../Report.ts"
import { open } from "./connect.ts"
import type { Run } from "./run.ts"
import { nothing, withServices } from "./safe.ts"
import type { Destination, Spec } from "./spec.ts"

type Services = Nursery.Nursery

/** Waits for all of it, ends what is left, and says what it has come to. */
const finish = (run: Run): Effect.Effect<Report, unknown> =>
  Effect.andThen(run.done, Effect.andThen(run.shutdown, run.result))

/** Runs it to its end; what comes out goes where it should. */
export const run = (spec: Spec, destination: Destination): Effect.Effect<Report, unknown, Services> =>
  Effect.scoped(Effect.flatMap(open(spec, destination), ({ run }) => finish(run)))

/** Runs it to its end; what comes out goes to a Sink of this program. */
export const runSink = <Z>(
  spec: Spec,
  sink: Sink.Sink<Z, never, unknown, unknown, unknown>
): Effect.Effect<{ readonly value: Z; readonly report: Report }, unknown, Services> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { output = nothing, run } = yield* open(spec, { _tag: "Program" })
      const consumed = Stream.run(output.stream, withServices(sink))
      const exit = yield* Effect.raceFirst(Effect.exit(consumed), Effect.as(Deferred.await(run.failed), undefined))
      if (exit === undefined) return yield* Effect.andThen(finish(run), Effect.never)
      const value = yield* exit
      yield* output.giveUp
      return { value, report: yield* finish(run) }
    })
  )

/** Runs it while it is read, and ends it when it is read no further. */
export const toStream = (spec: Spec): Stream.Stream<unknown, unknown, Services> =>
  Stream.unwrap(
    Effect.map(open(spec, { _tag: "Program" }), ({ output = nothing, run }) => {
      const until = Effect.as(Deferred.await(run.failed), undefined)
      const all = Stream.interruptWhen(output.stream, until)
      return Stream.concat(all, Stream.fromEffectDrain(finish(run)))
    })
  )

/** Runs it in the scope of the caller; what comes out goes where it should. */
export const start = (
  spec: Spec
): Effect.Effect<
  { readonly run: Run; readonly result: Effect.Effect<Report, unknown> },
  unknown,
  Services | Scope.Scope
> =>
  Effect.gen(function* () {
    const { run } = yield* open(spec, { _tag: "AsIs" })
    const fiber = yield* Effect.forkScoped(finish(run), { startImmediately: true })
    return { run, result: Fiber.join(fiber) }
  })
