/**
 * `WorkerPool`: a stream of records of 1 kB through 4 workers, which answer each by itself.
 */
import { WorkerPool } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { serve } from "../harness/worker.ts"
import { processorTime } from "./processor.ts"
import { Reading, readings } from "./readings.ts"

// Set by the benchmark: the worker's program and its arguments.
const [program = "", ...args] = process.argv.slice(2)

const runtime = ManagedRuntime.make(Nursery.layer)

/** The records in chunks, so many times over, as a program has them that reads them from somewhere. */
const asked = (times: number) =>
  Stream.range(1, times).pipe(
    Stream.rechunk(1),
    Stream.flatMap(() => Stream.fromArray(readings))
  )

const processorTimeHere = Effect.map(Nursery.processes, (workers) => processorTime(workers.map(({ pid }) => pid)))

/**
 * How many answers came that were those to the requests, in their order; the seconds, and the seconds of processor time of this program and
 * the workers.
 */
const answered = (times: number, batch: number) =>
  Effect.gen(function* () {
    const pool = yield* WorkerPool.make(Command.make(program, args), {
      request: Reading,
      response: Reading,
      size: 4,
      batch: batch === 0 ? undefined : batch
    })
    // All workers run.
    yield* asked(1).pipe(pool.through(), Stream.runDrain)
    const before = yield* processorTimeHere
    const begin = performance.now()
    const right = yield* asked(times).pipe(
      pool.through(),
      Stream.runFold(
        () => 0,
        (next, { id }) => (id === next % readings.length ? next + 1 : next)
      )
    )
    const seconds = (performance.now() - begin) / 1000
    return [right, seconds, (yield* processorTimeHere) - before]
  }).pipe(Effect.scoped)

await runtime.context()
serve(
  {
    pool: (times = 0, batch = 0) => runtime.runPromise(answered(times, batch))
  },
  () => runtime.dispose()
)
