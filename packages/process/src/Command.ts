/**
 * Commands: descriptions of processes to start.
 *
 * A command is immutable plain data and has no effects; `Process.spawn` and its relatives start it. Its four type parameters
 * say what stdin, stdout, stderr and the further descriptors are connected to, and so which streams the running process has.
 *
 * **Gotchas**
 *
 * - No shell is involved unless the option `shell` asks for one: `*`, `$HOME` and `|` are ordinary characters of an argument.
 * - Environment, working directory and umask of this program are those at the time of the start, not of `make`.
 * - A command is not checked when it is made; {@link validate} does it, and every start does that first.
 */
import * as Duration from "effect/Duration"
import type { Pipeable } from "effect/Pipeable"
import type { PlatformError } from "effect/PlatformError"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as Fd from "./Fd.ts"
import * as construct from "./internal/command/construct.ts"
import type { Capability, Credentials } from "./internal/command/credentials.ts"
import type { EncodedLimit, Limit, Limits } from "./internal/command/limits.ts"
import type {
  Activation,
  Containment,
  Env,
  Options,
  Reach,
  Session,
  StopOptions,
  StopPolicy,
  Word
} from "./internal/command/options.ts"
import type { Priority } from "./internal/command/priority.ts"
import type { Sandbox, Scope } from "./internal/command/sandbox.ts"
import * as schema from "./internal/command/schema.ts"
import * as translate from "./internal/command/translate.ts"
import * as validation from "./internal/command/validate.ts"
import * as value from "./internal/command/value.ts"
import type { StandardCommand, TemplateExpression } from "./internal/commandLine.ts"
import type { Namespace } from "./Namespace.ts"
import type { InvalidArgument, Unsupported } from "./ProcessError.ts"
import type * as Signal from "./Signal.ts"
import type * as Stdio from "./Stdio.ts"

export {
  activation,
  affinity,
  clearEnv,
  containment,
  controllingTerminal,
  credentials,
  cwd,
  env,
  fdStore,
  fds,
  foreground,
  limits,
  namespaces,
  notify,
  oomScoreAdjust,
  priority,
  sandbox,
  seccomp,
  session,
  shell,
  stderr,
  stdin,
  stdout,
  stop,
  successCodes,
  umask
} from "./internal/command/combinators.ts"
export type {
  Activation,
  Capability,
  Containment,
  Credentials,
  Env,
  Limit,
  Limits,
  Options,
  Priority,
  Reach,
  Sandbox,
  Scope,
  Session,
  StopOptions,
  StopPolicy,
  Word
}

/**
 * A description of a process to start. Without type parameters: any command.
 *
 * The fields are the options with their defaults filled in; `stop` alone keeps what was said, see {@link stopPolicy}.
 */
export interface Command<
  out In = Stdio.Input,
  out Out = Stdio.Output,
  out Err = Stdio.Output,
  out Fds = Stdio.Descriptors
> extends Pipeable {
  readonly [value.TypeId]: typeof value.TypeId
  readonly program: string
  readonly args: ReadonlyArray<Word>
  readonly cwd: string | undefined
  readonly env: Env
  readonly clearEnv: boolean
  readonly shell: boolean | string
  readonly stdin: In
  readonly stdout: Out
  readonly stderr: Err
  readonly fds: Fds
  readonly stop: StopOptions
  readonly successCodes: ReadonlyArray<number>
  readonly containment: Containment
  readonly umask: number | undefined
  readonly session: Session
  readonly controllingTerminal: boolean | undefined
  readonly foreground: boolean
  readonly namespaces: Namespace | undefined
  readonly notify: boolean
  readonly limits: Limits
  readonly credentials: Credentials | undefined
  readonly priority: Priority | number | undefined
  readonly affinity: ReadonlyArray<number> | undefined
  readonly oomScoreAdjust: number | undefined
  readonly sandbox: Sandbox | undefined
  readonly seccomp: Uint8Array | undefined
  readonly activation: Activation | undefined
  readonly fdStore: Fd.Store | undefined
}

/**
 * A command that can be encoded, as far as types can tell: nothing of it lives in this program.
 */
export type Plain = Command<Stdio.PlainInput, Stdio.PlainOutput, Stdio.PlainOutput, Stdio.PlainDescriptors>

/**
 * A command without a Stream or a Sink: starting it needs nothing of this program but its nursery. It may use what a nursery holds, an
 * `Fd` or namespaces, and so need not be {@link Plain}.
 */
export type Streamless = Command<
  Stdio.PlainInput | Fd.Fd<"readable" | "duplex">,
  Stdio.PlainOutput | Fd.Fd<"writable" | "duplex">,
  Stdio.PlainOutput | Fd.Fd<"writable" | "duplex">,
  { readonly [descriptor: number]: Stdio.PlainDescriptor | Fd.Fd }
>

/**
 * The encoded form of a plain command: JSON, without the options that have their default.
 */
