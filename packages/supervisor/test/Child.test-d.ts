import { Command, type Nursery, type Process } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import {
  Child,
  type ChildExit,
  Liveness,
  type NotReady,
  type ProcessFailure,
  Ready,
  Restart,
  type Unresponsive
} from "../src/index.ts"

class Dep extends Context.Service<Dep, { a: 1 }>()("Dep") {}
class Other extends Context.Service<Other, { a: 2 }>()("Other") {}
class Last extends Context.Service<Last, { a: 3 }>()("Last") {}
class A extends Data.TaggedError("A")<{}> {}
class B extends Data.TaggedError("B")<{}> {}
class C extends Data.TaggedError("C")<{}> {}
declare const failing: <E>() => Effect.Effect<number, E, Dep>
declare const stream: Stream.Stream<Uint8Array, A, Dep>
declare const scoped: Effect.Effect<number, never, Scope.Scope>
const x = Command.make("x")

describe("a process", () => {
  it("fails as processes do, needs a nursery, and provides nothing", () => {
    expectTypeOf(Child.process("x", x)).toEqualTypeOf<
      Child.Child<"x", void, ProcessExit, ProcessFailure, Nursery.Nursery, never, never>
    >()
  })

  it("provides what its readiness does", () => {
    const child = Child.process("x", x, { ready: Ready.log(/on port (\d+)/).pipe(Ready.map((match) => match.index)) })
    expectTypeOf<Child.ProvidedBy<typeof child>>().toBeNumber()
  })

  it("fails with and needs what its command, readiness, hooks, policy and schedule do", () => {
    const child = Child.process("x", () => Effect.as(failing<A>(), x), {
      ready: Ready.effect(failing<B>()),
      hooks: { beforeStart: failing<"before">(), afterStop: Effect.andThen(Last, failing<"after">()) },
      restart: Restart.always({ schedule: Schedule.tap(Schedule.forever, () => failing<"schedule">()) }),
      decide: () => Effect.as(Effect.andThen(Other, failing<C>()), "restart")
    })
    expectTypeOf<Child.Error<typeof child>>().toEqualTypeOf<ProcessFailure | A | B | C | "before" | "schedule">()
    expectTypeOf<Child.Services<typeof child>>().toEqualTypeOf<Nursery.Nursery | Dep | Other | Last>()
  })

  it("fails with and needs what a Stream given as its input does", () => {
    const child = Child.process("x", Command.make("x", [], { stdin: stream, stdout: "pipe" }), {
      decide: (exit) => {
        if (exit._tag === "Failed") expectTypeOf(exit.error).toEqualTypeOf<ProcessFailure | A>()
        return Effect.succeed("stop")
      }
    })
    expectTypeOf<Child.Error<typeof child>>().toEqualTypeOf<ProcessFailure | A>()
    expectTypeOf<Child.Services<typeof child>>().toEqualTypeOf<Nursery.Nursery | Dep>()
    const computed = Child.process("x", () => Command.make("x", [], { stdin: stream }))
    expectTypeOf<Child.Error<typeof computed>>().toEqualTypeOf<ProcessFailure | A>()
  })

  it("has one of several commands", () => {
    const child = Child.process("x", () =>
      Math.random() > 0.5 ? Command.make("x") : Command.make("x", [], { stdin: stream })
    )
    expectTypeOf<Child.Error<typeof child>>().toEqualTypeOf<ProcessFailure | A>()
  })

  it("has a scope for each of its lives", () => {
    const child = Child.process("x", () => Effect.as(scoped, x), { ready: Ready.effect(scoped) })
    expectTypeOf<Child.Services<typeof child>>().toEqualTypeOf<Nursery.Nursery>()
  })

  it("shows its policy what its command and readiness fail with", () => {
    Child.process("x", () => Effect.as(failing<A>(), x), {
      ready: Ready.effect(failing<B>()),
      decide: (exit) => {
        if (exit._tag === "Failed") {
          exit.error satisfies ProcessFailure | A | B
          const error: typeof exit.error = null as unknown as ProcessFailure | A | B
          if (error._tag === "B") error satisfies B
        }
        if (exit._tag === "Completed") expectTypeOf(exit.value).toEqualTypeOf<ProcessExit>()
        return Effect.succeed(Child.replace(Command.make("y")))
      }
    })
  })

  it("is restarted by a schedule that takes every exit it may have", () => {
    const narrow = Schedule.recurs(3).pipe(Schedule.setInputType<ChildExit<ProcessFailure>>())
    Child.process("x", x, { restart: Restart.always({ schedule: narrow }) })
    const wide = Schedule.recurs(3).pipe(Schedule.setInputType<ChildExit<ProcessFailure | A>>())
    Child.process("x", () => Effect.as(failing<A>(), x), { restart: Restart.always({ schedule: wide }) })
    Child.process("x", () => Effect.as(failing<A>(), x), {
      // @ts-expect-error: it may also fail with A
      restart: Restart.always({ schedule: narrow })
    })
  })

  it("is reloaded by the notify protocol, a signal or an Effect", () => {
    Child.process("x", x, { reload: "notify" })
    Child.process("x", x, { reload: "SIGUSR1" })
    const child = Child.process("x", x, {
      reload: (process) => {
        expectTypeOf(process).toEqualTypeOf<Process.Process>()
        return failing<A>()
      }
    })
    expectTypeOf<Child.Error<typeof child>>().toEqualTypeOf<ProcessFailure>()
    expectTypeOf<Child.Services<typeof child>>().toEqualTypeOf<Nursery.Nursery | Dep>()
    // @ts-expect-error: no signal
    Child.process("x", x, { reload: "SIGNOTHING" })
  })

  it("takes no option that does not exist, and no value that an option cannot have", () => {
    // @ts-expect-error: misspelt
    Child.process("x", x, { redy: Ready.immediate })
    // @ts-expect-error: misspelt, beside a right one
    Child.process("x", x, { ready: Ready.immediate, significent: true })
    // @ts-expect-error: no duration
    Child.process("x", x, { startTimeout: "soon" })
    // @ts-expect-error: no decision
    Child.process("x", x, { decide: () => Effect.succeed("retry") })
    // @ts-expect-error: no command
    Child.process("x", "redis-server")
    // @ts-expect-error: no command
    Child.process("x", () => Effect.succeed("redis-server"))
    // @ts-expect-error: for Effects
    Child.process("x", x, { stopTimeout: "1 second" })
  })

  it("is watched", () => {
    const child = Child.process("x", x, { liveness: Liveness.watchdog("1 second") })
    expectTypeOf<Child.Error<typeof child>>().toEqualTypeOf<ProcessFailure>()
  })
})

