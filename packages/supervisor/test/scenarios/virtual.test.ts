/** Trees of simulated processes, in virtual time: policies to the millisecond, over hours. */
import { describe, expect, it } from "@effect/vitest"
import { Command } from "@nursery/process"
import { Program, TestNursery } from "@nursery/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Child from "../../src/Child.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, stands, statuses } from "../support/observed.ts"

const command = (program: string) => Command.make(program)

/** When each process of a program was started. */
const startsOf = (program: string) =>
  Effect.map(TestNursery.started, (all) => all.filter((start) => start.program === program).map(({ time }) => time))

describe("a process that crashes", () => {
  it.effect("stays up for hours where its crashes are rare enough", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(Supervisor.make("app", [Child.process("web", command("web"))]))
      yield* TestClock.adjust("1 hour")
      expect(yield* statuses(running)).toEqual(["web ready"])
      expect((yield* startsOf("web")).length).toBe(1_800)
    }).pipe(Effect.provide(TestNursery.layer({ web: Program.exits(1, { after: 2_001 }) })))
  )

  it.effect("makes the tree give up where they are too many, at that moment, and its sibling is ended first", () =>
    Effect.gen(function* () {
      const tree = Supervisor.make("app", [
        Child.process("db", command("db")),
        Child.process("web", command("web"), { requires: ["db"] })
      ])
      const running = yield* Supervisor.start(tree)
      yield* TestClock.adjust("9599 millis")
      expect(yield* statuses(running)).toEqual(["db ready", "web ready"])
      // The sixth crash within ten seconds.
      yield* TestClock.adjust("1 millis")
      expect(yield* Effect.flip(running.await)).toMatchObject({ name: "web", attempts: 6 })
      const signals = yield* TestNursery.signals
      expect(signals.map(({ program, signal, time }) => `${program} ${signal} ${time}`)).toEqual(["db SIGTERM 9600"])
      expect(yield* TestNursery.alive).toEqual([])
    }).pipe(Effect.provide(TestNursery.layer({ db: Program.runs, web: Program.exits(1, { after: 1_600 }) })))
  )

  it.effect(
    "is started again when its schedule says, to the millisecond, and from the beginning after it was well",
    () =>
      Effect.gen(function* () {
        const schedule = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 }))
        const tree = Supervisor.make("app", [
          Child.process("web", command("web"), { restart: Restart.always({ schedule, healthyAfter: "1 minute" }) })
        ])
        const running = yield* Supervisor.start(tree)
        yield* TestClock.adjust("1 hour")
        const gaveUp = yield* Effect.flip(running.await)
        expect(gaveUp).toMatchObject({ name: "web", attempts: 4 })
        // Lives of 1, 1 and 60 seconds and again 1, 1, 1.
        expect(yield* startsOf("web")).toEqual([0, 1_100, 2_300, 62_400, 63_600, 65_000])
      }).pipe(
        Effect.provide(
          TestNursery.layer({ web: ({ nth }) => Program.exits(1, { after: nth === 3 ? "1 minute" : "1 second" }) })
        )
      )
  )

  it.effect("because its keeper did is started again, with all others, once each", () =>
    Effect.gen(function* () {
      const tree = Supervisor.make("app", [
        Child.process("db", command("db")),
        Child.process("web", command("web"), { requires: ["db"] }),
        Child.process("log", command("log"))
      ])
      const running = yield* Supervisor.start(tree)
      yield* TestNursery.loseKeeper
      yield* Effect.forEach(["db", "web", "log"], (name) => stands(running, name, "ready", 2), { discard: true })
      expect((yield* TestNursery.alive).map(({ program }) => program).sort()).toEqual(["db", "log", "web"])
      expect((yield* childAt(running, "db")).lastExit).toMatchObject({ error: { _tag: "KeeperLost" } })
    }).pipe(Effect.provide(TestNursery.layer({ db: Program.runs, web: Program.runs, log: Program.runs })))
  )
})

describe("a process that cannot be started", () => {
  const web = Supervisor.make("app", [Child.process("web", command("web"))])

  it.effect("because something is scarce at the moment is tried again", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(web)
      expect(yield* childAt(running, "web")).toMatchObject({ status: "ready", incarnation: 3, restarts: 2 })
    }).pipe(
      Effect.provide(
        TestNursery.layer({
          web: ({ nth }) => (nth < 3 ? Program.cannotStart("EAGAIN", { step: "fork" }) : Program.runs)
        })
      )
    )
  )

  it.effect("because it is not there makes the tree give up at once", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(Supervisor.run(web))).toMatchObject({ name: "web", attempts: 1 })
    }).pipe(Effect.provide(TestNursery.layer({})))
  )
})

