/** The tree of the design, and what the compiler has to say about it. */
import { Command, type Nursery } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import {
  Child,
  type ChildExit,
  type ChildRefused,
  type GaveUp,
  type InvalidTree,
  type ProcessFailure,
  Ready,
  type ReloadFailed,
  Restart,
  type Snapshot,
  Supervisor,
  type SupervisorEvent
} from "../src/index.ts"
import type { Check } from "../src/internal/check.ts"

class Dep extends Context.Service<Dep, { a: 1 }>()("Dep") {}
class Pager extends Context.Service<Pager, { a: 2 }>()("Pager") {}
class MigrationError extends Data.TaggedError("MigrationError")<{ readonly n: number }> {}
declare const runMigrations: Effect.Effect<number, MigrationError, Dep>

const db = Child.process("db", Command.make("postgres", ["-D", "x"]), {
  ready: Ready.effect((p) => Effect.succeed({ port: p.pid })).pipe(Ready.timeout("30 seconds")),
  stop: { signal: "SIGINT", grace: "30 seconds" }
})
const migrate = Child.effect("migrate", runMigrations, {
  after: [db],
  restart: Restart.onFailure({ schedule: Schedule.recurs(3) }),
  decide: (exit) =>
    Effect.gen(function* () {
      yield* Pager
      if (exit._tag === "Failed") expectTypeOf(exit.error).toEqualTypeOf<MigrationError>()
      if (exit._tag === "Completed") expectTypeOf(exit.value).toEqualTypeOf<number>()
      return "escalate" as const
    })
})
const api = Child.process(
  "api",
  ({ db, migrate }) => {
    expectTypeOf(db).toEqualTypeOf<{ port: number }>()
    expectTypeOf(migrate).toEqualTypeOf<number>()
    return Command.make("node", ["api.js"], { env: { PGPORT: String(db.port) } })
  },
  {
    after: [db, migrate],
    ready: Ready.http("http://127.0.0.1:8080/health").pipe(Ready.timeout("30 seconds")),
    restart: Restart.always({
      schedule: Schedule.exponential("100 millis").pipe(
        Schedule.setInputType<ChildExit<ProcessFailure>>(),
        Schedule.while(({ input }) => input._tag === "Failed" && input.error._tag !== "SpawnError"),
        Schedule.jittered,
        Schedule.upTo({ times: 10 })
      ),
      healthyAfter: "1 minute"
    }),
    decide: (exit) => {
      if (exit._tag === "Completed") expectTypeOf(exit.value).toEqualTypeOf<ProcessExit>()
      return Effect.succeed(exit._tag === "Failed" && exit.error._tag === "ExitError" ? "restart" : "escalate")
    }
  }
)
const app = Supervisor.make("app", [db, migrate, api], {
  strategy: "rest-for-one",
  intensity: { restarts: 5, within: "10 seconds" }
})

type AppError =
  | InvalidTree
  | GaveUp<"db", ProcessFailure>
  | GaveUp<"migrate", MigrationError>
  | GaveUp<"api", ProcessFailure>

describe("the tree of the design", () => {
  const run = Supervisor.run(app)

  it("fails with the union of what its children give up with, and needs what they need", () => {
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<AppError>()
    expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<Dep | Pager | Nursery.Nursery>()
  })

  it("tells its failures apart by the names of the children", () => {
    const error = null as unknown as AppError
    if (error._tag === "GaveUp" && error.name === "migrate" && error.exit._tag === "Failed") {
      expectTypeOf(error.exit.error).toEqualTypeOf<MigrationError>()
    }
  })

  it("does not fail with what has been handled", () => {
    const handled = run.pipe(
      Supervisor.catchChild("migrate", (error) => {
        expectTypeOf(error).toEqualTypeOf<GaveUp<"migrate", MigrationError>>()
        return Effect.succeed("x")
      })
    )
    expectTypeOf<Effect.Error<typeof handled>>().toEqualTypeOf<
      InvalidTree | GaveUp<"db", ProcessFailure> | GaveUp<"api", ProcessFailure>
    >()
  })

  it("nests the failures of nested trees", () => {
    const web = Supervisor.make("web", [Child.process("nginx", Command.make("nginx"))])
    const root = Supervisor.run(Supervisor.make("root", [db, migrate, web]))
    expectTypeOf<Effect.Error<typeof root>>().toEqualTypeOf<
      | InvalidTree
      | GaveUp<"db", ProcessFailure>
      | GaveUp<"migrate", MigrationError>
      | GaveUp<"web", GaveUp<"nginx", ProcessFailure>>
    >()
  })
})

