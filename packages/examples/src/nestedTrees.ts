/**
 * A tree in a tree: what is wrong below is an error with a type above.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import { Console, Effect } from "effect"

const server = Command.make("sleep", ["600"])

const proxy = Child.process("proxy", server)
const pages = Child.process("pages", Command.make("sh", ["-c", "exit 3"]))

// One of the two is of no use without the other. A third restart within the time is one too many.
const web = Supervisor.make("web", [proxy, pages], {
  strategy: "one-for-all",
  intensity: { restarts: 2, within: "10 seconds" }
})

// Starts `web` again when that has given up, and gives up itself when it had to do so too often.
const app = Supervisor.make("app", [Child.process("db", server), web], {
  intensity: { restarts: 1, within: "1 minute" }
})

const program = Supervisor.run(app).pipe(
  // GaveUp<"web", GaveUp<"proxy", ProcessFailure> | GaveUp<"pages", ProcessFailure>>
  Supervisor.catchChild("web", ({ attempts, exit }) =>
    Console.log(`after ${attempts} attempts: ${exit._tag === "Failed" ? exit.error.message : "it ended"}`)
  )
)
// What is left of the type of its errors: InvalidTree | GaveUp<"db", ProcessFailure>

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
