import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { describe, expect, it } from "vitest"
import { Child, Liveness, Ready, Restart, Supervisor } from "../src/index.ts"

const x = Command.make("x")
const ok = Child.effect("ok", Effect.void)

/** A tree as untyped code, or code that builds one at run time, has it. */
const tree = (...children: ReadonlyArray<Child.Any>) => Supervisor.make("app", children)

const problemOf = (self: ReturnType<typeof tree>): string =>
  Result.match(Supervisor.validate(self), { onSuccess: () => "", onFailure: (error) => error.message })

const untyped = <A>(value: unknown): A => value as A

describe("validate", () => {
  it("finds nothing wrong with a good tree", () => {
    const db = Child.process("db", x, {
      ready: Ready.tcp(5432),
      startTimeout: "10 seconds",
      stop: { grace: "1 minute" }
    })
    const web = Supervisor.make("web", [Child.process("nginx", x)], { after: ["db"] })
    const pool = Supervisor.dynamic("pool", () => ok, { intensity: { restarts: 0, within: "1 second" } })
    const job = Child.effect("job", Effect.void, { significant: true, requires: [db], after: ["web"] })
    expect(Supervisor.validate(tree(db, web, pool, job))).toEqual(Result.void)
  })

  it("tells where, by the names from the root down", () => {
    const inner = tree(ok, Supervisor.make("web", [Child.effect("job", Effect.void, { stopTimeout: -1 })]))
    const error = Result.getOrThrow(Result.flip(Supervisor.validate(inner)))
    expect(error.path).toEqual(["app", "web", "job"])
    expect(error.message).toBe("app/web/job: stopTimeout is negative: -1")
  })
})

describe("names", () => {
  it.each<[string, ReadonlyArray<Child.Any>, string]>([
    ["no children", [], "app: has no children"],
    ["one name twice", [ok, ok], 'app: two children are named "ok"'],
    ["an empty name", [Child.effect("", Effect.void)], 'app/"": has an empty name'],
    [
      "a name of another type",
      [Child.effect(untyped<string>(1), Effect.void)],
      "app/1: has a name that is not a string"
    ]
  ])("%s", (_, children, problem) => {
    expect(problemOf(tree(...children))).toBe(problem)
  })

  it("are those of any level", () => {
    expect(problemOf(tree(Supervisor.make("", [ok])))).toBe('app/"": has an empty name')
    expect(problemOf(tree(Supervisor.make("web", [])))).toBe("app/web: has no children")
  })
})

describe("dependencies", () => {
  const after = (name: string, ...after: ReadonlyArray<string>) => Child.effect(name, Effect.void, { after })

  it.each<[string, ReadonlyArray<Child.Any>, string]>([
    ["unknown", [after("a", "b")], 'app/a: starts after "b", and there is no such sibling'],
    [
      "unknown, in another supervisor",
      [ok, Supervisor.make("web", [after("a", "ok")] as ReadonlyArray<Child.Any>)],
      'app/web/a: starts after "ok", and there is no such sibling'
    ],
    ["later", [after("a", "ok"), ok], 'app/a: starts after "ok", which is given later: give it earlier'],
    ["itself", [after("a", "a")], "app/a: starts after itself"],
    ["a cycle of two", [after("a", "b"), after("b", "a")], 'app/a: starts after "b", which starts after "a"'],
    [
      "a cycle of three, beside a way that leads nowhere",
      [after("a", "b"), after("b", "d", "c"), after("c", "a"), after("d", "b")],
      'app/a: starts after "b", which starts after "c", which starts after "a"'
    ]
  ])("%s", (_, children, problem) => {
    expect(problemOf(tree(...children))).toBe(problem)
  })

  it("are given once", () => {
    const both = Child.effect("a", Effect.void, { after: [ok], requires: [ok] })
    expect(problemOf(tree(ok, both))).toBe('app/a: starts after "ok" twice: requires includes after')
  })
})

describe("numbers and durations", () => {
  const withGrace = (grace: number) => Child.process("a", x, { stop: { grace } })
  const withHealthy = (healthyAfter: number) => Child.process("a", x, { restart: Restart.always({ healthyAfter }) })
  const withIntensity = (restarts: number, within: number) =>
    Supervisor.make("a", [ok], { intensity: { restarts, within } })

  it.each<[string, Child.Any, string]>([
    ["a negative grace", withGrace(-1), "stop.grace is negative: -1"],
    [
      "a store for no descriptors",
      Child.process("a", x, { fdStoreMax: 0 }),
      "fdStoreMax is no number of descriptors from 1 on: 0"
    ],
    ["a grace that is no number", withGrace(Number.NaN), "stop.grace is no duration: NaN"],
    ["a grace that is no duration", withGrace(untyped("soon")), "stop.grace is no duration: soon"],
    ["negative health", withHealthy(-5), "restart.healthyAfter is negative: -5"],
    [
      "a negative timeout",
      Child.effect("a", Effect.void, { stopTimeout: "-1 seconds" }),
      "stopTimeout is negative: -1 seconds"
    ],
    ["a negative number of restarts", withIntensity(-1, 1), "intensity.restarts is no number from 0 on: -1"],
    ["no number of restarts", withIntensity(Number.NaN, 1), "intensity.restarts is no number from 0 on: NaN"],
    ["half a restart", withIntensity(0.5, 1), "intensity.restarts is no number from 0 on: 0.5"],
    ["a negative period", withIntensity(1, -1), "intensity.within is negative: -1"],
    [
      "the period of a dynamic supervisor",
      Supervisor.dynamic("a", () => ok, { intensity: { restarts: 1, within: Number.NaN } }),
      "intensity.within is no duration: NaN"
    ],
    [
      "a limit for what is waited for",
      Child.process("a", x, { ready: Ready.immediate, startTimeout: -1 }),
      "startTimeout has to be more than 0"
    ],
    [
      "a limit for a hook",
      Child.effect("a", Effect.void, { hooks: { afterStopTimeout: -1 } }),
      "hooks.afterStopTimeout is negative: -1"
    ],
    [
      "a check of an Effect",
      Child.effect("a", Effect.never, { ready: Ready.immediate, liveness: Liveness.tcp(0) }),
      "0 is no port that one can connect to"
    ],
    [
      "a check",
      Child.process("a", x, { liveness: Liveness.http("http://localhost", { every: -1 }) }),
      "every has to be more than 0"
    ]
  ])("%s", (_, child, problem) => {
    expect(problemOf(tree(child))).toBe(`app/a: ${problem}`)
  })
})

describe("options that contradict each other", () => {
  it.each<[string, Child.Any, string]>([
    [
      "significant and restarted always",
      Child.process("a", x, { significant: true }),
      "is significant and restarted always, so it would never end for good"
    ],
    [
      "permanent failures tried again without a pause",
      Child.effect("a", Effect.void, { restart: Restart.onFailure({ retryPermanent: true }) }),
      "restart.retryPermanent is given without a schedule, so nothing would come between its attempts"
    ],
    [
      "a watch over one that is ready when it has ended",
      Child.effect("a", Effect.void, { liveness: Liveness.tcp(1) }),
      "has liveness without ready, so it would never be looked at: it is ready when it has ended"
    ]
  ])("%s", (_, child, problem) => {
    expect(problemOf(tree(child))).toBe(`app/a: ${problem}`)
  })

  it("do not where there is a schedule, or an end", () => {
    const restart = Restart.onFailure({ schedule: Schedule.spaced("1 second"), retryPermanent: true })
    expect(problemOf(tree(Child.process("a", x, { significant: true, restart })))).toBe("")
  })
})
