import { Command, ProgramNotFound, SpawnError } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { describe, expect, it } from "vitest"
import { Child, type ChildExit, Restart, Supervisor } from "../src/index.ts"
import { specOf } from "../src/internal/child.ts"
import { childPlanOf, planOf } from "../src/internal/plan.ts"
import type { ChildSpec, Decision, SupervisorSpec } from "../src/internal/spec.ts"

class A extends Data.TaggedError("A")<{ readonly n: number }> {}
class B extends Data.TaggedError("B")<{}> {}
class C extends Data.TaggedError("C")<{}> {}

const x = Command.make("x")
const failsWithEither: Effect.Effect<number, A | B> = Effect.fail(new A({ n: 1 }))

const specAs = <K extends ChildSpec["kind"]>(child: Child.Any, kind: K): Extract<ChildSpec, { readonly kind: K }> => {
  const spec = specOf(child)
  const is = (spec: ChildSpec): spec is Extract<ChildSpec, { readonly kind: K }> => spec.kind === kind
  if (!is(spec)) throw new Error(`not a ${kind}`)
  return spec
}

/** What the policy of a child decides about an end. */
const decide = (child: Child.Any, exit: ChildExit): Exit.Exit<Decision | undefined, unknown> => {
  const { policy } = specOf(child)
  const decided = policy === undefined ? Effect.succeed(undefined) : policy(exit)
  return Effect.runSyncExit(decided as Effect.Effect<Decision | undefined, unknown>)
}

const failed = (error: unknown): ChildExit => ({ _tag: "Failed", error })
const completed: ChildExit = { _tag: "Completed", value: 1 }
const tagged = (_tag: "restart" | "restartGroup" | "pause" | "stop" | "escalate" | "ignore") => Exit.succeed({ _tag })

describe("a child", () => {
  it("has OTP's rule for its kind, where nothing is said", () => {
    expect(specOf(Child.process("x", x)).restart.rule).toBe("always")
    expect(specOf(Child.effect("x", Effect.void)).restart.rule).toBe("onFailure")
    expect(specOf(Supervisor.make("x", [Child.process("y", x)])).restart.rule).toBe("always")
    expect(specOf(Supervisor.dynamic("x", () => Child.process("y", x))).restart.rule).toBe("always")
  })

  it("waits for names, takes the values of others, and lives as long as those that it requires", () => {
    const db = Child.process("db", x)
    const child = Child.effect("x", Effect.void, { after: [db, "cache"], requires: ["net"] })
    expect(specOf(child).after).toEqual([
      { on: "net", gate: "alive" },
      { on: "db", gate: "value" },
      { on: "cache", gate: "order" }
    ])
  })

  it("is made of whatever there is, without throwing", () => {
    const bad = Child.process("", x, { startTimeout: -1, stop: { grace: Number.NaN } })
    expect(Supervisor.make("", [bad, bad as never]).children).toHaveLength(2)
    expect(
      Supervisor.dynamic("x", () => {
        throw new Error("no child")
      }).name
    ).toBe("x")
  })

  it("keeps the options that it was made with when a policy is added", () => {
    const child = Child.process("x", x, { significant: true, restart: Restart.never() })
    const { policy, ...more } = specOf(child.pipe(Child.decide(() => Effect.succeed("stop"))))
    expect(policy).toBeDefined()
    const { policy: none, ...same } = specOf(child)
    expect(none).toBeUndefined()
    expect(more).toEqual(same)
  })
})

