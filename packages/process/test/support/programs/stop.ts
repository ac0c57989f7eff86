/**
 * Starts a process of the words of its first argument, says `started`, stops it after a SIGUSR2 with as many milliseconds of grace as
 * its second argument says, and says by what it ended.
 */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { order, play, say } from "./stage.ts"

const [words = "", grace = ""] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const started = yield* Process.spawn(play(words).pipe(Command.stop({ grace: Number(grace) })))
  yield* say("started")
  yield* order
  const { status } = yield* started.stop()
  yield* say(status._tag === "Signaled" ? status.signal : `exit-${status.code}`)
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
