/** Starts two processes of the words of its argument by the drop-in spawner, lets go of the first, and says `ready`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Nursery from "../../../src/Nursery.ts"
import { say } from "./stage.ts"

const [released = "", kept = ""] = process.argv.slice(2)
const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore", extendEnv: true } as const
const start = (words: string) => ChildProcess.make(process.env["NURSERY_ACTOR"] ?? "", words.split(" "), quiet)

const main = Effect.gen(function* () {
  const first = yield* start(released)
  yield* Effect.asVoid(first.unref)
  yield* start(kept)
  yield* say("ready")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Layer.provide(Nursery.layerChildProcessSpawner, Nursery.layer)))

await Effect.runPromise(main)