describe("the command of a process", () => {
  const run = (child: Child.Any, provided = {}): Exit.Exit<Command.Command, unknown> =>
    Effect.runSyncExit(specAs(child, "process").command(provided) as Effect.Effect<Command.Command, unknown>)

  it("is given, or computed from what others provide, by an Effect or not", () => {
    const db = Child.effect("db", Effect.succeed("5432"))
    const computed = Child.process("x", ({ db }) => Command.make("x", [db]), { after: [db] })
    const effect = Child.process("x", ({ db }) => Effect.succeed(Command.make("x", [db])), { after: [db] })
    expect(run(Child.process("x", x))).toEqual(Exit.succeed(x))
    for (const child of [computed, effect]) {
      const exit = run(child, { db: "5432" })
      expect(Exit.isSuccess(exit) && Command.display(exit.value)).toBe("x 5432")
    }
  })

  it("may fail", () => {
    expect(run(Child.process("x", () => Effect.fail(new B())))).toEqual(Exit.fail(new B()))
  })

  it("is not computed before the child starts", () => {
    let computed = 0
    const child = Child.process("x", () => {
      computed++
      return x
    })
    Supervisor.validate(Supervisor.make("app", [child]))
    expect(computed).toBe(0)
  })

  it("is sent a signal to reload it", () => {
    const { reload } = specAs(Child.process("x", x, { reload: "SIGUSR1" }), "process")
    const sent: Array<string> = []
    const process = { signal: (name: string) => Effect.sync(() => sent.push(name)) }
    if (typeof reload !== "function") throw new Error("no function")
    Effect.runSync(reload(process as never) as Effect.Effect<unknown>)
    expect(sent).toEqual(["SIGUSR1"])
    expect(specAs(Child.process("x", x, { reload: "notify" }), "process").reload).toBe("notify")
  })
})

describe("decide", () => {
  it("is asked about every end", () => {
    const child = Child.effect("x", failsWithEither, {
      decide: (exit) => Effect.succeed(exit._tag === "Failed" ? "restartGroup" : "pause")
    })
    expect(decide(child, failed(new A({ n: 1 })))).toEqual(tagged("restartGroup"))
    expect(decide(child, completed)).toEqual(tagged("pause"))
    expect(decide(child, { _tag: "Died", cause: Cause.die("x") as Cause.Cause<never> })).toEqual(tagged("pause"))
  })

  it("gives another command", () => {
    const other = Command.make("y")
    const child = Child.process("x", x).pipe(Child.decide(() => Effect.succeed(Child.replace(other))))
    expect(decide(child, completed)).toEqual(Exit.succeed({ _tag: "replace", command: other }))
  })

  it("leaves to those after it what it has no decision for", () => {
    const child = Child.effect("x", failsWithEither).pipe(
      Child.decide((exit) => Effect.succeed(exit._tag === "Failed" ? "default" : "stop")),
      Child.catchTag("A", () => Effect.succeed("pause"))
    )
    expect(decide(child, failed(new A({ n: 1 })))).toEqual(tagged("pause"))
    expect(decide(child, failed(new B()))).toEqual(Exit.succeed(undefined))
    expect(decide(child, completed)).toEqual(tagged("stop"))
  })

  it("is not asked where one before has decided", () => {
    const child = Child.effect("x", failsWithEither).pipe(
      Child.decide(() => Effect.succeed("stop")),
      Child.decide(() => Effect.succeed("pause"))
    )
    expect(decide(child, completed)).toEqual(tagged("stop"))
  })

  it("fails with what the child gives up with", () => {
    const child = Child.effect("x", failsWithEither).pipe(Child.decide(() => Effect.fail(new B())))
    expect(decide(child, completed)).toEqual(Exit.fail(new B()))
  })

  it("is asked about what one before has failed with", () => {
    const child = Child.effect("x", failsWithEither).pipe(
      Child.decide(() => Effect.fail(new B())),
      Child.decide((exit) => Effect.succeed(exit._tag === "Failed" && exit.error._tag === "B" ? "ignore" : "stop"))
    )
    expect(decide(child, completed)).toEqual(tagged("ignore"))
  })
})

