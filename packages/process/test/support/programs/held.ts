/**
 * Holds one of each kind that there is, a socket at the path of its second argument among them, and gives them to a process of the level
 * that its first argument names; says `exact` where random maps of descriptors come out right there, then `ready`, and waits.
 */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Fd from "../../../src/Fd.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { tryMaps } from "../maps.ts"
import { play, say } from "./stage.ts"

const [level = "", path = ""] = process.argv.slice(2)
const containment = level === "group" || level === "pid-namespace" ? level : "tree"

const main = Effect.gen(function* () {
  const wrong = yield* tryMaps(20, [containment])
  if (wrong.length > 0) return yield* Effect.die(new Error(wrong.join("\n")))
  yield* say("exact")
  const { read, write } = yield* Fd.pipe()
  const [left, right] = yield* Fd.socketpair()
  const memory = yield* Fd.memory("m")
  const socket = yield* Fd.listen({ unix: path })
  const abstract = yield* Fd.listen({ abstract: path })
  const fds = { 3: read, 4: write, 5: left, 6: right, 7: memory, 8: socket, 10: abstract }
  yield* Process.spawn(play("say up sleep").pipe(Command.fds(fds), Command.containment(containment)))
  yield* say("ready")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
