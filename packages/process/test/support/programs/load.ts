/** Starts processes as fast as it can, some of which stay and some of which escape, until it is killed. Says `loading` once. */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play, sayNow } from "./stage.ts"

const daemon = "fork { setsid fork { close sleep } exit 0 }"

const scenes = [
  "exit 0",
  `${daemon} exit 0`,
  `${daemon} wait sleep`,
  "storm 2",
  "ignore fork { ignore setsid sleep } sleep",
  "subreaper fork { fork { setsid sleep } exit 0 } sleep",
  "fork { setpgid sleep } raise 9"
].map((words) => play(words).pipe(Command.stop({ grace: "50 millis" })))

/** One after the other, each for a moment, with and without a pipe to it. */
const loop = (turn: number): Effect.Effect<never, unknown, Nursery.Nursery> =>
  Effect.gen(function* () {
    for (let round = turn; ; round++) {
      const scene = scenes[round % scenes.length]
      if (scene === undefined) continue
      yield* Effect.scoped(
        Effect.andThen(
          round % 2 === 0 ? Process.spawn(scene) : Process.spawn(scene.pipe(Command.stdout("pipe"))),
          Effect.sleep(round % 5)
        )
      )
    }
  })

/** Never closed: what stays until the end. */
const stay = Effect.gen(function* () {
  for (const scene of scenes) yield* Process.spawn(scene)
  return yield* Effect.never
}).pipe(Effect.scoped)

const main = Effect.gen(function* () {
  sayNow("loading")
  yield* Effect.all([stay, loop(0), loop(2), loop(4), loop(6)], { concurrency: "unbounded" })
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(main)
