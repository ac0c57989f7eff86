/**
 * A child that fails again and again, a back-off that looks at how, and what is known at the end.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, type ChildExit, type ProcessFailure, Restart, Supervisor } from "@nursery/supervisor"
import { Console, Effect, Schedule } from "effect"

const backOff = Schedule.exponential("50 millis").pipe(
  Schedule.setInputType<ChildExit<ProcessFailure>>(),
  // It has to have run: nothing else would be different the next time.
  Schedule.while(({ input }) => input._tag === "Failed" && input.error._tag === "ExitError"),
  Schedule.upTo({ times: 3 })
)

const flaky = Child.process("flaky", Command.make("sh", ["-c", "exit 7"]), {
  restart: Restart.always({ schedule: backOff, healthyAfter: "1 minute" })
})

const program = Supervisor.run(Supervisor.make("app", [flaky])).pipe(
  Effect.catchTag("GaveUp", ({ history, message }) =>
    Effect.gen(function* () {
      yield* Console.log(message)
      for (const { exit, incarnation } of history) yield* Console.log(`life ${incarnation}: ${exit._tag}`)
    })
  )
)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
