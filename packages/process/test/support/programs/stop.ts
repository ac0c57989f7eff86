/**
 * Starts a process of the words of its first argument, says `started`, stops it after a SIGUSR2 with as many milliseconds of grace as
 * its second argument says, and says by what it ended, and when its nursery is closed, `closed`. A third argument is the actor to use.
 */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { order, play, say, sayNow } from "./stage.ts"

const [words = "", grace = "", actor] = process.argv.slice(2)

// An actor of its own is one that cannot be killed; anything else may take its time.
const killDeadline = actor === undefined ? "20 seconds" : "500 millis"

const main = Effect.gen(function* () {
  const started = yield* Process.spawn(play(words, actor).pipe(Command.stop({ grace: Number(grace) })))
  yield* say("started")
  yield* order
  const ended = yield* Effect.match(started.stop(), {
    onFailure: ({ _tag }) => _tag,
    onSuccess: ({ status }) => (status._tag === "Signaled" ? status.signal : `exit-${status.code}`)
  })
  yield* say(ended)
}).pipe(Effect.scoped, Effect.provide(Nursery.layerWith({ killDeadline })))

await Effect.runPromise(main)
sayNow("closed")
