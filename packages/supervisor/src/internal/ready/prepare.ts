/**
 * What checks want of a command: the descriptors that they read.
 *
 * @internal
 */
import { Command, InvalidArgument, SpawnError } from "@nursery/process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Wants } from "../spec.ts"

/**
 * Changes a command so that the checks can work. Fails as a start does where the command wants something else of a descriptor:
 * another try would not help.
 */
export const prepare = (
  all: ReadonlyArray<Wants>,
  command: Command.Command
): Effect.Effect<Command.Command, SpawnError> =>
  Effect.suspend(() => {
    const isWanted = (stream: "stdout" | "stderr") => all.some((wants) => wants[stream])
    const refuse = (option: string, problem: string) =>
      Effect.fail(
        new SpawnError({
          reason: new InvalidArgument({ option, problem }),
          command: Command.display(command),
          step: "request"
        })
      )
    let prepared = command
    for (const stream of ["stdout", "stderr"] as const) {
      const mode = command[stream]
      if (!isWanted(stream) || mode === "pipe") continue
      if (typeof mode !== "string")
        return refuse(stream, "goes elsewhere, where Ready.log cannot read it: let it be a pipe")
      prepared = stream === "stdout" ? Command.stdout(prepared, "pipe") : Command.stderr(prepared, "pipe")
    }
    for (const descriptor of new Set(all.flatMap(({ fds }) => fds))) {
      const mode = command.fds[descriptor]
      if (mode === "pipe") continue
      if (mode !== undefined) return refuse(`fds[${descriptor}]`, "is the descriptor of Ready.fd: leave it out")
      prepared = Command.fds(prepared, { [descriptor]: "pipe" })
    }
    if (all.some((wants) => wants.notify)) prepared = Command.notify(prepared, true)
    const watchdog = all.find((wants) => wants.watchdog !== undefined)?.watchdog
    if (watchdog === undefined) return Effect.succeed(prepared)
    // This program's own watchdog, if systemd watches it, is none of the child's: WATCHDOG_PID says whose it is.
    const micros = String(Math.round(Duration.toMicros(watchdog)))
    return Effect.succeed(Command.env(prepared, { WATCHDOG_USEC: micros, WATCHDOG_PID: undefined }))
  })
