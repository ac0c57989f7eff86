/** How many restarts are too many, and when the next one comes. */
import { describe, expect, it } from "@effect/vitest"
import { Command, Nursery } from "@nursery/process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import type { ChildExit } from "../../src/ChildExit.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, type Event, happens, stands, statuses } from "../support/observed.ts"
import { type Actor, Failure, Troupe } from "../support/troupe.ts"

const company = () => {
  const troupe = new Troupe()
  const [a, b, c] = [troupe.actor("a"), troupe.actor("b"), troupe.actor("c")] as const
  return { troupe, a, b, c }
}

const backsOff = (running: Parameters<typeof happens>[0], child: string, incarnation: number) =>
  happens(
    running,
    (event): event is Event<"BackingOff"> =>
      event._tag === "BackingOff" && event.child === child && event.incarnation === incarnation
  )

const steady = { ready: Ready.immediate } as const

describe("an intensity of 3 restarts within 10 seconds", () => {
  const intensity = { restarts: 3, within: "10 seconds" } as const

  const trio = () => {
    const { a, b, c, troupe } = company()
    const tree = Supervisor.make(
      "app",
      [Child.effect("a", a.play, steady), Child.effect("b", b.play, steady), Child.effect("c", c.play, steady)],
      { intensity }
    )
    const crash = (actor: Actor, life: number) =>
      Effect.andThen(actor.fails, troupe.hears(`${actor.name} starts`, life + 1))
    return { a, b, c, crash, tree, troupe }
  }

  it.effect("stays up after 3", () =>
    Effect.gen(function* () {
      const { a, crash, tree, troupe } = trio()
      const running = yield* Supervisor.start(tree)
      for (const life of [1, 2, 3]) yield* crash(a, life)
      yield* stands(running, "a", "ready", 4)
      yield* TestClock.adjust("10 seconds")
      expect(yield* statuses(running)).toEqual(["a ready", "b ready", "c ready"])
      expect(troupe.count("b starts")).toBe(1)
    })
  )

  it.effect("gives up at the 4th, with its siblings stopped in reverse and the typed cause", () =>
    Effect.gen(function* () {
      const { a, crash, tree, troupe } = trio()
      const running = yield* Supervisor.start(tree)
      for (const life of [1, 2, 3]) yield* crash(a, life)
      troupe.news()
      yield* a.fails
      const gaveUp = yield* Effect.flip(running.await)
      expect(troupe.news()).toEqual(["a fails", "c stops", "b stops"])
      expect(gaveUp).toMatchObject({ _tag: "GaveUp", name: "a", path: ["app", "a"], attempts: 4 })
      expect(gaveUp.exit).toEqual({ _tag: "Failed", error: new Failure({ actor: "a", life: 4 }) })
      expect(gaveUp.history.map(({ incarnation }) => incarnation)).toEqual([1, 2, 3, 4])
    })
  )

  it.effect("counts the restarts of all children together", () =>
    Effect.gen(function* () {
      const { a, b, c, crash, tree } = trio()
      const running = yield* Supervisor.start(tree)
      yield* crash(a, 1)
      yield* crash(b, 1)
      yield* crash(c, 1)
      yield* b.fails
      expect(yield* Effect.flip(running.await)).toMatchObject({ name: "b", attempts: 2 })
    })
  )

  it.effect("counts the end of the period to it, and nothing before it", () =>
    Effect.gen(function* () {
      const { a, crash, tree } = trio()
      const running = yield* Supervisor.start(tree)
      yield* crash(a, 1)
      yield* TestClock.adjust("9 seconds")
      for (const life of [2, 3]) yield* crash(a, life)
      // The first of them is 10 seconds and a millisecond ago.
      yield* TestClock.adjust(1_001)
      yield* crash(a, 4)
      yield* stands(running, "a", "ready", 5)
      yield* TestClock.adjust("8999 millis")
      yield* a.fails
      expect(yield* Effect.flip(running.await)).toMatchObject({ name: "a", attempts: 5 })
    })
  )

  it.effect("fails the tree above with the typed cause, and stops its other children in reverse", () =>
    Effect.gen(function* () {
      const { a, b, c, troupe } = company()
      const inner = Supervisor.make("inner", [Child.effect("b", b.play, steady)], {
        intensity: { restarts: 1, within: "10 seconds" }
      })
      const tree = Supervisor.make(
        "app",
        [Child.effect("a", a.play, steady), inner, Child.effect("c", c.play, steady)],
        {
          intensity: { restarts: 0, within: "1 hour" }
        }
      )
      const running = yield* Supervisor.start(tree)
      yield* b.fails
      yield* troupe.hears("b starts", 2)
      troupe.news()
      yield* b.fails
      const gaveUp = yield* Effect.flip(running.await)
      expect(troupe.news()).toEqual(["b fails", "c stops", "a stops"])
      expect(gaveUp).toMatchObject({
        name: "inner",
        path: ["app", "inner"],
        exit: {
          _tag: "Failed",
          error: {
            _tag: "GaveUp",
            name: "b",
            path: ["app", "inner", "b"],
            exit: { _tag: "Failed", error: new Failure({ actor: "b", life: 2 }) }
          }
        }
      })
    })
  )
})

