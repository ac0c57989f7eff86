/**
 * Children that nobody knows before: one for each session, started with arguments.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, Restart, Supervisor } from "@nursery/supervisor"
import { Console, Effect } from "effect"

interface Session {
  readonly user: string
  readonly seconds: number
}

const sessions = Supervisor.dynamic("sessions", ({ seconds, user }: Session) =>
  Child.process("session", Command.make("sleep", [String(seconds)], { env: { SESSION_USER: user } }), {
    restart: Restart.onFailure()
  })
)

const program = Effect.gen(function* () {
  const running = yield* Supervisor.start(Supervisor.make("app", [sessions]))
  const all = running.dynamic("sessions")
  yield* all.start({ user: "ada", seconds: 600 }, { key: "ada" })
  const key = yield* all.start({ user: "bob", seconds: 0 })

  const exit = yield* all.child(key).await
  yield* Console.log(`the session of bob has ${exit._tag === "Completed" ? "ended" : "failed"}`)
  yield* all.remove("ada")
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