describe("dependencies by name", () => {
  const worker = Child.process("worker", Command.make("w"), { after: ["db"] })

  it("order, and provide nothing that has a type", () => {
    Supervisor.make("ok", [db, worker])
    const worker2 = Child.process(
      "worker2",
      ({ db }) => {
        expectTypeOf(db).toBeUnknown()
        return Command.make("w")
      },
      { after: ["db"] }
    )
    Supervisor.make("ok2", [db, worker2])
  })

  it("are to earlier children", () => {
    // @ts-expect-error: there is no db
    Supervisor.make("bad", [worker])
    // @ts-expect-error: it comes later
    Supervisor.make("bad2", [worker, db])
    // @ts-expect-error: a name twice
    Supervisor.make("bad3", [db, db])
    // @ts-expect-error: misspelt
    Supervisor.make("bad4", [Child.process("x", Command.make("x"), { after: ["dbb"] }), db])
  })
})

describe("policies by pipe", () => {
  it("see the typed exit", () => {
    Child.effect("m2", runMigrations).pipe(
      Child.decide((exit) => {
        if (exit._tag === "Failed") expectTypeOf(exit.error).toEqualTypeOf<MigrationError>()
        return Effect.succeed("ignore")
      })
    )
  })

  it("take a failure away", () => {
    const child = Child.effect("m3", runMigrations).pipe(
      Child.catchTag("MigrationError", (error) => {
        expectTypeOf(error).toEqualTypeOf<MigrationError>()
        return Effect.succeed("ignore")
      })
    )
    const run = Supervisor.run(Supervisor.make("m", [child]))
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<GaveUp<"m3", never> | InvalidTree>()
  })
})

describe("the schedule of a restart", () => {
  it("takes the exit of its child", () => {
    const bad = Schedule.recurs(3).pipe(Schedule.setInputType<{ readonly _tag: "Other" }>())
    // @ts-expect-error: no exit is an Other
    Child.effect("bad", runMigrations, { restart: Restart.onFailure({ schedule: bad }) })
  })
})

describe("a tree that runs", () => {
  it("knows its children", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(app)
      running.child("api")
      // @ts-expect-error: misspelt
      running.child("apo")
    }))
})

describe("the checks of a tree", () => {
  const x = Command.make("x")
  const cache = Child.effect("cache", Effect.succeed("a string"))

  it("answer with a message in the place of the child", () => {
    type Unknown = Check<readonly [typeof worker], "app">
    const worker = Child.process("worker", x, { after: ["dbb"] })
    expectTypeOf<Unknown>().toEqualTypeOf<
      readonly [`"worker" starts after "dbb", which is not an earlier child of "app"`]
    >()
    type Twice = Check<readonly [typeof db, typeof db], "app">
    expectTypeOf<Twice>().toEqualTypeOf<readonly [typeof db, `two children are named "db"`]>()
  })

  it("find another child of the same name that provides something else", () => {
    const other = Child.effect("db", Effect.succeed("a string"))
    type Swapped = Check<readonly [typeof other, typeof migrate], "app">
    expectTypeOf<Swapped>().toEqualTypeOf<readonly [typeof other, `"migrate" needs what another "db" provides`]>()
    // @ts-expect-error: migrate was made for a db that provides a port
    Supervisor.make("app", [other, migrate])
  })

  it("take another child of the same name that provides as much", () => {
    const better = Child.effect("db", Effect.succeed({ port: 1, host: "x" }))
    Supervisor.make("app", [better, migrate])
    Supervisor.make("app", [db.pipe(Child.decide(() => Effect.succeed("restart"))), migrate])
  })

  it("leave names that are known only when the program runs to the validation", () => {
    const name: string = "x"
    const some = Child.process(name, x)
    Supervisor.make("app", [some, db])
    Supervisor.make("app", [db, some, Child.process("worker", x, { after: [name] })])
    const many: ReadonlyArray<typeof some> = [some]
    const run = Supervisor.run(Supervisor.make("app", many))
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<InvalidTree | GaveUp<string, ProcessFailure>>()
  })

  it("refuse what is no child, and what is no option", () => {
    // @ts-expect-error: a command is no child
    Supervisor.make("app", [x])
    // @ts-expect-error: misspelt
    Supervisor.make("app", [cache], { stategy: "one-for-all" })
    // @ts-expect-error: no strategy
    Supervisor.make("app", [cache], { strategy: "all-for-one" })
    // @ts-expect-error: no time
    Supervisor.make("app", [cache], { intensity: { restarts: 1 } })
  })

  it("see to the requirements of the tree", () => {
    // @ts-expect-error: nobody provides them
    Effect.runPromise(Supervisor.run(app))
    const effects = Supervisor.run(Supervisor.make("app", [cache]))
    expectTypeOf<Effect.Services<typeof effects>>().toBeNever()
  })
})

