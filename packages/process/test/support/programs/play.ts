/** Starts a process for each of its arguments, the words of one, says `ready`, and waits. */
import * as Effect from "effect/Effect"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play, say } from "./stage.ts"

const main = Effect.gen(function* () {
  for (const words of process.argv.slice(2)) yield* Process.spawn(play(words))
  yield* say("ready")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
