/** `run`, or the scope of a tree, ends at any point between the first start and the last: nothing is left. */
import { expect, it } from "@effect/vitest"
import { Command, Nursery, Process } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Random from "../../../process/test/support/random.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"

const ROUNDS = Random.isCampaign ? 4_000 : 150
const AT_ONCE = 10

/** Lets a random time pass: none, some microtasks, some turns of the event loop, a few milliseconds, or until a tree is in the middle. */
const pause = (random: Random.Random, middle: Effect.Effect<void>): Effect.Effect<void> => {
  const count = random.below(20)
  switch (random.below(5)) {
    case 0:
      return Effect.void
    case 1:
      return Effect.promise(async () => {
        for (let passed = 0; passed < count; passed++) await undefined
      })
    case 2:
      return Effect.promise(async () => {
        for (let passed = 0; passed < count; passed++) await new Promise((resolve) => setImmediate(resolve))
      })
    case 3:
      return Effect.sleep(count)
    default:
      // However slow this machine is, some of them come so far.
      return middle
  }
}

const daemon = "fork { setsid fork { close sleep } exit 0 }"

/** Children that crash, escape and hang, in trees of all strategies. */
const trees = (stage: Stage.Stage, reached: (what: "start" | "middle") => void) => {
  const scene = (words: string) => stage.play(words).pipe(Command.stop({ grace: 0 }))
  const boundless = { restarts: 1_000_000, within: "1 second" } as const
  const counted = Effect.sync(() => reached("start"))
  const second = Effect.sync(() => {
    reached("middle")
    return scene("sleep")
  })
  const treeOf = (strategy: "one-for-one" | "one-for-all" | "rest-for-one") =>
    Supervisor.make(
      "app",
      [
        Child.process("first", scene(`${daemon} sleep`)),
        Child.process("crashes", scene("fork { setsid sleep } exit 1"), {
          restart: Restart.always({ schedule: Schedule.spaced("1 millis") })
        }),
        Supervisor.make(
          "group",
          [
            Child.process("a", scene("ignore sleep"), { ready: Ready.effect(Effect.sleep("3 millis")) }),
            Child.process("b", () => Effect.delay(second, "1 millis"), { requires: ["a"] })
          ],
          { after: ["first"], hooks: { beforeStart: counted, afterStop: Effect.yieldNow } }
        ),
        Child.process("hangs", scene("sleep"), { ready: Ready.effect(Effect.never), after: ["first"] })
      ],
      { strategy, intensity: boundless }
    )
  return [treeOf("one-for-one"), treeOf("one-for-all"), treeOf("rest-for-one")] as const
}

it.live(
  `nothing is left of ${ROUNDS} trees that are ended at random moments`,
  () =>
    Effect.gen(function* () {
      const random = Random.make("interruption")
      const stage = yield* Stage.make
      const count = { start: 0, middle: 0 }
      let waiting: Array<() => void> = []
      const all = trees(stage, (what) => {
        count[what]++
        if (what === "start") return
        for (const goOn of waiting) goOn()
        waiting = []
      })
      const middle = Effect.callback<void>((resume) => void waiting.push(() => resume(Effect.void)))
      const warmUp = Effect.scoped(Effect.flatMap(Process.spawn(Command.make("true")), ({ exit }) => exit))
      yield* warmUp
      const before = Proc.descriptors()
      const round = Effect.gen(function* () {
        const tree = random.pick(all)
        // Those of the other strategies are restarted again and again before they come so far.
        const wait = pause(random, tree === all[0] ? middle : Effect.void)
        const options = { startImmediately: random.below(2) === 0 }
        if (random.below(2) === 0) {
          const running = yield* Effect.forkChild(Supervisor.run(tree), options)
          yield* wait
          yield* Fiber.interrupt(running)
          const exit = yield* Fiber.await(running)
          return Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        }
        // The scope that the tree was started in closes while its children start.
        const scope = yield* Scope.make()
        const starting = yield* Effect.forkChild(Scope.provide(Supervisor.start(tree), scope), options)
        yield* wait
        if (random.below(2) === 0) yield* Fiber.interrupt(starting)
        yield* Scope.close(scope, Exit.void)
        // One that had not begun by then is told so.
        yield* Fiber.interrupt(starting)
        return true
      })
      const outcomes = yield* Effect.all(
        Array.from({ length: ROUNDS }, () => Effect.suspend(() => round)),
        { concurrency: AT_ONCE }
      )
      // The end came before the first start, and after most of them: otherwise this shows nothing.
      expect(count.start).toBeLessThan(ROUNDS)
      expect(count.middle).toBeGreaterThan(0)
      expect(outcomes.every((isFine) => isFine)).toBe(true)
      expect(stage.left()).toEqual([])
      expect(yield* Nursery.processes).toEqual([])
      // Answered after everything that was asked before it.
      yield* warmUp
      expect(Proc.descriptors()).toEqual(before)
    }).pipe(Effect.provide(Nursery.layer)),
  Random.isCampaign ? 1_800_000 : 240_000
)
