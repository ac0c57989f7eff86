/**
 * Starts a process of the words of its first argument, says `started`, stops it after a SIGUSR2 with as many milliseconds of grace as
 * its second argument says, and says by what it ended, and when its nursery is closed, `closed`. A third argument is the actor to use,
 * or `freeze`: then it stops itself by SIGSTOP when it has asked for that.
 */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { order, play, say, sayNow } from "./stage.ts"

const [words = "", grace = "", third] = process.argv.slice(2)
const freezes = third === "freeze"
const actor = freezes ? undefined : third

// An actor of its own is one that cannot be killed; anything else may take its time.
const killDeadline = actor === undefined ? "60 seconds" : "500 millis"

const main = Effect.gen(function* () {
  const started = yield* Process.spawn(play(words, actor).pipe(Command.stop({ grace: Number(grace) })))
  yield* say("started")
  yield* order
  // In the next turn of the event loop, when the keeper has been told.
  if (freezes) setImmediate(() => process.kill(process.pid, "SIGSTOP"))
  const ended = yield* Effect.match(started.stop(), {
    onFailure: ({ _tag }) => _tag,
    onSuccess: ({ status }) =>
      status._tag === "Exited" ? `exit-${status.code}` : "signal" in status ? status.signal : status._tag
  })
  yield* say(ended)
}).pipe(Effect.scoped, Effect.provide(Nursery.layerWith({ killDeadline })))

await Effect.runPromise(main)
sayNow("closed")
