/**
 * Starts one of each kind of escapee in a worker thread, which after a SIGUSR2 ends in the way that the argument names; then the main
 * thread says `gone`, and lives on.
 */
import { once } from "node:events"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import * as Escapees from "../escapees.ts"
import { order, play, say, sayNow } from "./stage.ts"

const ends: { readonly [name: string]: Effect.Effect<unknown> } = {
  return: Effect.void,
  exit: Effect.sync(() => process.exit(3)),
  throw: Effect.andThen(
    Effect.sync(() => {
      setImmediate(() => {
        throw new Error("uncaught")
      })
    }),
    Effect.never
  ),
  // The main thread does it.
  terminate: Effect.never
}

const worker = (end: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const message = parentPort === null ? Promise.resolve([]) : once(parentPort, "message")
    for (const words of Object.values(Escapees.all)) {
      yield* Process.spawn(play(words).pipe(Command.stop({ grace: "200 millis" })))
    }
    yield* say("ready")
    yield* Effect.promise(() => message)
    yield* end
  }).pipe(Effect.scoped, Effect.provide(Nursery.layer))

const main = async (how: string): Promise<void> => {
  const thread = new Worker(new URL(import.meta.url), { workerData: how })
  // An uncaught error of the worker, as it is asked for.
  thread.on("error", () => {})
  const gone = new Promise((resolve) => thread.once("exit", resolve))
  await Effect.runPromise(order)
  if (how === "terminate") await thread.terminate()
  else thread.postMessage("end")
  await gone
  sayNow("gone")
  setInterval(() => {}, 1 << 30)
}

const how = String(isMainThread ? process.argv[2] : workerData)
const end = ends[how]
if (end === undefined) throw new Error(`there is no way to end called ${how}`)
await (isMainThread ? main(how) : Effect.runPromise(worker(end)))
