/**
 * A supervisor that starts, restarts and stops children all the time, of which many escape, until it is killed. Says `restless` when
 * it begins, and `turn` each time that the whole tree has been ready.
 */
import * as Command from "@nursery/process/Command"
import * as Nursery from "@nursery/process/Nursery"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { play, sayNow } from "../../../../process/test/support/programs/stage.ts"
import * as Child from "../../../src/Child.ts"
import * as Ready from "../../../src/Ready.ts"
import * as Restart from "../../../src/Restart.ts"
import * as Supervisor from "../../../src/Supervisor.ts"

const daemon = "fork { setsid fork { close sleep } exit 0 }"
const stubborn = "ignore fork { ignore setsid sleep }"

const scene = (words: string) => play(words).pipe(Command.stop({ grace: "50 millis" }))

const boundless = { restarts: 1_000_000, within: "1 second" } as const

const group = Supervisor.make(
  "group",
  [
    Child.process("first", scene(`${daemon} wait sleep`)),
    Child.process("crashes", scene(`${stubborn} raise 9`), {
      after: ["first"],
      restart: Restart.always({ schedule: Schedule.spaced("10 millis") })
    }),
    Child.process("last", scene(`${stubborn} sleep`), { after: ["first"] })
  ],
  { strategy: "one-for-all", intensity: boundless }
)

const workers = Supervisor.dynamic("workers", (words: string) => Child.process("worker", scene(words)), {
  intensity: boundless
})

const tree = Supervisor.make(
  "restless",
  [
    Child.process("db", scene(`${daemon} sleep`), { ready: Ready.effect(Effect.sleep("2 millis")) }),
    Child.process("api", scene(`fork { setpgid sleep } sleep`), { requires: ["db"] }),
    Child.process("flaps", scene("exit 0"), { restart: Restart.always({ schedule: Schedule.spaced("1 millis") }) }),
    group,
    workers
  ],
  { intensity: boundless }
)

/** One life of the tree. What is refused, because something else is under way, is of no consequence. */
const turn = (round: number) =>
  Effect.gen(function* () {
    const running = yield* Supervisor.start(tree)
    sayNow("turn")
    const some = running.dynamic("workers")
    const requests = [
      some.start("sleep"),
      running.child("db").restart,
      some.start(`${daemon} exit 0`),
      running.child("group").restart,
      running.child("group").child("last").restart,
      running.child("api").stop,
      running.child("api").start,
      running.rollingRestart(["db", "api"])
    ]
    for (let count = 0; count < 20; count++) {
      const request = requests[(round + count) % requests.length]
      if (request === undefined) continue
      yield* Effect.forkScoped(Effect.ignore(request))
      yield* Effect.sleep(count % 5)
    }
  }).pipe(Effect.scoped)

const main = Effect.gen(function* () {
  sayNow("restless")
  for (let round = 0; ; round++) yield* turn(round)
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(main)
