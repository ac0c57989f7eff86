/** The tree of the design, and what the compiler has to say about it. */
import { Command, type Nursery } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { describe, expectTypeOf, it } from "vitest"
import {
  Child,
  type ChildExit,
  type GaveUp,
  type InvalidTree,
  type ProcessFailure,
  Ready,
  Restart,
  Supervisor
} from "../src/index.ts"

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
