/**
 * Starts one of each kind of escapee, says `ready`, and after a SIGUSR2 ends in the way that its argument names; with `runMain` behind
 * it, signals interrupt it. With the name of a level behind it, that is
 * theirs.
 */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import * as Escapees from "../escapees.ts"
import { order, play, say, sayNow } from "./stage.ts"

/** Until the heap is full. */
const fillMemory = (): void => {
  const kept: Array<Array<number>> = []
  for (;;) kept.push(Array.from({ length: 100_000 }, Math.random))
}

const ends: { readonly [name: string]: Effect.Effect<unknown, Error> } = {
  never: Effect.never,
  return: Effect.void,
  fail: Effect.fail(new Error("failure")),
  exit: Effect.sync(() => process.exit(3)),
  abort: Effect.sync(() => process.abort()),
  segv: Effect.andThen(
    Effect.sync(() => process.kill(process.pid, "SIGSEGV")),
    Effect.never
  ),
  throw: Effect.andThen(
    Effect.sync(() =>
      setImmediate(() => {
        throw new Error("uncaught")
      })
    ),
    Effect.never
  ),
  reject: Effect.andThen(
    Effect.sync(() => {
      Promise.reject(new Error("unhandled"))
    }),
    Effect.never
  ),
  memory: Effect.sync(fillMemory),
  busy: Effect.sync(() => {
    sayNow("busy")
    for (;;);
  })
}

const end = ends[process.argv[2] ?? ""]
if (end === undefined) throw new Error(`there is no way to end called ${process.argv[2]}`)

const levels = ["pid-namespace", "cgroup"] as const
const level = levels.find((name) => name === process.argv[3]) ?? "tree"

const main = Effect.gen(function* () {
  for (const words of Object.values(Escapees.all)) {
    yield* Process.spawn(play(words).pipe(Command.stop({ grace: "200 millis" }), Command.containment(level)))
  }
  yield* say("ready")
  yield* order
  yield* end
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

if (process.argv[3] === "runMain") {
  const { runMain } = await import("@effect/platform-node/NodeRuntime")
  runMain(main)
} else {
  await Effect.runPromise(main)
}
