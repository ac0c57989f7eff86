/**
 * A span for each process, where somebody traces: from the request to the exit, with the attributes that OpenTelemetry names for
 * processes (https://opentelemetry.io/docs/specs/semconv/cli/cli-spans).
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type { Command } from "../../Command.ts"
import * as ExitStatus from "../../ExitStatus.ts"
import { directoryOf, type Plan } from "./request.ts"
import type { Watcher } from "./run.ts"

/** Whether somebody gets the spans: the native tracer, which is there by default, keeps them to itself. */
export const isWanted = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.cache.tracer !== undefined && fiber.cache.tracerEnabled

export const watch = (fiber: Fiber.Fiber<unknown, unknown>, plan: Plan): Effect.Effect<Watcher> => {
  const clock = Context.get(fiber.context, Clock.Clock)
  const { command, name, request } = plan
  const attributes = {
    "process.executable.name": name,
    "process.command_args": wordsOf(command),
    "process.working_directory": directoryOf(request)
  }
  return Effect.map(
    Effect.makeSpan(name, { kind: "client", attributes }),
    (span): Watcher => ({
      started: (run) => span.attribute("process.pid", run.pid),
      exited: (exit) => {
        if (Exit.isSuccess(exit)) {
          const { status } = exit.value
          span.attribute("process.exit.code", ExitStatus.toShellCode(status))
          const isSuccess = ExitStatus.isSuccess(status, command.successCodes)
          if (!isSuccess) span.attribute("error.type", errorType(status))
          span.end(clock.currentTimeNanosUnsafe(), isSuccess ? Exit.void : Exit.fail(ExitStatus.format(status)))
        } else span.end(clock.currentTimeNanosUnsafe(), exit)
      }
    })
  )
}

/** The arguments as they are shown: a `Redacted` says nothing but that it is there. */
const wordsOf = (command: Command): ReadonlyArray<string> => [
  ...(command.shell === false ? [] : [command.shell === true ? "/bin/sh" : command.shell, "-c"]),
  command.program,
  ...command.args.map((word) => (Redacted.isRedacted(word) ? "<redacted>" : word))
]

const errorType = (status: ExitStatus.ExitStatus): string => {
  if (status._tag === "Exited") return String(status.code)
  return status._tag === "Signaled" ? status.signal : status._tag
}
