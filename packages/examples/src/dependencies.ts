/**
 * Who waits for whom: `after` orders the start, `requires` also holds on.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, Ready, Supervisor } from "@nursery/supervisor"
import { Console, Effect } from "effect"

const db = Child.process("db", Command.make("sh", ["-c", "echo ready at $$; exec sleep 600"]), {
  ready: Ready.log(/ready at (\d+)/).pipe(Ready.map((match) => ({ port: Number(match[1]) })))
})

// Starts when the database is ready. What becomes of that later is of no interest.
const migrate = Child.effect("migrate", ({ db }) => Effect.succeed(`schema at ${db.port}`), { after: [db] })

// Runs only while the database is ready, and gets what that provides, anew with each start.
const api = Child.process("api", ({ db }) => Command.make("sleep", ["600"], { env: { PGPORT: String(db.port) } }), {
  after: [migrate],
  requires: [db]
})

// By name: order alone, and nothing is provided.
const proxy = Child.process("proxy", Command.make("sleep", ["600"]), { after: ["api"] })

const program = Effect.gen(function* () {
  const running = yield* Supervisor.start(Supervisor.make("app", [db, migrate, api, proxy]))
  yield* running.child("db").restart
  yield* running.child("api").start // done when it is ready
  const { children } = yield* running.snapshot
  yield* Console.log(children.map(({ incarnation, name }) => `${name} ${incarnation}`).join(", "))
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
