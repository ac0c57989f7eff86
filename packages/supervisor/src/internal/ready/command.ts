/**
 * A command that tells by its exit whether something is well.
 *
 * @internal
 */
import { Command, type Nursery, Process, type SpawnError, type Stdio } from "@nursery/process"
import * as Effect from "effect/Effect"
import { Problem } from "./problem.ts"

export type ProbeCommand = Command.Command<
  Stdio.PlainInput,
  Process.Capturable,
  Process.Capturable,
  Stdio.PlainDescriptors
>

export const nameOf = (command: ProbeCommand): string => `command "${Command.display(command)}"`

/** Runs it once. That it cannot be started is no problem that time solves, unless the machine is short of something. */
export const succeed = (command: ProbeCommand): Effect.Effect<void, Problem | SpawnError, Nursery.Nursery> =>
  // One that is not needed any more has nothing to finish.
  Process.run(Command.stop(command, { signal: "SIGKILL", ...command.stop })).pipe(
    Effect.mapError((error) =>
      error._tag === "SpawnError" && error.reason._tag !== "ResourcesExhausted"
        ? error
        : new Problem({ problem: error.message })
    ),
    Effect.asVoid
  )
