/** Helpers are killed and stopped at random moments while processes start and end as fast as they can. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Proc from "../support/proc.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"

const LOSSES = Random.isCampaign ? 2_000 : 60
const LOOPS = 6

const daemon = "fork { setsid fork { close sleep } exit 0 }"

const commands = (stage: Stage.Stage): readonly [Command.Plain, ...ReadonlyArray<Command.Plain>] => {
  const plays = [
    `${daemon} wait sleep`,
    `${daemon} exit 0`,
    "ignore fork { setsid sleep } sleep",
    "fork { setpgid sleep } raise 9",
    "subreaper fork { fork { setsid sleep } exit 0 } sleep"
  ].map((words) => stage.play(words).pipe(Command.stop({ grace: "20 millis" })))
  return [stage.play("exit 0"), ...plays, ...plays.map(Command.stdout("pipe"))]
}

/** What a life came to. Of a spawn that a loss has hit nothing is left either; it says so by its error. */
type Outcome = "lived" | "KeeperLost"

/** One life after the other, each as long as the random numbers say. */
const live = (stage: Stage.Stage, random: Random.Random, outcomes: Set<Outcome>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const process = yield* Process.spawn(random.pick(commands(stage)))
      yield* Effect.sleep(random.below(8))
      // That of a lost process fails at once; the rest ends with the scope.
      if (!(yield* process.isRunning)) yield* process.exit
      return "lived" as const
    })
  ).pipe(
    Effect.catchTag("KeeperLost", () => Effect.succeed("KeeperLost" as const)),
    Effect.tap((outcome) => Effect.sync(() => outcomes.add(outcome))),
    Effect.forever
  )

const signals = ["SIGKILL", "SIGKILL", "SIGSTOP"] as const

/** A random helper of a random nursery family that is there, its reapers more often than the others. */
const hit = (random: Random.Random): void => {
  const helpers = Proc.families().flatMap(({ guard, keeper, reapers }) => [
    [guard, "SIGKILL"] as const,
    [keeper, "SIGKILL"] as const,
    ...reapers.map((reaper) => [reaper, random.pick(signals)] as const)
  ])
  const [first, ...others] = helpers
  if (first === undefined) return
  const [pid, signal] = random.pick([first, ...others])
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended in this moment.
  }
}

it.live(
  `nothing is left, and the nursery works, after ${LOSSES} losses`,
  () =>
    Effect.gen(function* () {
      const random = Random.make("helpers-random")
      const stage = yield* Stage.make
      const outcomes = new Set<Outcome>()
      const loops = yield* Effect.forEach(
        Array.from({ length: LOOPS }, (_, index) => index),
        () => Effect.forkChild(live(stage, random, outcomes))
      )
      for (let loss = 0; loss < LOSSES; loss++) {
        yield* Effect.sleep(random.below(12))
        hit(random)
      }
      yield* Fiber.interruptAll(loops)
      expect(stage.left()).toEqual([])
      expect(outcomes).toEqual(new Set<Outcome>(["lived", "KeeperLost"]))
      expect(yield* Nursery.processes).toEqual([])
      expect(yield* Process.exitStatus(Command.make("true"))).toMatchObject({ _tag: "Exited", code: 0 })
    }).pipe(Effect.provide(Nursery.layer)),
  Random.isCampaign ? 600_000 : 60_000
)