export interface Encoded {
  readonly program: string
  readonly args?: ReadonlyArray<string>
  readonly cwd?: string
  /** `null` removes a variable. */
  readonly env?: { readonly [name: string]: string | null }
  readonly clearEnv?: boolean
  readonly shell?: boolean | string
  readonly stdin?: EncodedInput
  readonly stdout?: EncodedOutput
  readonly stderr?: EncodedOutput
  readonly fds?: { readonly [descriptor: string]: EncodedInput | EncodedOutput | "pipe-in" }
  readonly stop?: {
    readonly signal?: Signal.Signal
    /** A number and a unit, as in `"30 seconds"` or `"1500 millis"`, or `"Infinity"`. */
    readonly grace?: string
    readonly to?: Reach
  }
  readonly successCodes?: ReadonlyArray<number>
  readonly containment?: Containment
  readonly umask?: number
  readonly session?: Session
  readonly controllingTerminal?: boolean
  readonly foreground?: boolean
  readonly notify?: boolean
  /** Sizes are numbers of bytes or texts as in `"512 MiB"`, times texts as in `"30 seconds"`. */
  readonly limits?: { readonly [name: string]: EncodedLimit }
  readonly credentials?: Credentials
  readonly priority?: Priority | number
  readonly affinity?: ReadonlyArray<number>
  readonly oomScoreAdjust?: number
  readonly sandbox?: Sandbox
  /** In base64. */
  readonly seccomp?: string
}

type EncodedInput = "null" | "inherit" | "pipe" | { readonly _tag: "Read"; readonly path: string }

type EncodedOutput = "null" | "inherit" | "pipe" | { readonly _tag: "Append" | "Truncate"; readonly path: string }

/**
 * The Schema of plain commands, those without a Stream, a Sink or an `Fd`: they can be encoded, sent and stored.
 *
 * **Details**
 *
 * Both ways the command is checked as by {@link validate}. Errors name the option, and never contain a value of it.
 *
 * **Gotchas**
 *
 * A command with a `Redacted` argument or variable cannot be encoded: the encoded form would be the secret. Pass secrets
 * through the environment of the side that decodes.
 *
 * **Example** (A command as JSON)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import * as Schema from "effect/Schema"
 * import assert from "node:assert/strict"
 *
 * const command = Command.make("sort", ["-u"], { stdout: "pipe", stop: { grace: "30 seconds" } })
 * const json = Schema.encodeSync(Schema.fromJsonString(Command.Command))(command)
 *
 * assert.equal(json, '{"program":"sort","args":["-u"],"stdout":"pipe","stop":{"grace":"30000 millis"}}')
 * ```
 */
export const Command: Schema.Codec<Plain, Encoded> = schema.CommandSchema

/**
 * Whether a value is a command.
 */
export const isCommand: (u: unknown) => u is Command = value.isCommand

type Template = readonly [strings: TemplateStringsArray, ...values: ReadonlyArray<TemplateExpression>]

/**
 * Makes a command, from a template, from options and a template, or from a program and a list of arguments.
 *
 * **Details**
 *
 * A template is split into words as a POSIX shell does it, by Effect's `CommandLine`: quotes group, and each `${}` is one word or
 * a part of one, whatever it contains. An array that stands alone is one word per element. Words that contain a `Redacted` are
 * `Redacted`.
 *
 * With the option `shell` a template is the script, as it is written.
 *
 * **Gotchas**
 *
 * - Shell syntax in a template (`|`, `$HOME`, `*`, `~`) throws a `CommandLineError`: quote it, or pass it in a `${}`.
 * - So do a `${}` in a template for a `shell`, whose quoting depends on the shell, and a `Redacted` program.
 *
 * **Example** (Three ways to write it)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import assert from "node:assert/strict"
 *
 * const message = "it's done"
 * const one = Command.make`git commit -m ${message}`
 * const two = Command.make({ cwd: "/tmp", stdout: "pipe" })`git log --oneline`
 * const three = Command.make("git", ["commit", "-m", message], { stdout: "pipe" })
 *
 * assert.deepEqual(one.args, three.args)
 * assert.equal(two.stdout, "pipe")
 * ```
 */
export const make: {
  (...template: Template): Command<"null", "inherit", "inherit", {}>
  <
    const In extends Stdio.Input = "null",
    const Out extends Stdio.Output = "inherit",
    const Err extends Stdio.Output = "inherit",
    const Fds extends Stdio.Descriptors = {},
    Names extends Namespace | undefined = undefined,
    Activated extends Activation | undefined = undefined,
    Store extends Fd.Store | undefined = undefined
  >(
    options: Options<In, Out, Err, Fds, Names, Activated, Store>
  ): (...template: Template) => Command<In, Out, Err, Stdio.WithHeld<Fds, Names | Activated | Store>>
  // The list form is the last one, because the compiler explains the mismatch with the last one only.
  <
    const In extends Stdio.Input = "null",
    const Out extends Stdio.Output = "inherit",
    const Err extends Stdio.Output = "inherit",
    const Fds extends Stdio.Descriptors = {},
    Names extends Namespace | undefined = undefined,
    Activated extends Activation | undefined = undefined,
    Store extends Fd.Store | undefined = undefined
  >(
    program: string,
    args?: ReadonlyArray<Word>,
    options?: Options<In, Out, Err, Fds, Names, Activated, Store>
  ): Command<In, Out, Err, Stdio.WithHeld<Fds, Names | Activated | Store>>
} = construct.make