describe("an Effect", () => {
  it("provides its value, and fails with and needs what it does", () => {
    expectTypeOf(Child.effect("x", failing<A>())).toEqualTypeOf<
      Child.Child<"x", number, number, A, Dep, never, never>
    >()
  })

  it("provides what its readiness does, where it has one", () => {
    const child = Child.effect("x", Effect.never, { ready: Ready.effect(Effect.succeed("up")) })
    expectTypeOf<Child.ProvidedBy<typeof child>>().toBeString()
    expectTypeOf<Child.Error<typeof child>>().toBeNever()
    const limited = Child.effect("x", Effect.never, { ready: Ready.immediate.pipe(Ready.timeout("1 second")) })
    expectTypeOf<Child.ProvidedBy<typeof limited>>().toBeVoid()
    expectTypeOf<Child.Error<typeof limited>>().toEqualTypeOf<NotReady>()
  })

  it("is not ready by what needs a process", () => {
    // @ts-expect-error: there is no process that could say it
    Child.effect("x", Effect.never, { ready: Ready.notify })
    // @ts-expect-error: there is no output
    Child.effect("x", Effect.never, { ready: Ready.log(/up/) })
    // @ts-expect-error: there is no descriptor
    Child.effect("x", Effect.never, { ready: Ready.fd(3) })
    // @ts-expect-error: there is no process to look at
    Child.effect("x", Effect.never, { ready: Ready.effect((process) => process.exit) })
    Child.effect("x", Effect.never, { ready: Ready.http("http://localhost") })
  })

  it("fails with NotReady where it has a limit, and with Unresponsive where it is watched", () => {
    const limited = Child.effect("x", failing<A>(), {
      startTimeout: "1 minute",
      decide: (exit) => {
        expectTypeOf(exit).toEqualTypeOf<ChildExit<A | NotReady, number>>()
        return Effect.succeed("default")
      }
    })
    expectTypeOf<Child.Error<typeof limited>>().toEqualTypeOf<A | NotReady>()
    const watched = Child.effect("x", failing<A>(), {
      ready: Ready.immediate,
      liveness: Liveness.effect(Effect.andThen(Other, failing<B>()), { every: "1 second" }),
      restart: Restart.onFailure({
        schedule: Schedule.tap(Schedule.forever, () => Effect.void).pipe(
          Schedule.setInputType<ChildExit<A | Unresponsive, number>>()
        )
      })
    })
    expectTypeOf<Child.Error<typeof watched>>().toEqualTypeOf<A | Unresponsive>()
    expectTypeOf<Child.Services<typeof watched>>().toEqualTypeOf<Dep | Other>()
    const plain = Child.effect("x", Effect.never, { ready: Ready.immediate, liveness: Liveness.tcp(1) })
    expectTypeOf<Child.Error<typeof plain>>().toEqualTypeOf<Unresponsive>()
    expectTypeOf<Child.Services<typeof plain>>().toBeNever()
    const restarted = Child.effect("x", failing<A>(), {
      ready: Ready.effect(failing<B>()),
      liveness: Liveness.tcp(1),
      restart: Restart.always({ healthyAfter: "1 minute" })
    })
    expectTypeOf<Child.Error<typeof restarted>>().toEqualTypeOf<A | B | Unresponsive>()
    // @ts-expect-error: a watchdog hears a process
    Child.effect("x", Effect.never, { ready: Ready.immediate, liveness: Liveness.watchdog("1 second") })
    // @ts-expect-error: misspelt
    Child.effect("x", Effect.never, { startTimeout: "soon" })
  })

  it("has a scope for each of its lives", () => {
    expectTypeOf<Child.Services<ReturnType<typeof make>>>().toBeNever()
    const make = () => Child.effect("x", scoped)
  })

  it("does not take the type of its failure from its schedule or policy", () => {
    const child = Child.effect("x", failing<A>(), {
      restart: Restart.onFailure({ schedule: Schedule.recurs(3) }),
      decide: (exit) => {
        expectTypeOf(exit).toEqualTypeOf<ChildExit<A, number>>()
        return Effect.succeed("restart")
      }
    })
    expectTypeOf<Child.Error<typeof child>>().toEqualTypeOf<A>()
    const exit = (_: ChildExit<A | B, number>) => Effect.succeed("restart" as const)
    const wider = Child.effect("x", failing<A>(), { decide: exit })
    expectTypeOf<Child.Error<typeof wider>>().toEqualTypeOf<A>()
  })

  it("has no command to replace", () => {
    // @ts-expect-error: only processes have one
    Child.effect("x", Effect.void, { decide: () => Effect.succeed(Child.replace(x)) })
    // @ts-expect-error: only processes have one
    Child.effect("x", Effect.void).pipe(Child.decide(() => Effect.succeed(Child.replace(x))))
  })
})

