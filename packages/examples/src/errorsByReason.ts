/**
 * Failures are values with a type: why a program could not be started, and how one that did start has failed.
 */
import { Command, ExitStatus, Nursery, Process } from "@nursery/process"
import { Console, Effect } from "effect"

const version = (program: string) =>
  Process.string(Command.make(program, ["--version"])).pipe(
    Effect.map((text) => text.split("\n")[0] ?? ""),
    Effect.catchReason("SpawnError", "ProgramNotFound", (reason) =>
      Effect.succeed(`${reason.program} is not installed`)
    ),
    Effect.catchTag("ExitError", ({ status }) => Effect.succeed(`${program} ${ExitStatus.format(status)}`))
  )

const program = Effect.gen(function* () {
  yield* Console.log(yield* version("node"))
  yield* Console.log(yield* version("no-such-program"))
  yield* Console.log(yield* version("false"))

  // What nobody handles says what, why and what to do.
  const failure = yield* Effect.flip(Process.run(Command.make("sort", ["--field-separator"])))
  yield* Console.log(failure.message)
})

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
