/** The first process of a pid namespace: starts one of each kind of escapee, closes their scope, and prints what is left. */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import * as Escapees from "../escapees.ts"
import * as Proc from "../proc.ts"
import { order, play, say } from "./stage.ts"

const family = Effect.gen(function* () {
  for (const words of Object.values(Escapees.all)) {
    yield* Process.spawn(play(words).pipe(Command.stop({ grace: "100 millis" })))
  }
  yield* say("ready")
  yield* order
}).pipe(Effect.scoped)

const main = Effect.gen(function* () {
  yield* family
  const others = Proc.table().filter((entry) => !Proc.isHelper(entry) && entry.pid !== process.pid)
  console.log(`pid ${process.pid}, others in its scope: ${Proc.show(others).join(", ") || "none"}`)
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(main)
const others = Proc.table().filter((entry) => entry.pid !== process.pid)
console.log(`others after its nursery: ${Proc.show(others).join(", ") || "none"}`)