describe("what a child starts after", () => {
  const db = Child.process("db", x, { ready: Ready.effect((process) => Effect.succeed(process.pid)) })
  const migrate = Child.effect("migrate", failing<A>())

  it("is given to its function, by name", () => {
    const child = Child.process(
      "x",
      (provided) => {
        expectTypeOf(provided).toEqualTypeOf<{
          readonly db: number
          readonly migrate: number
          readonly cache: unknown
        }>()
        return x
      },
      { after: [db, "cache"], requires: [migrate] }
    )
    expectTypeOf<Child.AfterOf<typeof child>>().toEqualTypeOf<"db" | "migrate" | "cache">()
    expectTypeOf<Child.NeedsOf<typeof child>>().toEqualTypeOf<
      Child.Need<"db", number> | Child.Need<"migrate", number>
    >()
  })

  it("is given to an Effect alike", () => {
    Child.effect(
      "x",
      ({ db }) => {
        expectTypeOf(db).toBeNumber()
        return Effect.void
      },
      { after: [db] }
    )
    // @ts-expect-error: it starts after nobody
    Child.effect("x", ({ db }) => Effect.succeed(db))
  })

  it("is a child or a name", () => {
    // @ts-expect-error: neither
    Child.effect("x", Effect.void, { after: [1] })
    // @ts-expect-error: no list
    Child.effect("x", Effect.void, { after: db })
  })
})

