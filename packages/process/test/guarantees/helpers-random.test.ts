/** Helpers are killed and stopped at random moments while processes start and end as fast as they can. */
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Proc from "../support/proc.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

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
const live = (stage: Stage.Stage, random: Random.Random, outcomes: Array<Outcome>) =>
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
    Effect.tap((outcome) => Effect.sync(() => outcomes.push(outcome))),
    Effect.forever
  )

const signals = ["SIGKILL", "SIGKILL", "SIGSTOP"] as const

/** Families that have lost guard or keeper: with the other one and a reaper more, nobody would be left to end their processes. */
const bereaved = new Set<number>()

/** A random helper of those that are there, reapers more often than the others. */
const hit = (random: Random.Random): void => {
  const helpers = Proc.families().flatMap(({ guard, keeper, reapers }) => [
    ...(bereaved.has(guard) ? [] : [guard, keeper].map((pid) => ({ guard, pid, signal: "SIGKILL" }) as const)),
    ...reapers.map((pid) => ({ guard: undefined, pid, signal: random.pick(signals) }))
  ])
  const [first, ...others] = helpers
  if (first === undefined) return
  const { guard, pid, signal } = random.pick([first, ...others])
  if (guard !== undefined) bereaved.add(guard)
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
      const outcomes: Array<Outcome> = []
      const loops = yield* Effect.forEach(
        Array.from({ length: LOOPS }, (_, index) => index),
        () => Effect.forkChild(live(stage, random, outcomes))
      )
      for (let loss = 0; loss < LOSSES; loss++) {
        yield* Effect.sleep(random.below(12))
        hit(random)
        // Some losses come fast upon each other; after others life goes on first.
        const count = outcomes.length
        if (random.below(3) === 0) yield* Effect.promise(() => until("see life go on", () => outcomes.length > count))
      }
      yield* Fiber.interruptAll(loops)
      const exits = yield* Fiber.awaitAll(loops)
      // A life has no other error than KeeperLost, and none hangs.
      const causes = exits.flatMap((exit) => (Exit.isFailure(exit) ? [exit.cause] : []))
      expect(causes.filter((cause) => !Cause.hasInterruptsOnly(cause)).map(Cause.pretty)).toEqual([])
      expect(stage.left()).toEqual([])
      expect(new Set(outcomes)).toEqual(new Set<Outcome>(["lived", "KeeperLost"]))
      expect(yield* Nursery.processes).toEqual([])
      const works = Process.exitStatus(Command.make("true"))
      // The first spawn may be what notices the last loss.
      const status = yield* Effect.catchTag(works, "KeeperLost", () => works)
      expect(status).toMatchObject({ _tag: "Exited", code: 0 })
    }).pipe(Effect.provide(Nursery.layer)),
  Random.isCampaign ? 1_800_000 : 240_000
)
