/** Code of users that fails, dies, throws or hangs: a typed error with the path, and never a tree that hangs. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { stands, statuses } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const
const none = { restarts: 0, within: "1 minute" } as const

class Refusal extends Data.TaggedError("Refusal")<{ readonly why: string }> {}

const bug = new Error("bug")
const thrower = (): never => {
  throw bug
}
const died = { _tag: "Died", cause: { reasons: [{ _tag: "Die", defect: bug }] } }
const failed = { _tag: "Failed", error: new Refusal({ why: "no" }) }
const refused = Effect.fail(new Refusal({ why: "no" }))

/** Runs a child, which fails in its first life, between two siblings, in a tree in a tree. */
const run = <C extends Child.Any>(make: (failing: Effect.Effect<never, Error>) => C) =>
  Effect.gen(function* () {
    const troupe = new Troupe()
    const child = make(Effect.andThen(troupe.act("b starts"), Effect.fail(new Error("crash"))))
    const children: Array<Child.Any> = [
      Child.effect("a", troupe.actor("a").play, steady),
      child,
      Child.effect("c", troupe.actor("c").play, steady)
    ]
    const inner = Supervisor.make("inner", children, { intensity: none })
    const tree = Supervisor.make("app", [Child.effect("z", troupe.actor("z").play, steady), inner], { intensity: none })
    // What the children of an array need is not known to the types: these need nothing.
    const running = Supervisor.run(tree) as Effect.Effect<unknown, unknown>
    const error = yield* Effect.flip(running)
    return { error, troupe }
  })

const cases: ReadonlyArray<{
  readonly what: string
  readonly child: (failing: Effect.Effect<never, Error>) => Child.Any
  readonly exit: unknown
}> = [
  {
    what: "a decide that fails",
    child: (failing) => Child.effect("b", failing, { ...steady, decide: () => refused }),
    exit: failed
  },
  {
    what: "a decide that dies",
    child: (failing) => Child.effect("b", failing, { ...steady, decide: () => Effect.die(bug) }),
    exit: died
  },
  {
    what: "a decide that throws",
    child: (failing) => Child.effect("b", failing, { ...steady, decide: thrower }),
    exit: died
  },
  {
    what: "a second decide that throws",
    child: (failing) => Child.effect("b", failing, steady).pipe(Child.decide(thrower)),
    exit: died
  },
  {
    what: "a catchTag that throws",
    child: () => Child.effect("b", refused, steady).pipe(Child.catchTag("Refusal", thrower)),
    exit: died
  },
  {
    what: "a decide that interrupts itself",
    child: (failing) => Child.effect("b", failing, { ...steady, decide: () => Effect.interrupt }),
    exit: { _tag: "Died" }
  },
  {
    what: "a Schedule that dies",
    child: (failing) =>
      Child.effect("b", failing, {
        ...steady,
        restart: Restart.onFailure({ schedule: Schedule.forever.pipe(Schedule.tap(() => Effect.die(bug))) })
      }),
    exit: died
  },
  {
    what: "a Schedule that fails",
    child: (failing) =>
      Child.effect("b", failing, {
        ...steady,
        restart: Restart.onFailure({ schedule: Schedule.forever.pipe(Schedule.tap(() => refused)) })
      }),
    exit: failed
  },
  {
    what: "a Schedule whose function throws",
    child: (failing) =>
      Child.effect("b", failing, {
        ...steady,
        restart: Restart.onFailure({ schedule: Schedule.forever.pipe(Schedule.while(thrower)) })
      }),
    exit: died
  },
  { what: "an Effect's function that throws", child: () => Child.effect("b", thrower), exit: died },
  {
    what: "a readiness check that dies",
    child: () => Child.effect("b", Effect.never, { ready: Ready.effect(Effect.die(bug)) }),
    exit: died
  },
  {
    what: "a readiness check that throws",
    child: () => Child.effect("b", Effect.never, { ready: Ready.effect(Effect.sync(thrower)) }),
    exit: died
  },
  {
    what: "a mapped readiness that throws",
    child: () => Child.effect("b", Effect.never, { ready: Ready.immediate.pipe(Ready.map(thrower)) }),
    exit: died
  },
  {
    what: "a hook before the start that fails",
    child: () => Child.effect("b", Effect.never, { ...steady, hooks: { beforeStart: refused } }),
    exit: failed
  },
  {
    what: "a hook before the start that dies",
    child: () => Child.effect("b", Effect.never, { ...steady, hooks: { beforeStart: Effect.die(bug) } }),
    exit: died
  },
  {
    what: "a dynamic supervisor that nobody can start",
    child: () =>
      Supervisor.dynamic("b", () => Child.effect("x", Effect.never), { hooks: { beforeStart: Effect.die(bug) } }),
    exit: died
  }
]

describe("in a tree in a tree", () => {
  for (const { child, exit, what } of cases) {
    it.effect(`${what} is the typed cause, with its path, and the rest is stopped`, () =>
      Effect.gen(function* () {
        const { error, troupe } = yield* run(child)
        expect(error).toMatchObject({
          _tag: "GaveUp",
          name: "inner",
          path: ["app", "inner"],
          exit: { _tag: "Failed", error: { _tag: "GaveUp", name: "b", path: ["app", "inner", "b"], exit } }
        })
        expect(troupe.record.filter((line) => line.endsWith("stops"))).toEqual(["c stops", "a stops", "z stops"])
      })
    )
  }
})

