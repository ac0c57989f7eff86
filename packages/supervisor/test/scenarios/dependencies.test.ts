/** Who waits for whom, is stopped with whom, and is released when a dependency comes back. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, isSpawned, listen, spawns, stands, statuses } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

const company = () => {
  const troupe = new Troupe()
  const db = troupe.actor("db")
  const tree = Supervisor.make("app", [
    Child.effect("db", db.play, {
      ready: db.readiness,
      restart: Restart.onFailure({ schedule: Schedule.spaced("1 second") })
    }),
    Child.effect("cache", troupe.actor("cache").play, { ...steady, after: ["db"] }),
    Child.effect("api", troupe.actor("api").play, { ...steady, requires: ["db"] }),
    Child.effect("web", troupe.actor("web").play, { ...steady, requires: ["api"] })
  ])
  const starting = Effect.gen(function* () {
    const fiber = yield* Effect.forkScoped(Supervisor.start(tree), { startImmediately: true })
    yield* troupe.hears("db starts")
    return fiber
  })
  return { db, starting, tree, troupe }
}

describe("a dependency", () => {
  it.effect("that fails once before it is ready is waited for, and releases those who wait when it is back", () =>
    Effect.gen(function* () {
      const { db, starting, troupe } = company()
      const fiber = yield* starting
      yield* db.fails
      yield* TestClock.adjust("999 millis")
      expect(troupe.record).toEqual(["db starts", "db fails"])
      yield* TestClock.adjust("1 millis")
      expect(troupe.record).toEqual(["db starts", "db fails", "db starts"])
      yield* db.isReady
      const running = yield* Fiber.join(fiber)
      expect(troupe.record.slice(3)).toEqual(["cache starts", "api starts", "web starts"])
      expect(yield* childAt(running, "db")).toMatchObject({ incarnation: 2, restarts: 1 })
    })
  )

  it.effect("that has done what it was for takes nobody down", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const job = troupe.actor("job")
      const tree = Supervisor.make("app", [
        Child.effect("job", job.play, { ready: job.readiness, restart: Restart.onFailure() }),
        Child.effect("api", troupe.actor("api").play, { ...steady, requires: ["job"] })
      ])
      const fiber = yield* Effect.forkScoped(Supervisor.start(tree), { startImmediately: true })
      yield* troupe.hears("job starts")
      yield* job.isReady
      const running = yield* Fiber.join(fiber)
      yield* job.ends("done")
      yield* stands(running, "job", "completed")
      expect(yield* childAt(running, "api")).toMatchObject({ status: "ready", incarnation: 1 })
      expect(troupe.record).toEqual(["job starts", "api starts", "job ends"])
    })
  )

  it.effect("that fails later stops those who require it, in reverse, and releases them when it is back", () =>
    Effect.gen(function* () {
      const { db, starting, troupe } = company()
      const fiber = yield* starting
      yield* db.isReady
      const running = yield* Fiber.join(fiber)
      troupe.news()
      yield* db.fails
      yield* stands(running, "db", "backing-off")
      expect(yield* statuses(running)).toEqual(["db backing-off", "cache ready", "api waiting", "web waiting"])
      expect(troupe.news()).toEqual(["db fails", "web stops", "api stops"])
      const waiting = (yield* running.snapshot).children.map(({ waitsFor }) => waitsFor)
      expect(waiting).toEqual([[], [], ["db"], ["api"]])
      yield* TestClock.adjust("1 second")
      expect(troupe.news()).toEqual(["db starts"])
      yield* db.isReady
      yield* stands(running, "web", "ready", 2)
      expect(troupe.news()).toEqual(["api starts", "web starts"])
      // To be stopped with what one requires is no restart of one's own.
      expect((yield* childAt(running, "api")).restarts).toBe(0)
    })
  )

  it.effect("that somebody stops, stops those who require it, and its start releases them", () =>
    Effect.gen(function* () {
      const { db, starting, troupe } = company()
      const fiber = yield* starting
      yield* db.isReady
      const running = yield* Fiber.join(fiber)
      troupe.news()
      yield* running.child("db").stop
      expect(troupe.news()).toEqual(["web stops", "api stops", "db stops"])
      const start = yield* Effect.forkChild(running.child("db").start, { startImmediately: true })
      yield* troupe.hears("db starts", 2)
      yield* db.isReady
      yield* Fiber.join(start)
      yield* stands(running, "web", "ready", 2)
      expect(troupe.news()).toEqual(["db starts", "api starts", "web starts"])
    })
  )

  it.effect("provides what it has provided last", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const source = troupe.actor("db")
      const db = Child.effect("db", source.play, { ready: source.readiness })
      const api = Child.effect("api", ({ db }) => Effect.andThen(troupe.act(`life ${db}`), Effect.never), {
        ...steady,
        requires: [db]
      })
      const fiber = yield* Effect.forkScoped(Supervisor.start(Supervisor.make("app", [db, api])), {
        startImmediately: true
      })
      yield* source.isReady
      const running = yield* Fiber.join(fiber)
      yield* source.fails
      yield* troupe.hears("db starts", 2)
      yield* source.isReady
      yield* stands(running, "api", "ready", 2)
      expect(troupe.record.filter((line) => line.startsWith("life"))).toEqual(["life 1", "life 2"])
    })
  )
})

describe("a dependency that is done once", () => {
  const company = () => {
    const troupe = new Troupe()
    const work = troupe.actor("migrate")
    const migrate = Child.effect("migrate", work.play, { restart: Restart.never() })
    const api = Child.effect("api", ({ migrate }) => Effect.andThen(troupe.act(`api after ${migrate}`), Effect.never), {
      ...steady,
      requires: [migrate]
    })
    const tree = Supervisor.make("app", [migrate, api])
    return { tree, troupe, work }
  }

  it.effect("is waited for until it has succeeded, and its value is there from then on", () =>
    Effect.gen(function* () {
      const { tree, troupe, work } = company()
      const fiber = yield* Effect.forkScoped(Supervisor.start(tree))
      yield* troupe.hears("migrate starts")
      yield* work.ends("version 7")
      const running = yield* Fiber.join(fiber)
      expect(yield* statuses(running)).toEqual(["migrate completed", "api ready"])
      yield* running.child("api").restart
      expect(troupe.record.slice(1)).toEqual(["migrate ends", "api after version 7", "api after version 7"])
    })
  )

  it.effect("fails the start of the tree where it fails, and nobody starts after it", () =>
    Effect.gen(function* () {
      const { tree, troupe, work } = company()
      const fiber = yield* Effect.forkScoped(Effect.flip(Supervisor.start(tree)))
      yield* troupe.hears("migrate starts")
      yield* work.fails
      expect(yield* Fiber.join(fiber)).toMatchObject({ name: "migrate", attempts: 1 })
      expect(troupe.record).toEqual(["migrate starts", "migrate fails"])
    })
  )
})

describe("a dependency that is a tree", () => {
  it.effect("is ready when all of it is, and takes those who require it along", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
      const data = Supervisor.make(
        "data",
        [Child.effect("a", a.play, { ready: a.readiness }), Child.effect("b", b.play, { ready: b.readiness })],
        { intensity: { restarts: 0, within: "1 minute" } }
      )
      const tree = Supervisor.make("app", [
        data,
        Child.effect("api", troupe.actor("api").play, { ...steady, requires: ["data"] })
      ])
      const fiber = yield* Effect.forkScoped(Supervisor.start(tree))
      yield* troupe.hears("b starts")
      yield* b.isReady
      yield* Effect.yieldNow
      expect(troupe.count("api starts")).toBe(0)
      yield* a.isReady
      const running = yield* Fiber.join(fiber)
      expect(troupe.news()).toEqual(["a starts", "b starts", "api starts"])
      yield* a.fails
      yield* troupe.hears("b starts", 2)
      yield* a.isReady
      yield* b.isReady
      yield* stands(running, "api", "ready", 2)
      // Those who require it are stopped when it has ended, and before it is started again.
      expect(troupe.news()).toEqual(["a fails", "b stops", "api stops", "a starts", "b starts", "api starts"])
    })
  )
})

describe("a process that is parked on a dependency", () => {
  /** A dependency of which only the first life becomes ready. */
  const once = () => {
    let life = 0
    return Ready.effect(Effect.suspend(() => (++life === 1 ? Effect.void : Effect.never)))
  }

  const parked = (stage: Stage.Stage, option: "after" | "requires") =>
    Effect.gen(function* () {
      let commands = 0
      const api = () => {
        commands++
        return stage.play("say api sleep")
      }
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.process("db", stage.play("say db sleep"), { ready: once() }),
          Child.process("api", api, { [option]: ["db"] })
        ])
      )
      const [db = 0] = yield* stage.hears("db", "api")
      yield* running.child("api").stop
      Proc.kill(db)
      yield* isSpawned(running, "db", 2)
      yield* stage.hears("db")
      return { commands: () => commands, running }
    })

  for (const option of ["after", "requires"] as const) {
    it.live(`by \`${option}\` is restarted 20 times, and stopped: no process appears`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const listening = yield* Effect.scoped(
          Effect.gen(function* () {
            const { commands, running } = yield* parked(stage, option)
            const restarts: Array<Fiber.Fiber<unknown, unknown>> = []
            for (let count = 0; count < 20; count++) {
              restarts.push(
                yield* Effect.forkChild(Effect.flip(running.child("api").restart), { startImmediately: true })
              )
              expect(yield* statuses(running)).toEqual(["db starting", "api waiting"])
            }
            yield* running.child("api").stop
            for (const restart of restarts) {
              expect(yield* Fiber.join(restart)).toMatchObject({ _tag: "ChildRefused", child: "api", reason: "down" })
            }
            expect(yield* statuses(running)).toEqual(["db starting", "api stopped"])
            expect(commands()).toBe(1)
            expect(Proc.marked(stage.mark).length).toBe(1)
            return yield* listen(running)
          })
        )
        // What there was before, and the second life of the dependency.
        expect(spawns(yield* Fiber.join(listening))).toEqual(["db", "api", "db"])
        expect(stage.left()).toEqual([])
        expect(stage.news.count("api")).toBe(0)
      }).pipe(Effect.provide(Nursery.layer))
    )
  }

  it.live("that is stopped is restarted 20 times, and stopped: no process appears", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const listening = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(
            Supervisor.make("app", [
              Child.process("db", stage.play("say db sleep")),
              Child.process("api", stage.play("say api sleep"), { requires: ["db"] })
            ])
          )
          yield* stage.hears("db", "api")
          yield* running.child("db").stop
          for (let count = 0; count < 20; count++) {
            const restart = yield* Effect.forkChild(Effect.flip(running.child("api").restart), {
              startImmediately: true
            })
            yield* running.child("api").stop
            expect(yield* Fiber.join(restart)).toMatchObject({ reason: "down" })
          }
          expect(stage.left()).toEqual([])
          // It was stopped on request: what it required comes back without it.
          yield* running.child("db").start
          expect(yield* statuses(running)).toEqual(["db ready", "api stopped"])
          return yield* listen(running)
        })
      )
      expect(spawns(yield* Fiber.join(listening))).toEqual(["db", "api", "db"])
    }).pipe(Effect.provide(Nursery.layer))
  )
})
