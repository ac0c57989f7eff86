/** Stops, restarts on request and the end of a tree, at moments at which something else is under way. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, happens, stands, statuses } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const
const hourly = Restart.onFailure({ schedule: Schedule.spaced("1 hour") })

/** In a scope of its own, so that a test can close it while the tree runs. */
const startIn = <A, E, R>(start: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    return { scope, starting: yield* Effect.forkChild(Scope.provide(start, scope), { startImmediately: true }) }
  })

describe("during the back-off of a child", () => {
  const backingOff = Effect.gen(function* () {
    const troupe = new Troupe()
    const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
    const tree = Supervisor.make("app", [
      Child.effect("a", a.play, { ...steady, restart: hourly }),
      Child.effect("b", b.play, steady)
    ])
    const scope = yield* Scope.make()
    const running = yield* Scope.provide(Supervisor.start(tree), scope)
    yield* a.fails
    yield* stands(running, "a", "backing-off")
    return { running, scope, troupe }
  })

  it.effect("its stop returns without waiting, and it is never started", () =>
    Effect.gen(function* () {
      const { running, troupe } = yield* backingOff
      yield* running.child("a").stop
      expect(yield* statuses(running)).toEqual(["a stopped", "b ready"])
      yield* TestClock.adjust("1 day")
      expect(troupe.count("a starts")).toBe(1)
      yield* running.child("a").start
      expect(troupe.count("a starts")).toBe(2)
    })
  )

  it.effect("its restart on request comes at once, and that of the back-off no more", () =>
    Effect.gen(function* () {
      const { running, troupe } = yield* backingOff
      yield* running.child("a").restart
      expect(troupe.count("a starts")).toBe(2)
      yield* TestClock.adjust("1 day")
      expect(troupe.count("a starts")).toBe(2)
    })
  )

  it.effect("the tree ends without waiting, and starts nothing", () =>
    Effect.gen(function* () {
      const { running, scope, troupe } = yield* backingOff
      yield* Scope.close(scope, Exit.void)
      expect(yield* running.await).toEqual({ _tag: "Stopped" })
      yield* TestClock.adjust("1 day")
      expect(troupe.record).toEqual(["a starts", "b starts", "a fails", "b stops"])
      expect(yield* Effect.flip(running.child("a").restart)).toMatchObject({ _tag: "ChildRefused", reason: "ending" })
    })
  )
})

describe("while it is being decided about a child", () => {
  it.effect("its stop does not wait for the decision", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const decide = () => Effect.onInterrupt(Effect.never, () => troupe.act("forgotten"))
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", a.play, { ...steady, decide })])
      )
      yield* a.fails
      yield* stands(running, "a", "deciding")
      yield* running.child("a").stop
      expect(yield* statuses(running)).toEqual(["a stopped"])
      expect(troupe.record).toEqual(["a starts", "a fails", "forgotten"])
    })
  )
})

