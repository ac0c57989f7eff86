import { Command, Nursery, Process } from "@nursery/process"
import { Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const script = "setsid sleep 600 & setsid sleep 600 & sleep 600"
  const process = yield* Process.spawn(Command.make("sh", ["-c", script]))
  yield* Console.log(`started pid ${process.pid}; leaving the scope`)
}).pipe(Effect.scoped) // returns when the shell and all three sleeps are dead

await Effect.runPromise(program.pipe(Effect.andThen(Console.log("all gone")), Effect.provide(Nursery.layer)))