describe("a schedule", () => {
  const exponential = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))

  it.effect("has its delays kept, to the millisecond, and gives up when it is done", () =>
    Effect.gen(function* () {
      const { a, troupe } = company()
      const restart = Restart.onFailure({ schedule: exponential })
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", a.play, { ...steady, restart })])
      )
      const delays: Array<number> = []
      for (const life of [1, 2, 3, 4]) {
        yield* a.fails
        const { delay } = yield* backsOff(running, "a", life)
        delays.push(delay)
        yield* TestClock.adjust(Duration.millis(delay - 1))
        expect(troupe.count("a starts")).toBe(life)
        yield* TestClock.adjust("1 millis")
        expect(troupe.count("a starts")).toBe(life + 1)
      }
      expect(delays).toEqual([100, 200, 400, 800])
      yield* a.fails
      expect(yield* Effect.flip(running.await)).toMatchObject({ name: "a", attempts: 5 })
    })
  )

  it.effect("sees the typed failure", () =>
    Effect.gen(function* () {
      const { a } = company()
      const schedule = Schedule.forever.pipe(
        Schedule.setInputType<ChildExit<Failure, string>>(),
        Schedule.addDelay(({ input }) =>
          Effect.succeed(input._tag === "Failed" ? Duration.seconds(input.error.life) : Duration.zero)
        )
      )
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", a.play, { ...steady, restart: Restart.onFailure({ schedule }) })])
      )
      for (const life of [1, 2, 3]) {
        yield* a.fails
        expect(yield* backsOff(running, "a", life)).toMatchObject({ delay: life * 1000 })
        yield* TestClock.adjust(Duration.seconds(life))
      }
    })
  )

  it.effect("starts anew after the child was well for so long, and no sooner", () =>
    Effect.gen(function* () {
      const { a } = company()
      const restart = Restart.onFailure({ schedule: exponential, healthyAfter: "1 minute" })
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", a.play, { ...steady, restart })])
      )
      const crash = (life: number) =>
        Effect.gen(function* () {
          yield* a.fails
          const { attempt, delay } = yield* backsOff(running, "a", life)
          yield* TestClock.adjust(Duration.millis(delay))
          return [delay, attempt]
        })
      expect(yield* crash(1)).toEqual([100, 1])
      expect(yield* crash(2)).toEqual([200, 2])
      yield* TestClock.adjust("59999 millis")
      expect(yield* crash(3)).toEqual([400, 3])
      yield* TestClock.adjust("1 minute")
      expect(yield* crash(4)).toEqual([100, 1])
    })
  )

  it.effect("leaves the intensity that nobody has asked for alone", () =>
    Effect.gen(function* () {
      const { a, b, troupe } = company()
      const schedule = Schedule.spaced("1 millis")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("a", a.play, { ...steady, restart: Restart.onFailure({ schedule }) }),
          Child.effect("b", b.play, steady)
        ])
      )
      for (let life = 1; life <= 20; life++) {
        yield* a.fails
        yield* backsOff(running, "a", life)
        yield* TestClock.adjust("1 millis")
      }
      // The default: 5 restarts within 10 seconds.
      for (let life = 1; life <= 5; life++) yield* Effect.andThen(b.fails, troupe.hears("b starts", life + 1))
      yield* b.fails
      expect(yield* Effect.flip(running.await)).toMatchObject({ name: "b", attempts: 6 })
    })
  )

  it.effect("counts towards an intensity that was asked for", () =>
    Effect.gen(function* () {
      const { a } = company()
      const restart = Restart.onFailure({ schedule: Schedule.spaced("1 millis") })
      const tree = Supervisor.make("app", [Child.effect("a", a.play, { ...steady, restart })], {
        intensity: { restarts: 1, within: "1 second" }
      })
      const running = yield* Supervisor.start(tree)
      yield* a.fails
      yield* backsOff(running, "a", 1)
      yield* TestClock.adjust("1 millis")
      yield* a.fails
      expect(yield* Effect.flip(running.await)).toMatchObject({ name: "a", attempts: 2 })
    })
  )
})

describe("a failure that trying again does not repair", () => {
  const missing = Command.make("/no/such/program")

  it.live("makes the tree give up at once, and burns no restart", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const tree = Supervisor.make("app", [
        Child.process("keeps", stage.play("sleep")),
        Child.process("missing", missing, { after: ["keeps"], restart: Restart.always({ schedule: Schedule.forever }) })
      ])
      const gaveUp = yield* Effect.flip(Supervisor.run(tree))
      expect(gaveUp).toMatchObject({
        name: "missing",
        path: ["app", "missing"],
        attempts: 1,
        exit: { _tag: "Failed", error: { _tag: "SpawnError", reason: { _tag: "ProgramNotFound" } } }
      })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("is retried by a schedule where that is asked for", () =>
    Effect.gen(function* () {
      const restart = Restart.always({ schedule: Schedule.recurs(3), retryPermanent: true })
      const tree = Supervisor.make("app", [Child.process("missing", missing, { restart })])
      expect(yield* Effect.flip(Supervisor.run(tree))).toMatchObject({ name: "missing", attempts: 4 })
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("is what `decide` says, if it says something", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const tree = Supervisor.make("app", [
        Child.process("missing", missing, {
          decide: () => Effect.succeed(Child.replace(stage.play("say there sleep")))
        })
      ])
      const running = yield* Supervisor.start(tree)
      yield* stage.hears("there")
      expect(yield* childAt(running, "missing")).toMatchObject({ status: "ready", incarnation: 2 })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})
