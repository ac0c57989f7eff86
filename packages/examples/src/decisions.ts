/**
 * What is done about a failure is decided by code that has the failure in hand.
 */
import { Command, ExitStatus, Nursery } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import { Console, Data, Effect, Stream } from "effect"

const worker = Child.process("worker", Command.make("sh", ["-c", "kill -KILL $$"]), {
  decide: (exit) =>
    Effect.gen(function* () {
      if (exit._tag !== "Failed" || exit.error._tag !== "ExitError") return "default"
      yield* Console.log(`the worker ${ExitStatus.format(exit.error.status)}`)
      // Somebody, or the kernel for want of memory, has killed it: less at a time may do.
      const isKilled = ExitStatus.isSignaled(exit.error.status) && exit.error.status.signal === "SIGKILL"
      return isKilled ? Child.replace(Command.make("sleep", ["600"])) : "escalate"
    })
})

class NoLicence extends Data.TaggedError("NoLicence") {}

// Without a licence the application does without this. The failure is handled, and disappears from the types.
const extra = Child.effect("extra", new NoLicence()).pipe(Child.catchTag("NoLicence", () => Effect.succeed("ignore")))

const program = Effect.gen(function* () {
  const running = yield* Supervisor.start(Supervisor.make("app", [worker, extra]))
  yield* running.events.pipe(
    Stream.filter((event) => event._tag === "Changed" && event.child === "worker" && event.incarnation === 2),
    Stream.filter((event) => event._tag === "Changed" && event.status === "ready"),
    Stream.runHead
  )
  for (const { name, status } of (yield* running.snapshot).children) yield* Console.log(`${name}: ${status}`)
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