/**
 * The command as a line to read, or to paste into a POSIX shell: program and arguments, quoted where it is needed.
 *
 * This is how a command appears in errors, logs and spans. A `Redacted` argument is shown as `<redacted>`, and control characters
 * as escapes, so a line with one of these does not run as it is. Environment and working directory are not part of it. A command
 * with the option `shell` is shown as the shell and its `-c`.
 *
 * **Example** (A command with a secret)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import * as Redacted from "effect/Redacted"
 * import assert from "node:assert/strict"
 *
 * const command = Command.make("curl", ["-u", Redacted.make("me:secret"), "https://example.org/a b"])
 *
 * assert.equal(Command.display(command), "curl -u <redacted> 'https://example.org/a b'")
 * ```
 */
export const display: (self: Command) => string = value.display

/**
 * What is wrong with a command that no process could be started from: which option, and why.
 *
 * Every start does this first and fails with a `SpawnError` of the reason `InvalidArgument`. It finds NUL characters, an empty
 * program or working directory, names of variables that are empty or contain `=`, numbers that are no descriptors or no exit
 * codes, a grace period that is negative or NaN, a soft limit above the hard one, `shell` together with arguments, and values of the wrong type from untyped code.
 * It does not look at the file system.
 *
 * **Example** (A descriptor that is given twice)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import * as Result from "effect/Result"
 * import assert from "node:assert/strict"
 *
 * const fds: Record<number, "pipe"> = { 1: "pipe" }
 * const result = Command.validate(Command.make("ls", [], { fds }))
 *
 * assert(Result.isFailure(result))
 * assert.equal(result.failure.message, "fds[1] is given twice: descriptor 1 is the option stdout")
 * ```
 */
export const validate: (self: Command) => Result.Result<void, InvalidArgument> = validation.validate

/**
 * How a process is ended where the command does not say it: SIGTERM to its process group, SIGKILL to everything after 2 seconds.
 */
export const defaultStop: StopPolicy = { signal: "SIGTERM", grace: Duration.seconds(2), to: "group" }

/**
 * How a process of this command is ended: its option `stop`, filled in from {@link defaultStop}. Throws for a grace period that
 * {@link validate} finds to be none.
 */
export const stopPolicy = (self: Command): StopPolicy => ({
  signal: self.stop.signal ?? defaultStop.signal,
  grace: self.stop.grace === undefined ? defaultStop.grace : Duration.fromInputUnsafe(self.stop.grace),
  to: self.stop.to ?? defaultStop.to
})

/**
 * What a command of `effect/process` becomes. What it is connected to is known only when the program runs, so its process has no
 * streams until {@link stdin}, {@link stdout} or {@link stderr} say so.
 */
export type FromChildProcess = Command<
  "null" | "inherit" | "pipe" | Stream.Stream<Uint8Array, PlatformError>,
  "null" | "inherit" | "pipe" | Sink.Sink<Uint8Array, Uint8Array, never, PlatformError>,
  "null" | "inherit" | "pipe" | Sink.Sink<Uint8Array, Uint8Array, never, PlatformError>,
  {
    readonly [descriptor: number]:
      | "pipe"
      | "pipe-in"
      | Stream.Stream<Uint8Array, PlatformError>
      | Sink.Sink<Uint8Array, Uint8Array, never, PlatformError>
  }
>

/**
 * Translates a command of `effect/process`, with the defaults of that module: all streams are pipes, and `env` replaces the
 * inherited environment unless `extendEnv` is set.
 *
 * **Details**
 *
 * `killSignal` and `forceKillAfter` become `stop`; without `forceKillAfter` the process gets SIGKILL after the grace period of
 * {@link defaultStop}, where `effect/process` waits for ever. `detached: false` becomes the session `"owner"`.
 *
 * Fails with `Unsupported` for a piped command, a duplex descriptor, `endOnDone: false` and signals that Linux does not have. To
 * run such commands under the guarantees of a nursery, provide `Nursery.layerChildProcessSpawner` to them instead.
 *
 * **Example** (Adding a containment level to a command of `effect/process`)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import * as Result from "effect/Result"
 * import { ChildProcess } from "effect/process"
 * import assert from "node:assert/strict"
 *
 * const command = Command.fromChildProcess(ChildProcess.make("sleep", ["60"])).pipe(
 *   Result.map(Command.containment("group")),
 *   Result.getOrThrow
 * )
 *
 * assert.equal(Command.display(command), "sleep 60")
 * ```
 */
export const fromChildProcess: (command: StandardCommand) => Result.Result<FromChildProcess, Unsupported> =
  translate.fromChildProcess
