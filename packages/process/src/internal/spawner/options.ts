/**
 * From a command of `effect/process` to what a backend needs: every option with its default, nothing started.
 *
 * What no process can be started with is a `BadArgument` here, also where Effect's Node spawner dies of it: an empty program, a
 * NUL character in a name, a descriptor given twice, a signal that this platform does not have.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Signal from "../../Signal.ts"
import type { FdRequest, SpawnRequest, StopPolicy } from "../backend.ts"
import type { Word } from "../commandLine.ts"
import { badArgument } from "./errors.ts"

type Bytes = Stream.Stream<Uint8Array, PlatformError.PlatformError>
type Transducer = Sink.Sink<Uint8Array, Uint8Array, never, PlatformError.PlatformError>

/** What this program does with a descriptor that the child reads. */
export interface Input {
  /** Written to the child in the background; without one, whoever has the handle writes. */
  readonly stream: Bytes | undefined
  readonly endOnDone: boolean
  readonly encoding: BufferEncoding
}

/** What this program does with a descriptor that the child writes. */
export interface Output {
  readonly sink: Transducer | undefined
}

/** A descriptor of the child, with what this program does at the other end. */
export interface Descriptor {
  readonly request: FdRequest
  readonly input: Input | undefined
  readonly output: Output | undefined
}

/** A command with nothing left to decide. */
export interface Resolved {
  readonly command: ChildProcess.StandardCommand
  /** What is executed: the shell, where there is one. */
  readonly program: string
  /** All of argv, secrets still hidden. */
  readonly words: ReadonlyArray<Word>
  readonly searchPath: string
  /** As it was given; relative to the working directory of this program at the time of the spawn. */
  readonly cwd: string | undefined
  readonly clearEnv: boolean
  readonly env: SpawnRequest["env"]
  readonly detached: boolean
  readonly stop: StopPolicy
  /** How stdin is written, whatever it is connected to: a pipeline connects it anew. */
  readonly stdin: Input
  /** By number. */
  readonly descriptors: ReadonlyMap<number, Descriptor>
}

// What glibc searches where the environment has no PATH (confstr(3), _CS_PATH).
const defaultPath = "/bin:/usr/bin"

/** How long the rest of the tree has to end by itself once the leader has, in milliseconds. */
export const linger = 1_000

const longestGrace = 0xffff_fffe

const reveal = (word: Word): string => (Redacted.isRedacted(word) ? Redacted.value(word) : word)

/** What is wrong with a value that may be secret. */
const valueProblem = (word: Word): string | undefined => {
  try {
    return reveal(word).includes("\0") ? "contains a NUL character" : undefined
  } catch {
    return "is a Redacted whose value has been wiped"
  }
}

/** The first thing that no process can be started with. Never names a value of an argument or of the environment. */
const problemOf = (command: ChildProcess.StandardCommand): string | undefined => {
  const { args, options } = command
  if (options.shell !== undefined && options.shell !== false && args.length > 0) {
    return "The shell option cannot be combined with arguments; pass the whole script as the command"
  }
  if (command.command === "") return "The command is empty"
  if (command.command.includes("\0")) return "The command contains a NUL character"
  for (const [index, arg] of args.entries()) {
    const problem = valueProblem(arg)
    if (problem !== undefined) return `Argument ${index + 1} ${problem}`
  }
  if (typeof options.shell === "string" && options.shell.includes("\0")) return "The shell contains a NUL character"
  if (options.cwd?.includes("\0")) return "The working directory contains a NUL character"
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (value === undefined) continue
    if (name === "" || name.includes("=") || name.includes("\0")) {
      return `${JSON.stringify(name)} cannot be the name of an environment variable`
    }
    const problem = valueProblem(value)
    if (problem !== undefined) return `The environment variable ${name} ${problem}`
  }
  return undefined
}

const environment = (options: ChildProcess.CommandOptions): Pick<Resolved, "clearEnv" | "env" | "searchPath"> => {
  const changes = Object.entries(options.env ?? {}).map(
    ([name, value]) => [name, value === undefined ? undefined : reveal(value)] as const
  )
  const clearEnv = options.env !== undefined && options.extendEnv !== true
  const path = changes.find(([name]) => name === "PATH")
  const searchPath = path !== undefined ? path[1] : clearEnv ? undefined : globalThis.process.env["PATH"]
  return {
    clearEnv,
    env: clearEnv ? changes.filter(([, value]) => value !== undefined) : changes,
    // An empty PATH names the working directory, as an empty entry of it does (execvp(3)).
    searchPath: searchPath === "" ? "." : (searchPath ?? defaultPath)
  }
}

/** The number of a signal name, unless this platform has no such signal. */
export const signalNumber = (
  method: string,
  signal: ChildProcess.Signal | undefined
): Result.Result<number, PlatformError.PlatformError> => {
  const name = signal ?? "SIGTERM"
  return Signal.isSignal(name)
    ? Result.succeed(Signal.toNumber(name))
    : Result.fail(badArgument(method, `This platform has no signal ${name}`))
}

/** How a process is ended: at the close of its scope with its own options, by `kill` with those of the call. */
export const stopPolicy = (
  method: string,
  options: ChildProcess.KillOptions | undefined,
  detached: boolean
): Result.Result<StopPolicy, PlatformError.PlatformError> =>
  Result.flatMap(signalNumber(method, options?.killSignal), (signal) => {
    const reach = detached ? "group" : "leader"
    if (options?.forceKillAfter === undefined) return Result.succeed({ signal, reach, grace: undefined, linger })
    const duration = Duration.fromInput(options.forceKillAfter)
    if (Option.isNone(duration)) return Result.fail(badArgument(method, "forceKillAfter is not a duration"))
    const millis = Math.ceil(Duration.toMillis(duration.value))
    const grace = millis > longestGrace ? undefined : Math.max(0, millis)
    return Result.succeed({ signal, reach, grace, linger: grace })
  })

