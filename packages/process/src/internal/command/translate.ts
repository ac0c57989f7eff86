/**
 * From a command of `effect/process` to one of ours.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { FromChildProcess, StopOptions } from "../../Command.ts"
import { Unsupported } from "../../ProcessError.ts"
import * as Signal from "../../Signal.ts"
import type { AdditionalFd, CommandOptions, StandardCommand } from "../commandLine.ts"
import { defaults, make } from "./value.ts"

type Translated<A> = Result.Result<A, Unsupported>

type Input = FromChildProcess["stdin"]
type Output = FromChildProcess["stdout"]
type Descriptor = FromChildProcess["fds"][number]

const unsupported = (feature: string, problem: string): Translated<never> =>
  Result.fail(new Unsupported({ feature, problem }))

// "overlapped" is a kind of pipe that only Windows has.
const modes = { pipe: "pipe", overlapped: "pipe", inherit: "inherit", ignore: "null" } as const

const translateInput = (stdin: CommandOptions["stdin"]): Translated<Input> => {
  if (stdin === undefined) return Result.succeed("pipe")
  if (typeof stdin === "string") return Result.succeed(modes[stdin])
  if (Stream.isStream(stdin)) return Result.succeed(stdin)
  if (stdin.endOnDone === false) {
    return unsupported(
      "stdin.endOnDone",
      'stdin of a Command ends with its Stream; use "pipe" and write to process.stdin'
    )
  }
  return translateInput(stdin.stream)
}

const translateOutput = (output: CommandOptions["stdout"]): Translated<Output> => {
  if (output === undefined) return Result.succeed("pipe")
  if (typeof output === "string") return Result.succeed(modes[output])
  return Sink.isSink(output) ? Result.succeed(output) : translateOutput(output.stream)
}

const translateDescriptor = (name: string, config: AdditionalFd): Translated<Descriptor> => {
  switch (config.type) {
    case "input":
      return Result.succeed(config.stream ?? "pipe-in")
    case "output":
      return Result.succeed(config.sink ?? "pipe")
    case "duplex":
      return unsupported(`additionalFds.${name}`, "a Command has no duplex descriptors; use one for each direction")
  }
}

const translateDescriptors = (
  fds: NonNullable<CommandOptions["additionalFds"]>
): Translated<FromChildProcess["fds"]> => {
  const out: Record<number, Descriptor> = {}
  for (const [name, config] of Object.entries(fds)) {
    const number = /^fd(\d+)$/.exec(name)?.[1]
    if (number === undefined) return unsupported(`additionalFds.${name}`, "descriptors are named fd3, fd4 and so on")
    const fd = translateDescriptor(name, config)
    if (Result.isFailure(fd)) return Result.fail(fd.failure)
    out[Number(number)] = fd.success
  }
  return Result.succeed(out)
}

const translateStop = ({ killSignal, forceKillAfter }: CommandOptions): Translated<StopOptions> => {
  if (killSignal !== undefined && !Signal.isSignal(killSignal)) {
    return unsupported("killSignal", `${killSignal} is no signal of Linux`)
  }
  return Result.succeed({
    ...(killSignal === undefined ? undefined : { signal: killSignal }),
    ...(forceKillAfter === undefined ? undefined : { grace: forceKillAfter })
  })
}

export const fromChildProcess = (command: StandardCommand): Translated<FromChildProcess> =>
  Result.gen(function* () {
    const { options } = command
    if (command._tag !== "StandardCommand") {
      return yield* unsupported("a piped command", "a Command is one process; translate each part")
    }
    return make({
      ...defaults,
      program: command.command,
      args: command.args,
      cwd: options.cwd,
      env: options.env ?? defaults.env,
      // Effect replaces the inherited environment by `env` unless told to extend it.
      clearEnv: options.env !== undefined && options.extendEnv !== true,
      shell: options.shell ?? defaults.shell,
      stdin: yield* translateInput(options.stdin),
      stdout: yield* translateOutput(options.stdout),
      stderr: yield* translateOutput(options.stderr),
      fds: options.additionalFds === undefined ? {} : yield* translateDescriptors(options.additionalFds),
      stop: yield* translateStop(options),
      session: options.detached === false ? "owner" : defaults.session
    })
  })
