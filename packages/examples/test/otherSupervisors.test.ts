/**
 * What docs/from-other-supervisors.md says to do where a setting has no counterpart of the same name.
 */
import { describe, expect, it } from "@effect/vitest"
import { Command } from "@nursery/process"
import { Child, Ready, Restart, Supervisor } from "@nursery/supervisor"
import { Program, TestNursery } from "@nursery/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"

const crashes = Command.make("crashes")
const runs = Command.make("runs")

const programs = TestNursery.layer({
  runs: Program.runs,
  crashes: Program.exits(1),
  "lives half a second": Program.exits(0, { after: "500 millis" }),
  "healthy at last": ({ nth }) => Program.exits(1, { after: nth === 12 ? "11 seconds" : "1 second" })
})

const startsOf = (program: string) =>
  Effect.map(TestNursery.started, (all) => all.filter((start) => start.program === program))

describe("supervisord", () => {
  it.effect("FATAL: one gives up, and the others go on", () =>
    Effect.gen(function* () {
      const restart = Restart.always({ schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 3 })) })
      const fatal = Supervisor.make(
        "fatal",
        [Child.process("crashes", crashes, { ready: Ready.effect(Effect.never), restart })],
        {
          decide: () => Effect.succeed("ignore")
        }
      )
      const start = yield* Effect.forkChild(
        Supervisor.start(Supervisor.make("app", [fatal, Child.process("runs", runs)]))
      )
      yield* TestClock.adjust("10 seconds")

      const running = yield* Fiber.join(start)
      const { children } = yield* running.snapshot
      expect(children.map(({ name, status }) => [name, status])).toEqual([
        ["fatal", "failed"],
        ["runs", "ready"]
      ])
      expect(yield* startsOf("crashes")).toHaveLength(4)
    }).pipe(Effect.scoped, Effect.provide(programs))
  )

  it.effect("startsecs: who ends sooner was not ready", () =>
    Effect.gen(function* () {
      const short = Child.process("short", Command.make("lives half a second"), {
        ready: Ready.effect(Effect.sleep("1 second")),
        restart: Restart.never()
      })
      const run = yield* Effect.forkChild(Effect.flip(Supervisor.run(Supervisor.make("app", [short]))))
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(run)).toHaveProperty("exit.error.reason._tag", "ExitedBeforeReady")
    }).pipe(Effect.provide(programs))
  )
})

describe("Docker Compose", () => {
  it.effect("--abort-on-container-exit: whoever ends, ends all", () =>
    Effect.gen(function* () {
      const one = Child.process("one", Command.make("lives half a second"), {
        significant: true,
        restart: Restart.never()
      })
      const app = Supervisor.make("app", [Child.process("runs", runs), one])
      const run = yield* Effect.forkChild(Supervisor.run(app))
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(run)).toMatchObject({ _tag: "Significant", child: "one" })
      expect(yield* TestNursery.alive).toEqual([])
    }).pipe(Effect.provide(programs))
  )

  it.effect("unless-stopped: who was stopped on request stays down", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(Supervisor.make("app", [Child.process("runs", runs)]))
      yield* running.child("runs").stop
      yield* TestClock.adjust("1 hour")
      expect(yield* startsOf("runs")).toHaveLength(1)
    }).pipe(Effect.scoped, Effect.provide(programs))
  )

  it.effect("delays double up to a minute, and begin anew after ten seconds", () =>
    Effect.gen(function* () {
      const child = Child.process("one", Command.make("healthy at last"), {
        restart: Restart.always({
          schedule: Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("1 minute")]),
          healthyAfter: "10 seconds"
        })
      })
      yield* Supervisor.start(Supervisor.make("app", [child]))
      yield* TestClock.adjust("1 hour")

      const times = (yield* startsOf("healthy at last")).map(({ time }) => time / 1000)
      const lives = times.map((_, index) => (index === 11 ? 11 : 1))
      const delays = times
        .slice(1)
        .map((time, index) => Math.round((time - (times[index] ?? 0) - (lives[index] ?? 0)) * 10) / 10)
      expect(delays.slice(0, 14)).toEqual([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 0.1, 0.2, 0.4])
    }).pipe(Effect.scoped, Effect.provide(programs))
  )
})
