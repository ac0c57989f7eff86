/**
 * What happens in a tree, and what can be asked of it while it runs.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import { Console, Effect, Stream } from "effect"

const server = Command.make("sleep", ["600"])

const app = Supervisor.make("app", [
  Child.process("blue", server),
  Child.process("green", server, { reload: "SIGCONT" }),
  Child.process("spare", server)
])

const program = Effect.gen(function* () {
  const running = yield* Supervisor.start(app)

  yield* running.child("green").reload
  yield* running.child("spare").stop
  // One after the other, each when the one before is ready again.
  yield* running.rollingRestart(["blue", "green"])
  // Done by one restart for all who ask at the same time.
  const restart = running.child("blue").restart
  yield* Effect.all([restart, restart, restart], { concurrency: "unbounded" })

  // Who comes late gets what has happened lately, up to 256 events.
  return running.events
}).pipe(Effect.scoped)

const events = await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
await Effect.runPromise(
  Stream.runForEach(events, (event) =>
    event._tag === "Changed" && event.status === "ready" && event.incarnation > 1
      ? Console.log(`${event.child} is ready again, in life ${event.incarnation}`)
      : Effect.void
  )
)