describe("a supervisor as a child", () => {
  const web = Supervisor.make("web", [Child.process("nginx", Command.make("nginx"))], {
    after: [db, "migrate"],
    restart: Restart.onFailure({
      schedule: Schedule.recurs(3).pipe(Schedule.setInputType<ChildExit<GaveUp<"nginx", ProcessFailure>>>())
    }),
    decide: (exit) => {
      if (exit._tag === "Failed") expectTypeOf(exit.error).toEqualTypeOf<GaveUp<"nginx", ProcessFailure>>()
      return Effect.as(Pager, "restart")
    }
  })

  it("starts after others, as any child", () => {
    Supervisor.make("app", [db, migrate, web])
    // @ts-expect-error: there is no db
    Supervisor.make("app", [web])
  })

  it("needs for its policies what the tree above it has to have, and by itself what its children need", () => {
    const above = Supervisor.run(Supervisor.make("app", [db, migrate, web]))
    expectTypeOf<Effect.Services<typeof above>>().toEqualTypeOf<Dep | Pager | Nursery.Nursery>()
    const alone = Supervisor.run(web)
    expectTypeOf<Effect.Services<typeof alone>>().toEqualTypeOf<Nursery.Nursery>()
  })

  it("nests as deep as one likes, and is handled by pipe", () => {
    const top = Supervisor.make("top", [Supervisor.make("middle", [migrateAlone])])
    expectTypeOf<Effect.Error<ReturnType<typeof runTop>>>().toEqualTypeOf<
      InvalidTree | GaveUp<"middle", GaveUp<"migrate", MigrationError>>
    >()
    const runTop = () => Supervisor.run(top)
    const ignored = Supervisor.make("middle", [migrateAlone]).pipe(
      Child.catchTag("GaveUp", (error) => {
        expectTypeOf(error).toEqualTypeOf<GaveUp<"migrate", MigrationError>>()
        return Effect.succeed("ignore")
      })
    )
    const run = Supervisor.run(Supervisor.make("top", [ignored]))
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<InvalidTree | GaveUp<"middle", never>>()
  })
  const migrateAlone = Child.effect("migrate", runMigrations)
})

describe("how a tree ends", () => {
  it("names the significant child, with its value", () => {
    expectTypeOf(Supervisor.run(Supervisor.make("app", [db, Child.effect("job", Effect.succeed(1))]))).toEqualTypeOf<
      Effect.Effect<
        Supervisor.Stopped | Supervisor.Significant<"db", ProcessExit> | Supervisor.Significant<"job", number>,
        InvalidTree | GaveUp<"db", ProcessFailure> | GaveUp<"job", never>,
        Nursery.Nursery
      >
    >()
  })
})

describe("catchChild", () => {
  it("knows the names", () => {
    const run = Supervisor.run(app)
    // @ts-expect-error: misspelt
    run.pipe(Supervisor.catchChild("migrat", () => Effect.void))
    const handled = run.pipe(Supervisor.catchChild("migrate", () => Effect.fail("x")))
    // @ts-expect-error: handled already
    handled.pipe(Supervisor.catchChild("migrate", () => Effect.void))
    expectTypeOf<Extract<Effect.Error<typeof handled>, string>>().toEqualTypeOf<string>()
  })
})

describe("a dynamic supervisor", () => {
  const workers = Supervisor.dynamic("workers", (job: { readonly id: number }) =>
    Child.effect("worker", Effect.as(runMigrations, String(job.id)))
  )
  const tree = Supervisor.make("app", [db, workers])

  it("fails with what its children fail with, whose names are data", () => {
    const run = Supervisor.run(tree)
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<
      InvalidTree | GaveUp<"db", ProcessFailure> | GaveUp<"workers", MigrationError>
    >()
    expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<Dep | Nursery.Nursery>()
  })

  it("starts children with arguments", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(tree)
      const pool = running.dynamic("workers")
      const start = pool.start({ id: 1 }, { key: "one" })
      expectTypeOf(start).toEqualTypeOf<Effect.Effect<string, ChildRefused | InvalidTree>>()
      expectTypeOf(pool.child("one").await).toEqualTypeOf<
        Effect.Effect<ChildExit<MigrationError, string>, ChildRefused>
      >()
      // @ts-expect-error: no such argument
      pool.start({ name: "one" })
      // @ts-expect-error: not a dynamic one
      running.dynamic("db")
    }))

  it("has children that start after nobody", () => {
    // @ts-expect-error: a child of a dynamic supervisor has no siblings that it could know
    Supervisor.dynamic("workers", () => Child.effect("worker", Effect.void, { after: ["db"] }))
  })
})

