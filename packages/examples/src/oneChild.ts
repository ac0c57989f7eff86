/**
 * A tree of one child, which runs as long as its scope is open.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import { Console, Effect } from "effect"

const sleeper = Child.process("sleeper", Command.make("sleep", ["600"]))

const app = Supervisor.make("app", [sleeper])

const program = Effect.gen(function* () {
  const running = yield* Supervisor.start(app)

  // Whoever kills it: it is started again.
  yield* running.child("sleeper").restart
  for (const { incarnation, name, status } of (yield* running.snapshot).children) {
    yield* Console.log(`${name} is ${status}, in life ${incarnation}`)
  }
}).pipe(Effect.scoped) // and here the tree has ended

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