describe("during a start that hangs", () => {
  /** The second start of `a` hangs. */
  const tree = (stage: Stage.Stage, hang: "command" | "hook" | "ready") => {
    let starts = 0
    const counted = Effect.sync(() => {
      starts++
    })
    const second = (what: string) => Effect.suspend(() => (what === hang && starts > 1 ? Effect.never : Effect.void))
    return Supervisor.make("app", [
      Child.process("before", stage.play("say before sleep")),
      Child.process("a", () => Effect.as(second("command"), stage.play("say a sleep")), {
        after: ["before"],
        ready: Ready.effect(second("ready")),
        hooks: { beforeStart: Effect.andThen(counted, second("hook")) }
      }),
      Child.process("next", stage.play("say next sleep"), { requires: ["a"] })
    ])
  }

  for (const hang of ["command", "hook", "ready"] as const) {
    it.live(`of its ${hang}, the stop of a child returns, and starts nothing`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        yield* Effect.scoped(
          Effect.gen(function* () {
            const running = yield* Supervisor.start(tree(stage, hang))
            const [before, a = 0] = yield* stage.hears("before", "a", "next")
            Proc.kill(a)
            yield* stands(running, "a", "starting", 2)
            if (hang === "ready") yield* stage.hears("a")
            yield* running.child("a").stop
            expect(yield* statuses(running)).toEqual(["before ready", "a stopped", "next waiting"])
            expect(Proc.marked(stage.mark).map(({ pid }) => pid)).toEqual([before])
          })
        )
        expect(stage.left()).toEqual([])
        expect([stage.news.count("a"), stage.news.count("next")]).toEqual([0, 0])
      }).pipe(Effect.provide(Nursery.layer))
    )
  }

  it.live("the interruption of `start` returns, and leaves nothing", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const { scope, starting } = yield* startIn(
        Supervisor.start(
          Supervisor.make("app", [
            Child.process("a", stage.play("say a sleep"), { ready: Ready.effect(Effect.never) }),
            Child.process("b", stage.play("say b sleep"), { after: ["a"] })
          ])
        )
      )
      yield* stage.hears("a")
      yield* Fiber.interrupt(starting)
      yield* Scope.close(scope, Exit.void)
      expect(stage.left()).toEqual([])
      expect(stage.news.count("b")).toBe(0)
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("the interruption of `run` returns, and leaves nothing", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const tree = Supervisor.make("app", [
        Child.process("a", stage.play("say a sleep"), { ready: Ready.effect(Effect.never) }),
        Child.process("b", stage.play("say b sleep"), { after: ["a"] })
      ])
      const fiber = yield* Effect.forkChild(Supervisor.run(tree))
      yield* stage.hears("a")
      yield* Fiber.interrupt(fiber)
      expect(stage.left()).toEqual([])
      expect(stage.news.count("b")).toBe(0)
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("20 restarts asked for at the same time", () => {
  it.live("are one: one instance, and 20 successes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const running = yield* Supervisor.start(Supervisor.make("app", [Child.process("a", stage.play("say a sleep"))]))
      const [first = 0] = yield* stage.hears("a")
      const exits = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.exit(running.child("a").restart)),
        { concurrency: "unbounded" }
      )
      expect(exits).toEqual(Array.from({ length: 20 }, () => Exit.void))
      const [second] = yield* stage.hears("a")
      expect(Proc.isAlive(first)).toBe(false)
      expect(Proc.marked(stage.mark).map(({ pid }) => pid)).toEqual([second])
      expect(yield* childAt(running, "a")).toMatchObject({ pid: second, incarnation: 2, restarts: 0, status: "ready" })
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("of a child that keeps crashing meanwhile, end, with one instance", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const tree = Supervisor.make("app", [Child.process("a", stage.play("say a sleep"))], {
        intensity: { restarts: 1_000, within: "1 minute" }
      })
      const running = yield* Supervisor.start(tree)
      const [first = 0] = yield* stage.hears("a")
      const asking = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 20 }, () => running.child("a").restart),
          { concurrency: "unbounded" }
        )
      )
      Proc.kill(first)
      yield* Fiber.join(asking)
      const { pid } = yield* childAt(running, "a")
      expect(Proc.marked(stage.mark).map((entry) => entry.pid)).toEqual([pid])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("one after the other are 20", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const running = yield* Supervisor.start(Supervisor.make("app", [Child.effect("a", a.play, steady)]))
      for (let count = 0; count < 20; count++) yield* running.child("a").restart
      expect(troupe.count("a starts")).toBe(21)
      expect(troupe.count("a stops")).toBe(20)
      expect(a.alive).toBe(1)
    })
  )
})

describe("a child that takes its time to stop", () => {
  it.effect("is waited for by its stop, by its restart, and by those that start after it is up again", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const gone = yield* Deferred.make<void>()
      const slow = Effect.onInterrupt(Effect.andThen(troupe.act("a starts"), Effect.never), () =>
        Effect.andThen(troupe.act("a stops"), Deferred.await(gone))
      )
      const b = troupe.actor("b")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("a", slow, steady),
          Child.effect("b", b.play, { ...steady, requires: ["a"] })
        ])
      )
      const restart = yield* Effect.forkChild(running.child("a").restart)
      yield* troupe.hears("a stops")
      expect(yield* statuses(running)).toEqual(["a stopping", "b waiting"])
      const stop = yield* Effect.forkChild(running.child("a").stop, { startImmediately: true })
      yield* Deferred.succeed(gone, undefined)
      yield* Fiber.join(stop)
      expect(yield* Effect.flip(Fiber.join(restart))).toMatchObject({ _tag: "ChildRefused", reason: "down" })
      expect(troupe.record).toEqual(["a starts", "b starts", "b stops", "a stops"])
      expect(yield* statuses(running)).toEqual(["a stopped", "b waiting"])
    })
  )

  it.effect("is left alone after its `stopTimeout`, which is told", () =>
    Effect.gen(function* () {
      const stuck = Effect.onInterrupt(Effect.never, () => Effect.never)
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", stuck, { ...steady, stopTimeout: "5 seconds" })])
      )
      const stop = yield* Effect.forkChild(running.child("a").stop, { startImmediately: true })
      yield* stands(running, "a", "stopping")
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(stop)
      yield* happens(running, (event): event is typeof event => event._tag === "Abandoned" && event.child === "a")
      expect(yield* statuses(running)).toEqual(["a stopped"])
    })
  )
})