describe("catchTag", () => {
  const child = Child.effect("x", failsWithEither).pipe(
    Child.catchTag("A", ({ n }) => Effect.succeed(n === 1 ? "ignore" : "pause"))
  )

  it("decides about its failure, and leaves all else to the restart rule", () => {
    expect(decide(child, failed(new A({ n: 1 })))).toEqual(tagged("ignore"))
    expect(decide(child, failed(new A({ n: 2 })))).toEqual(tagged("pause"))
    for (const exit of [failed(new B()), failed(null), failed("A"), completed]) {
      expect(decide(child, exit)).toEqual(Exit.succeed(undefined))
    }
  })

  it("leaves all else to those after it", () => {
    const more = child.pipe(
      Child.catchTag("B", () => Effect.succeed("stop")),
      Child.decide(() => Effect.succeed("escalate"))
    )
    expect(decide(more, failed(new A({ n: 1 })))).toEqual(tagged("ignore"))
    expect(decide(more, failed(new B()))).toEqual(tagged("stop"))
    expect(decide(more, completed)).toEqual(tagged("escalate"))
  })

  it("takes care of what one before has failed with", () => {
    const failing = Child.effect("x", failsWithEither).pipe(
      Child.catchTag("A", () => Effect.fail(new B())),
      Child.catchTag("B", () => Effect.succeed("ignore"))
    )
    expect(decide(failing, failed(new A({ n: 1 })))).toEqual(tagged("ignore"))
  })

  it("lets pass what one before has failed with, where that is not its own", () => {
    const either: Effect.Effect<number, A | C> = Effect.fail(new C())
    const child = Child.effect("x", either).pipe(
      Child.catchTag("A", () => Effect.fail(new B())),
      Child.catchTag("C", () => Effect.succeed("ignore"))
    )
    expect(decide(child, failed(new A({ n: 1 })))).toEqual(Exit.fail(new B()))
  })

  it("knows the errors of processes", () => {
    const error = new SpawnError({
      reason: new ProgramNotFound({ program: "x", searched: [] }),
      command: "x",
      step: "exec"
    })
    const process = Child.process("x", x).pipe(Child.catchTag("SpawnError", () => Effect.succeed("pause")))
    expect(decide(process, failed(error))).toEqual(tagged("pause"))
  })
})

describe("the plan of a tree", () => {
  const a = Child.effect("a", Effect.void)
  const b = Child.process("b", x, { restart: Restart.always({ schedule: Schedule.forever }) })
  const c = Child.effect("c", Effect.void, { requires: ["b"] })
  const spec = (options?: Parameters<typeof Supervisor.make>[2]): SupervisorSpec =>
    specAs(Supervisor.make("app", [a, b, c], options as {}), "supervisor")

  it("has the default intensity, which leaves those alone that have a schedule", () => {
    const plan = planOf(spec())
    expect(plan.intensity).toEqual({ restarts: 5, within: 10_000 })
    expect(plan.children.map(({ counted }) => counted)).toEqual([true, false, true])
  })

  it("counts the restarts of all for an intensity that was asked for", () => {
    const plan = planOf(spec({ intensity: { restarts: 1, within: "1 minute" } }))
    expect(plan.intensity).toEqual({ restarts: 1, within: 60_000 })
    expect(plan.children.map(({ counted }) => counted)).toEqual([true, true, true])
  })

  it("starts each after the one before, in OTP's order", () => {
    const gates = ({ children }: ReturnType<typeof planOf>) => children.map(({ after }) => after)
    expect(gates(planOf(spec()))).toEqual([[], [], [{ on: "b", gate: "alive" }]])
    expect(gates(planOf(spec({ order: "sequential" })))).toEqual([
      [],
      [{ on: "a", gate: "order" }],
      [{ on: "b", gate: "alive" }]
    ])
  })

  it("has for a dynamic supervisor no children yet", () => {
    const dynamic = specAs(
      Supervisor.dynamic("pool", (n: number) => Child.effect(`w${n}`, Effect.void)),
      "dynamic"
    )
    expect(planOf(dynamic).children).toEqual([])
    expect(childPlanOf(dynamic.template(1), dynamic)).toMatchObject({ id: "w1", restart: "onFailure", counted: true })
  })
})
