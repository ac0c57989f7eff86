/**
 * Many processes that end on SIGTERM, and the time that closing takes that they are tied to.
 */
import { Command, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import { serve } from "../harness/worker.ts"

const sleeper = Command.make(process.argv[2] ?? "", [], { stdin: "null", stdout: "null", stderr: "null" })

const spawnAll = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Process.spawn(sleeper), { concurrency: 8, discard: true })

const runtime = ManagedRuntime.make(Nursery.layer)

const secondsOf = async (close: () => Promise<void>): Promise<ReadonlyArray<number>> => {
  const begin = performance.now()
  await close()
  return [(performance.now() - begin) / 1000]
}

const scope = async (strategy: "sequential" | "parallel", count: number) => {
  const scope = Scope.makeUnsafe(strategy)
  await runtime.runPromise(Scope.provide(spawnAll(count), scope))
  return secondsOf(() => runtime.runPromise(Scope.close(scope, Exit.void)))
}

/** A nursery of their own, with all of its helpers. */
const nursery = async (count: number) => {
  const own = ManagedRuntime.make(Nursery.layer)
  const tied = Scope.makeUnsafe()
  await own.runPromise(Scope.provide(spawnAll(count), tied))
  const seconds = await secondsOf(() => own.dispose())
  await own.runPromise(Scope.close(tied, Exit.void)).catch(() => {})
  return seconds
}

await runtime.context()
serve(
  {
    sequential: (count = 0) => scope("sequential", count),
    parallel: (count = 0) => scope("parallel", count),
    nursery: (count = 0) => nursery(count)
  },
  () => runtime.dispose()
)