describe("the end of a tree", () => {
  const stubborn = Program.steps(Program.ignore("SIGTERM"), Program.runs)
  const slow = Program.steps(Program.onSignal("SIGTERM", Program.exits(0, { after: "3 seconds" })), Program.runs)

  it.effect("waits for each child's stop policy, those who depend on others first", () =>
    Effect.gen(function* () {
      const tree = Supervisor.make("app", [
        Child.process("db", command("db"), { stop: { signal: "SIGINT", grace: "10 seconds" } }),
        Child.process("api", command("api"), { requires: ["db"], stop: { grace: "5 seconds" } }),
        Child.process("web", command("web"), { after: ["api"], stop: { grace: "30 seconds" } })
      ])
      const running = yield* Supervisor.start(tree)
      const stopping = yield* Effect.forkChild(running.child("db").stop, { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(stopping)
      const told = (yield* TestNursery.signals).map(({ program, signal, time }) => `${time} ${program} ${signal}`)
      // `web` starts after `api`, and does not require it.
      expect(told).toEqual(["0 api SIGTERM", "5000 api SIGKILL", "5000 db SIGINT"])
      expect(yield* statuses(running)).toEqual(["db stopped", "api waiting", "web ready"])
    }).pipe(Effect.provide(TestNursery.layer({ db: Program.runs, api: stubborn, web: Program.runs })))
  )

  it.effect("begins with the last, and each is gone before the one that it started after is told", () =>
    Effect.gen(function* () {
      const tree = Supervisor.make(
        "app",
        [
          Child.process("db", command("db")),
          Child.process("api", command("api"), { stop: { grace: "10 seconds" } }),
          Child.process("web", command("web"), { stop: { grace: "10 seconds" } })
        ],
        { order: "sequential" }
      )
      const fiber = yield* Effect.forkChild(Supervisor.run(tree))
      yield* TestNursery.awaitStart("web")
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(ending)
      const told = (yield* TestNursery.signals).map(({ program, signal, time }) => `${time} ${program} ${signal}`)
      expect(told).toEqual(["1000 web SIGTERM", "4000 api SIGTERM", "7000 db SIGTERM"])
      expect(yield* TestNursery.alive).toEqual([])
    }).pipe(Effect.provide(TestNursery.layer({ db: Program.runs, api: slow, web: slow })))
  )
})

describe("a process that speaks the notify protocol", () => {
  const api = Supervisor.make("app", [
    Child.process("api", command("api"), {
      ready: Ready.notify.pipe(Ready.timeout("10 seconds")),
      liveness: Liveness.watchdog("30 seconds"),
      decide: () => Effect.succeed("escalate")
    })
  ])

  const expectFailure = (error: object) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(Supervisor.run(api)))
      const { pid } = yield* TestNursery.awaitStart("api")
      return { pid, fiber, gaveUp: { _tag: "GaveUp", name: "api", exit: { _tag: "Failed", error } } }
    })

  it.effect("is too late where it does not ask for more time", () =>
    Effect.gen(function* () {
      const { fiber, gaveUp } = yield* expectFailure({ _tag: "NotReady", reason: { _tag: "ReadyTimeout" } })
      yield* TestClock.adjust("9999 millis")
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject(gaveUp)
      expect(yield* TestNursery.alive).toEqual([])
    }).pipe(Effect.provide(TestNursery.layer({ api: Program.runs })))
  )

  it.effect("is in time where it does, and is alive while it says so", () =>
    Effect.gen(function* () {
      const { fiber, gaveUp } = yield* expectFailure({ _tag: "Unresponsive", check: "watchdog" })
      yield* TestClock.adjust("9 seconds")
      yield* TestClock.adjust("14 seconds")
      for (let count = 0; count < 100; count++) yield* TestClock.adjust("25 seconds")
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("31 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject(gaveUp)
    }).pipe(
      Effect.provide(
        TestNursery.layer({
          api: Program.steps(
            Program.sleep("9 seconds"),
            Program.notify({ EXTEND_TIMEOUT_USEC: 15_000_000 }),
            Program.sleep("14 seconds"),
            Program.notify({ READY: 1 }),
            ...Array.from({ length: 100 }, () =>
              Program.steps(Program.sleep("25 seconds"), Program.notify({ WATCHDOG: 1 }))
            ),
            Program.runs
          )
        })
      )
    )
  )

  it.effect("is not believed ready because a stranger says so", () =>
    Effect.gen(function* () {
      const { fiber, gaveUp, pid } = yield* expectFailure({ _tag: "NotReady", reason: { _tag: "ReadyStranger" } })
      yield* TestClock.adjust("1 second")
      yield* TestNursery.notify(pid, { READY: 1 })
      yield* TestClock.adjust("9 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject(gaveUp)
    }).pipe(Effect.provide(TestNursery.layer({ api: Program.runs })))
  )
})