describe("policies by pipe", () => {
  const child = Child.effect("x", failing<A | B>())

  it("see the typed exit, and add what they fail with and need", () => {
    const decided = child.pipe(
      Child.decide((exit) => {
        expectTypeOf(exit).toEqualTypeOf<ChildExit<A | B, number>>()
        return Effect.andThen(Other, Effect.fail(new C()))
      })
    )
    expectTypeOf<Child.Error<typeof decided>>().toEqualTypeOf<A | B | C>()
    expectTypeOf<Child.Services<typeof decided>>().toEqualTypeOf<Dep | Other>()
    expectTypeOf<Child.ProvidedBy<typeof decided>>().toBeNumber()
  })

  it("replace the command of a process", () => {
    Child.process("x", x).pipe(Child.decide(() => Effect.succeed(Child.replace(Command.make("y")))))
    // @ts-expect-error: a Stream is given when the child is made
    Child.replace(Command.make("y", [], { stdin: stream }))
  })

  it("take a failure away by its tag", () => {
    const caught = child.pipe(Child.catchTag("A", () => Effect.succeed("ignore")))
    expectTypeOf<Child.Error<typeof caught>>().toEqualTypeOf<B>()
    const both = caught.pipe(Child.catchTag("B", () => Effect.fail(new C())))
    expectTypeOf<Child.Error<typeof both>>().toEqualTypeOf<C>()
    const none = Child.process("x", x).pipe(Child.catchTag("SpawnError", () => Effect.succeed("pause")))
    expectTypeOf<Child.Error<typeof none>>().toEqualTypeOf<Exclude<ProcessFailure, { readonly _tag: "SpawnError" }>>()
  })

  it("do not take away what the child may give up with all the same", () => {
    const restarted = child.pipe(Child.catchTag("A", () => Effect.succeed("restart")))
    expectTypeOf<Child.Error<typeof restarted>>().toEqualTypeOf<A | B>()
    const left = child.pipe(Child.catchTag("A", () => Effect.succeed(Math.random() > 0.5 ? "default" : "ignore")))
    expectTypeOf<Child.Error<typeof left>>().toEqualTypeOf<A | B>()
    const escalated = child.pipe(Child.catchTag("A", () => Effect.succeed(Math.random() > 0.5 ? "escalate" : "ignore")))
    expectTypeOf<Child.Error<typeof escalated>>().toEqualTypeOf<A | B>()
  })

  it("know the tags", () => {
    // @ts-expect-error: it does not fail with this
    child.pipe(Child.catchTag("C", () => Effect.succeed("ignore")))
    // @ts-expect-error: no decision
    child.pipe(Child.catchTag("A", () => Effect.succeed("retry")))
  })
})
