/** What is done about a child that has ended, when its own code decides. */
import { describe, expect, it } from "@effect/vitest"
import { Command, Nursery } from "@nursery/process"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import type { ChildExit, ProcessFailure } from "../../src/ChildExit.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { isSpawned, stands, statuses } from "../support/observed.ts"
import { Failure, Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

type Decision = Exclude<Child.Decision, Child.Replace>

class Refusal extends Data.TaggedError("Refusal")<{ readonly why: string }> {}

/** `b` decides, and `c` and `d` start after it. */
const company = <E, R>(
  decide: (exit: ChildExit<Failure, string>) => Effect.Effect<Decision, E, R>,
  option: "after" | "requires"
) => {
  const troupe = new Troupe()
  const b = troupe.actor("b")
  const tree = Supervisor.make("app", [
    Child.effect("a", troupe.actor("a").play, steady),
    Child.effect("b", b.play, { ...steady, decide, restart: Restart.never() }),
    Child.effect("c", troupe.actor("c").play, { ...steady, [option]: ["b"] }),
    Child.effect("d", troupe.actor("d").play, { ...steady, after: ["b"] })
  ])
  const start = Effect.gen(function* () {
    const running = yield* Supervisor.start(tree)
    troupe.news()
    return running
  })
  return { b, start, troupe }
}

const decisions: ReadonlyArray<{
  readonly decision: Decision
  /** In which way `c` depends on `b`. */
  readonly option: "after" | "requires"
  readonly record: ReadonlyArray<string>
  readonly standing: ReadonlyArray<string>
}> = [
  {
    decision: "restart",
    option: "requires",
    record: ["b fails", "c stops", "b starts", "c starts"],
    standing: ["a ready", "b ready", "c ready", "d ready"]
  },
  {
    decision: "restartGroup",
    option: "after",
    record: ["b fails", "d stops", "c stops", "a stops", "a starts", "b starts", "c starts", "d starts"],
    standing: ["a ready", "b ready", "c ready", "d ready"]
  },
  {
    decision: "pause",
    option: "requires",
    record: ["b fails", "c stops"],
    standing: ["a ready", "b paused", "c waiting", "d ready"]
  },
  {
    decision: "stop",
    option: "requires",
    record: ["b fails", "c stops"],
    standing: ["a ready", "b stopped", "c waiting", "d ready"]
  },
  {
    decision: "ignore",
    option: "requires",
    record: ["b fails", "c stops"],
    standing: ["a ready", "b failed", "c waiting", "d ready"]
  }
]

describe("the decision", () => {
  for (const { decision, option, record, standing } of decisions) {
    it.effect(`"${decision}" comes to ${standing.join(", ")}`, () =>
      Effect.gen(function* () {
        const seen: Array<ChildExit<Failure, string>> = []
        const { b, start, troupe } = company((exit) => {
          seen.push(exit)
          return Effect.succeed(decision)
        }, option)
        const running = yield* start
        yield* b.fails
        const [, status] = standing[1]?.split(" ") ?? []
        const isBack = status === "ready"
        if (isBack) yield* stands(running, decision === "restart" ? "c" : "d", "ready", 2)
        else yield* stands(running, "c", "waiting", 1)
        expect(troupe.news()).toEqual(record)
        expect(yield* statuses(running)).toEqual(standing)
        expect(seen).toEqual([{ _tag: "Failed", error: new Failure({ actor: "b", life: 1 }) }])
        // Whoever is down for good comes up when somebody asks for it, with those that require it.
        if (isBack) return
        yield* running.child("b").start
        yield* stands(running, "c", "ready", 2)
        expect(troupe.news()).toEqual(["b starts", "c starts"])
      })
    )
  }

  it.effect('"default" leaves an end to the restart rule: to each the one that it would have without a decision', () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const [a, b, c] = [troupe.actor("a"), troupe.actor("b"), troupe.actor("c")] as const
      const options = { ...steady, decide: () => Effect.succeed("default" as const) }
      const tree = Supervisor.make("app", [
        Child.effect("a", a.play, options),
        Child.effect("b", b.play, { ...options, restart: Restart.never() }),
        Child.effect("c", c.play, { ...options, restart: Restart.always({ schedule: Schedule.spaced("1 minute") }) })
      ])
      const running = yield* Supervisor.start(tree)
      yield* a.fails
      yield* stands(running, "a", "ready", 2)
      yield* a.ends("as it should")
      yield* stands(running, "a", "completed")
      yield* b.fails
      yield* stands(running, "b", "failed")
      yield* c.ends("as it should")
      yield* stands(running, "c", "backing-off")
      yield* TestClock.adjust("1 minute")
      yield* stands(running, "c", "ready", 2)
    })
  )

  it.live('"default" does not try again what will not go away', () =>
    Effect.gen(function* () {
      const child = Child.process("a", Command.make("/no/such/program"), { decide: () => Effect.succeed("default") })
      expect(yield* Effect.flip(Supervisor.run(Supervisor.make("app", [child])))).toMatchObject({
        attempts: 1,
        exit: { error: { _tag: "SpawnError", reason: { _tag: "ProgramNotFound" } } }
      })
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect('"escalate" makes the tree give up', () =>
    Effect.gen(function* () {
      const { b, start, troupe } = company(() => Effect.succeed("escalate"), "after")
      const running = yield* start
      yield* b.fails
      const gaveUp = yield* Effect.flip(running.await)
      expect(gaveUp).toMatchObject({ name: "b", exit: { error: new Failure({ actor: "b", life: 1 }) } })
      expect(troupe.news()).toEqual(["b fails", "d stops", "c stops", "a stops"])
    })
  )

  it.effect('"restart" waits for the schedule', () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const child = Child.effect("a", a.play, {
        ...steady,
        decide: () => Effect.succeed("restart"),
        restart: Restart.onFailure({ schedule: Schedule.spaced("1 minute") })
      })
      const running = yield* Supervisor.start(Supervisor.make("app", [child]))
      yield* a.ends("as it should")
      yield* stands(running, "a", "backing-off")
      yield* TestClock.adjust("59 seconds")
      expect(troupe.count("a starts")).toBe(1)
      yield* TestClock.adjust("1 second")
      expect(troupe.count("a starts")).toBe(2)
    })
  )

  it.effect("may take its time: meanwhile nobody starts it, and the tree ends without it", () =>
    Effect.gen(function* () {
      const { b, start, troupe } = company(() => Effect.delay(Effect.succeed("restart"), "1 hour"), "after")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* start
          yield* b.fails
          yield* stands(running, "b", "deciding")
          yield* TestClock.adjust("59 minutes")
          expect(yield* statuses(running)).toEqual(["a ready", "b deciding", "c ready", "d ready"])
        })
      )
      expect(troupe.news()).toEqual(["b fails", "d stops", "c stops", "a stops"])
    })
  )

  it.live('"replace" starts another command, which later restarts take too', () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const decide = (exit: ChildExit<ProcessFailure>) =>
            Effect.succeed(
              exit._tag === "Failed" && exit.error._tag === "ExitError"
                ? Child.replace(stage.play("say second sleep"))
                : ("escalate" as const)
            )
          const running = yield* Supervisor.start(
            Supervisor.make("app", [Child.process("a", stage.play("say first sleep"), { decide })])
          )
          const [first = 0] = yield* stage.hears("first")
          Proc.kill(first)
          yield* stage.hears("second")
          yield* isSpawned(running, "a", 2)
          yield* running.child("a").restart
          yield* stage.hears("second")
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("catchTag", () => {
  class Other extends Data.TaggedError("Other")<{}> {}

  const start = (fail: () => Failure | Other) => {
    const troupe = new Troupe()
    const child = Child.effect(
      "a",
      Effect.andThen(
        troupe.act("a starts"),
        Effect.suspend(() => Effect.fail(fail()))
      ),
      {
        ready: Ready.immediate
      }
    ).pipe(Child.catchTag("Failure", ({ actor }) => Effect.as(troupe.act(`caught ${actor}`), "stop")))
    return { fiber: Supervisor.run(Supervisor.make("app", [child])), troupe, child }
  }

  it.effect("decides about the failures of its tag, and leaves the others to the restart rule", () =>
    Effect.gen(function* () {
      let lives = 0
      const { fiber, troupe } = start(() => (++lives < 4 ? new Other() : new Failure({ actor: "a", life: lives })))
      const running = yield* Effect.forkChild(fiber)
      yield* troupe.hears("caught a")
      expect(troupe.record).toEqual(["a starts", "a starts", "a starts", "a starts", "caught a"])
      yield* Fiber.interrupt(running)
    })
  )

  it.effect("leaves the tree with the other failures", () =>
    Effect.gen(function* () {
      const { fiber } = start(() => new Other())
      const gaveUp = yield* Effect.flip(fiber)
      expect(gaveUp).toMatchObject({ name: "a", exit: { error: { _tag: "Other" } }, attempts: 6 })
    })
  )

  it.effect("is asked after `decide`, and decides about what that fails with", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const child = Child.effect("a", a.play, {
        ...steady,
        decide: () => Effect.andThen(troupe.act("decide"), Effect.fail(new Refusal({ why: "no" })))
      }).pipe(Child.catchTag("Refusal", ({ why }) => Effect.as(troupe.act(`caught ${why}`), "pause")))
      const running = yield* Supervisor.start(Supervisor.make("app", [child]))
      yield* a.fails
      yield* stands(running, "a", "paused")
      expect(troupe.record).toEqual(["a starts", "a fails", "decide", "caught no"])
    })
  )
})