describe("of a process", () => {
  const expectGaveUp = <E>(tree: Effect.Effect<unknown, E, Nursery.Nursery>, stage: Stage.Stage, exit: unknown) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(tree)
      expect(error).toMatchObject({ _tag: "GaveUp", name: "b", path: ["app", "b"], exit })
      expect(stage.left()).toEqual([])
    })

  const options = { intensity: none } as const

  it.live("a command's function that throws is the typed cause", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const tree = Supervisor.make(
        "app",
        [Child.process("a", stage.play("sleep")), Child.process("b", thrower)],
        options
      )
      yield* expectGaveUp(Supervisor.run(tree), stage, died)
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("a command's Effect that fails is the typed cause", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const child = Child.process("b", () => Effect.as(refused, stage.play("sleep")))
      yield* expectGaveUp(
        Supervisor.run(Supervisor.make("app", [Child.process("a", stage.play("sleep")), child], options)),
        stage,
        failed
      )
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("a readiness check that throws ends the process", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const child = Child.process("b", stage.play("fork { setsid sleep } sleep"), {
        ready: Ready.effect((): Effect.Effect<void> => thrower())
      })
      yield* expectGaveUp(Supervisor.run(Supervisor.make("app", [child], options)), stage, died)
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("a readiness check that hangs is ended by its time limit, with the process", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const child = Child.process("b", stage.play("fork { setsid sleep } sleep"), {
        ready: Ready.effect(Effect.never).pipe(Ready.timeout("50 millis"))
      })
      yield* expectGaveUp(Supervisor.run(Supervisor.make("app", [child], options)), stage, {
        _tag: "Failed",
        error: { _tag: "NotReady", child: "b", reason: { _tag: "ReadyTimeout" } }
      })
    }).pipe(Effect.provide(Nursery.layer))
  )

  const probes = {
    throws: Effect.sync(thrower),
    dies: Effect.die(bug),
    fails: refused,
    hangs: Effect.never
  } as const

  for (const [what, probe] of Object.entries(probes)) {
    it.live(`a liveness probe that ${what} is a failed one`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const liveness = Liveness.effect<never, Refusal, never>(probe, {
          every: "5 millis",
          timeout: "20 millis",
          failures: 2
        })
        const child = Child.process("b", stage.play("fork { setsid sleep } sleep"), { liveness })
        yield* expectGaveUp(Supervisor.run(Supervisor.make("app", [child], options)), stage, {
          _tag: "Failed",
          error: { _tag: "Unresponsive", child: "b" }
        })
      }).pipe(Effect.provide(Nursery.layer))
    )
  }
})

describe("of a dynamic supervisor", () => {
  it.effect("a template that throws is a defect of who asked, and the tree goes on", () =>
    Effect.gen(function* () {
      const workers = Supervisor.dynamic("workers", (fine: boolean) =>
        fine ? Child.effect("worker", Effect.never, steady) : thrower()
      )
      const running = yield* Supervisor.start(Supervisor.make("app", [workers]))
      const exit = yield* Effect.exit(running.dynamic("workers").start(false))
      expect(exit).toEqual(Exit.die(bug))
      const key = yield* running.dynamic("workers").start(true)
      expect(yield* running.dynamic("workers").child(key).stop).toBeUndefined()
      expect(yield* statuses(running)).toEqual(["workers ready"])
    })
  )
})

describe("a child that fails at once, and is always started again", () => {
  const restart = Restart.onFailure({ schedule: Schedule.forever })
  const children = {
    "without more": Child.effect("b", refused, { restart }),
    "after it was ready": Child.effect("b", refused, { ...steady, restart }),
    "as it decides": Child.effect("b", refused, { restart, decide: () => Effect.succeed("restart") })
  }

  for (const [what, child] of Object.entries(children)) {
    it.live(`leaves the others the time to do something, ${what}`, () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Supervisor.run(Supervisor.make("app", [child])))
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 0)))
        expect(fiber.pollUnsafe()).toBeUndefined()
        yield* Fiber.interrupt(fiber)
      })
    )
  }
})

describe("what a child does after its stop", () => {
  it.effect("may fail or die: it is told in the logs, and nothing else", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", a.play, { ...steady, hooks: { afterStop: Effect.die(bug) } })])
      )
      yield* a.fails
      yield* stands(running, "a", "ready", 2)
      yield* running.child("a").stop
      expect(yield* statuses(running)).toEqual(["a stopped"])
    })
  )
})

describe("a tree that is invalid", () => {
  const running: ReadonlyArray<{
    readonly what: string
    readonly child: Child.Any
    readonly path: ReadonlyArray<string>
  }> = [
    { what: "deep in it", child: Supervisor.make("inner", []), path: ["app", "inner"] },
    {
      what: "by a negative number",
      child: Child.effect("b", Effect.never, { ...steady, stopTimeout: -1 }),
      path: ["app", "b"]
    },
    { what: "by a name that is taken", child: Child.effect("a", Effect.never, steady), path: ["app"] },
    {
      what: "by a name that is unknown",
      child: Child.effect("b", Effect.never, { ...steady, after: ["z"] }),
      path: ["app", "b"]
    },
    {
      what: "because it waits for itself",
      child: Child.effect("b", Effect.never, { ...steady, after: ["b"] }),
      path: ["app", "b"]
    }
  ]

  for (const { child, path, what } of running) {
    it.effect(`${what} starts nothing`, () =>
      Effect.gen(function* () {
        const troupe = new Troupe()
        const children: Array<Child.Any> = [Child.effect("a", troupe.actor("a").play, steady), child]
        const tree = Supervisor.make("app", children)
        // As above.
        const start = Supervisor.start(tree) as Effect.Effect<unknown, unknown, Scope.Scope>
        const run = Supervisor.run(tree) as Effect.Effect<unknown, unknown>
        for (const effect of [run, start]) {
          expect(yield* Effect.flip(effect)).toMatchObject({ _tag: "InvalidTree", path })
        }
        expect(troupe.record).toEqual([])
      })
    )
  }
})