const plainInput: Input = { stream: undefined, endOnDone: true, encoding: "utf-8" }

const inputDescriptor = (target: number, stream: ChildProcess.CommandInput, input: Input): Descriptor => {
  if (stream === "inherit")
    return { request: { target, kind: "inherit", source: target }, input: undefined, output: undefined }
  if (stream === "ignore") return { request: { target, kind: "null" }, input: undefined, output: undefined }
  return {
    request: { target, kind: "pipeIn" },
    input: Stream.isStream(stream) ? { ...input, stream } : input,
    output: undefined
  }
}

const outputDescriptor = (target: number, stream: ChildProcess.CommandOutput): Descriptor => {
  if (stream === "inherit")
    return { request: { target, kind: "inherit", source: target }, input: undefined, output: undefined }
  if (stream === "ignore") return { request: { target, kind: "null" }, input: undefined, output: undefined }
  return {
    request: { target, kind: "pipeOut" },
    input: undefined,
    output: { sink: Sink.isSink(stream) ? stream : undefined }
  }
}

const isConfig = <Config extends { readonly stream?: unknown }>(option: Config | string | object): option is Config =>
  typeof option === "object" && !Stream.isStream(option) && !Sink.isSink(option)

const stdinStream = (option: ChildProcess.CommandOptions["stdin"]): ChildProcess.CommandInput => {
  if (option === undefined) return "pipe"
  return isConfig<ChildProcess.StdinConfig>(option) ? (option.stream ?? "pipe") : option
}

const stdinInput = (option: ChildProcess.CommandOptions["stdin"]): Input => {
  if (option === undefined || !isConfig<ChildProcess.StdinConfig>(option)) return plainInput
  return { stream: undefined, endOnDone: option.endOnDone ?? true, encoding: option.encoding ?? "utf-8" }
}

const standardOutput = (target: 1 | 2, option: ChildProcess.CommandOptions["stdout"]): Descriptor => {
  if (option === undefined) return outputDescriptor(target, "pipe")
  if (!isConfig<ChildProcess.StdoutConfig>(option)) return outputDescriptor(target, option)
  return outputDescriptor(target, option.stream ?? "pipe")
}

const additional = (target: number, config: ChildProcess.AdditionalFdConfig): Descriptor => {
  switch (config.type) {
    case "input":
      return {
        request: { target, kind: "pipeIn" },
        input: { ...plainInput, stream: config.stream },
        output: undefined
      }
    case "output":
      return { request: { target, kind: "pipeOut" }, input: undefined, output: { sink: config.sink } }
    case "duplex":
      return {
        request: { target, kind: "duplex" },
        input: { ...plainInput, stream: config.stream },
        output: { sink: config.sink }
      }
  }
}

const descriptorMap = (
  options: ChildProcess.CommandOptions,
  stdin: Input
): Result.Result<Map<number, Descriptor>, PlatformError.PlatformError> => {
  const all = new Map([
    [0, inputDescriptor(0, stdinStream(options.stdin), stdin)],
    [1, standardOutput(1, options.stdout)],
    [2, standardOutput(2, options.stderr)]
  ])
  for (const [name, config] of Object.entries(options.additionalFds ?? {})) {
    const target = ChildProcess.parseFdName(name)
    if (Predicate.isUndefined(target)) continue
    if (target > 0x7fff_ffff) return Result.fail(badArgument("spawn", `${name} is not a descriptor number`))
    if (all.has(target)) return Result.fail(badArgument("spawn", `The descriptor ${target} is configured twice`))
    all.set(target, additional(target, config))
  }
  return Result.succeed(all)
}

const shellOf = (options: ChildProcess.CommandOptions): string | undefined => {
  if (options.shell === true) return "/bin/sh"
  return options.shell === false || options.shell === "" ? undefined : options.shell
}

/** Everything that a spawn of this command needs, or what is wrong with it. */
export const resolve = (
  command: ChildProcess.StandardCommand
): Result.Result<Resolved, PlatformError.PlatformError> => {
  const problem = problemOf(command)
  if (problem !== undefined) return Result.fail(badArgument("spawn", problem))
  const { options } = command
  const shell = shellOf(options)
  const detached = options.detached !== false
  const stdin = stdinInput(options.stdin)
  return Result.flatMap(stopPolicy("spawn", options, detached), (stop) =>
    Result.map(descriptorMap(options, stdin), (descriptors) => ({
      command,
      program: shell ?? command.command,
      words: shell === undefined ? [command.command, ...command.args] : [shell, "-c", command.command],
      ...environment(options),
      cwd: options.cwd,
      detached,
      stop,
      stdin,
      descriptors
    }))
  )
}

/** The request for a backend. `cwd` is absolute, or empty for the working directory of this program. */
export const toRequest = (resolved: Resolved, cwd: string): SpawnRequest => ({
  program: resolved.program,
  argv: resolved.words.map(reveal),
  searchPath: resolved.searchPath,
  cwd,
  clearEnv: resolved.clearEnv,
  env: resolved.env,
  level: "tree",
  session: resolved.detached ? "new" : "owner",
  stop: resolved.stop,
  umask: undefined,
  fds: Array.from(resolved.descriptors.values(), (descriptor) => descriptor.request),
  shellFallback: true,
  groupOnFailure: resolved.detached
})