describe("the children of a tree that runs", () => {
  const web = Supervisor.make("web", [Child.process("nginx", Command.make("nginx"))])
  const tree = Supervisor.make("app", [db, migrate, web])

  it("can do what their kind can", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(tree)
      expectTypeOf(running.child("db").reload).toEqualTypeOf<Effect.Effect<void, ChildRefused | ReloadFailed>>()
      expectTypeOf(running.child("db").replace(Command.make("y"))).toEqualTypeOf<Effect.Effect<void, ChildRefused>>()
      expectTypeOf(running.child("db").provided).toEqualTypeOf<Effect.Effect<{ port: number }, ChildRefused>>()
      expectTypeOf(running.child("migrate").provided).toEqualTypeOf<Effect.Effect<number, ChildRefused>>()
      expectTypeOf(running.child("web").provided).toEqualTypeOf<Effect.Effect<void, ChildRefused>>()
      expectTypeOf(running.child("migrate").restart).toEqualTypeOf<Effect.Effect<void, ChildRefused>>()
      expectTypeOf(running.child("migrate").await).toEqualTypeOf<
        Effect.Effect<ChildExit<MigrationError, number>, ChildRefused>
      >()
      // @ts-expect-error: an Effect has no command
      running.child("migrate").replace
      expectTypeOf(running.child("web").child("nginx").reload).toEqualTypeOf<
        Effect.Effect<void, ChildRefused | ReloadFailed>
      >()
      // @ts-expect-error: misspelt
      running.child("web").child("ngin")
      running.rollingRestart(["db", "migrate"])
      // @ts-expect-error: misspelt
      running.rollingRestart(["dbb"])
      expectTypeOf(running.events).toEqualTypeOf<Stream.Stream<SupervisorEvent>>()
      expectTypeOf(running.snapshot).toEqualTypeOf<Effect.Effect<Snapshot>>()
      expectTypeOf<Effect.Error<typeof running.await>>().toEqualTypeOf<
        | GaveUp<"db", ProcessFailure>
        | GaveUp<"migrate", MigrationError>
        | GaveUp<"web", GaveUp<"nginx", ProcessFailure>>
      >()
    }))

  it("may be looked at before they are ready", () =>
    Effect.gen(function* () {
      const launch = Supervisor.launch(tree)
      expectTypeOf<Effect.Error<typeof launch>>().toEqualTypeOf<InvalidTree>()
      expectTypeOf<Effect.Services<typeof launch>>().toEqualTypeOf<Dep | Pager | Nursery.Nursery | Scope.Scope>()
      const running = yield* launch
      expectTypeOf(running).toEqualTypeOf<Effect.Success<ReturnType<typeof start>>>()
      expectTypeOf<Effect.Error<typeof running.ready>>().toEqualTypeOf<Effect.Error<typeof running.await>>()
      const start = () => Supervisor.start(tree)
    }))

  it("become more", () =>
    Effect.gen(function* () {
      const running = yield* Supervisor.start(web)
      const more = yield* running.add(Child.effect("migrate", runMigrations))
      expectTypeOf<Effect.Error<typeof more.await>>().toEqualTypeOf<
        GaveUp<"nginx", ProcessFailure> | GaveUp<"migrate", MigrationError>
      >()
      more.child("migrate")
      const adding = running.add(Child.effect("migrate", runMigrations))
      expectTypeOf<Effect.Services<typeof adding>>().toEqualTypeOf<Dep>()
    }))

  it("are tied to a scope, or to a layer", () => {
    const start = Supervisor.start(web)
    expectTypeOf<Effect.Services<typeof start>>().toEqualTypeOf<Nursery.Nursery | Scope.Scope>()
    expectTypeOf(Supervisor.layer(web)).toEqualTypeOf<
      Layer.Layer<never, InvalidTree | GaveUp<"nginx", ProcessFailure>, Nursery.Nursery>
    >()
  })
})

describe("a tree of children of which nothing is known", () => {
  it("may fail with and need anything", () => {
    const children: ReadonlyArray<Child.Any> = [db]
    const run = Supervisor.run(Supervisor.make("app", children))
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<InvalidTree | GaveUp<string, unknown>>()
    expectTypeOf<Effect.Services<typeof run>>().toBeUnknown()
    expectTypeOf<Effect.Success<typeof run>>().toEqualTypeOf<Supervisor.Outcome>()
  })

  it("ends in one of the ways in which any tree does", () => {
    expectTypeOf<Effect.Success<ReturnType<typeof run>>>().toExtend<Supervisor.Outcome>()
    const run = () => Supervisor.run(app)
    expectTypeOf<Extract<Supervisor.Outcome, { readonly _tag: "Significant" }>["value"]>().toBeUnknown()
  })
})
