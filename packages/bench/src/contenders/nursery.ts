/**
 * Nursery: each process contained as a tree, in a scope of its own.
 */
import { Command, type ExitStatus, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { serve } from "../harness/worker.ts"
import { starterOf } from "./effects.ts"
import { producer, timed } from "./flows.ts"
import { keepHeap } from "./heap.ts"
import { program, spawnRounds, stretches } from "./rounds.ts"

const runtime = ManagedRuntime.make(Nursery.layer)

const succeeded = ({ status }: ExitStatus.ProcessExit): boolean => status._tag === "Exited" && status.code === 0

const silent = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })
const one = Effect.scoped(Effect.flatMap(Process.spawn(silent), (process) => Effect.map(process.exit, succeeded)))

const piped = Command.make(program, [], { stdin: "pipe", stdout: "pipe", stderr: "pipe" })
const onePiped = Effect.scoped(Effect.flatMap(Process.spawn(piped), (process) => Effect.map(process.exit, succeeded)))

const read = (bytes: number, block: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make(producer, [String(bytes), String(block)], { stdout: "pipe" }))
      const got = yield* Stream.runFold(
        process.stdout,
        () => 0,
        (sum, chunk) => sum + chunk.length
      )
      return succeeded(yield* process.exit) ? got : -1
    })
  )

/** Processes that stay, for as long as this scope is open. */
const sleepers = Scope.makeUnsafe("parallel")
const sleeper = Command.make(process.argv[4] ?? "", [], { stdin: "null", stdout: "null", stderr: "null" })

const hold = async (count = 0) => {
  const spawn = Scope.provide(Process.spawn(sleeper), sleepers)
  const pids = Effect.forEach(Array.from({ length: count }), () => Effect.map(spawn, ({ pid }) => pid), {
    concurrency: 8
  })
  return runtime.runPromise(pids)
}

const letGo = async () => {
  await runtime.runPromise(Scope.close(sleepers, Exit.void))
  return []
}

/** Bytes of all objects that are reachable. */
const collectGarbage = async () => {
  globalThis.gc?.()
  return [process.memoryUsage().heapUsed]
}

keepHeap()
// The helpers are there before anything is measured.
await runtime.context()
serve(
  {
    ...spawnRounds(starterOf(runtime, one)),
    stretchPiped: stretches(() => runtime.runPromise(onePiped)),
    read: timed((bytes, block) => runtime.runPromise(read(bytes, block))),
    hold,
    letGo,
    collectGarbage
  },
  () => runtime.dispose()
)
