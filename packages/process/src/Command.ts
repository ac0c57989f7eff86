/**
 * Commands: descriptions of processes to start.
 *
 * A command is immutable plain data and has no effects; `Process.spawn` and its relatives start it. Its four type parameters
 * say what stdin, stdout, stderr and the further descriptors are connected to, and so which streams the running process has.
 */
import * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import type { Pipeable } from "effect/Pipeable"
import type { PlatformError } from "effect/PlatformError"
import type * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import * as construct from "./internal/command/construct.ts"
import * as schema from "./internal/command/schema.ts"
import * as translate from "./internal/command/translate.ts"
import * as validation from "./internal/command/validate.ts"
import * as value from "./internal/command/value.ts"
import type * as CommandLine from "./internal/commandLine.ts"
import type { InvalidArgument, Unsupported } from "./ProcessError.ts"
import type * as Signal from "./Signal.ts"
import type * as Stdio from "./Stdio.ts"

/**
 * One argument: a string, or a `Redacted` one, which never shows in errors, logs or spans.
 */
export type Word = string | Redacted.Redacted<string>

/**
 * Changes to the environment: a value sets a variable, `undefined` removes it.
 */
export type Env = { readonly [name: string]: string | Redacted.Redacted<string> | undefined }

/**
 * Whom a signal reaches: the process itself, its process group, or everything descended from it.
 */
export type Reach = "leader" | "group" | "tree"

/**
 * How a process is ended: `signal` is sent to whom `to` says, and what is still there after `grace` gets SIGKILL.
 */
export interface StopOptions {
  readonly signal?: Signal.Signal | undefined
  readonly grace?: Duration.Input | undefined
  readonly to?: Reach | undefined
}

/**
 * How a process is ended, with nothing left to fill in.
 */
export interface StopPolicy {
  readonly signal: Signal.Signal
  readonly grace: Duration.Duration
  readonly to: Reach
}

/**
 * The level of containment, see `docs/guarantees.md`.
 */
export type Containment = "tree" | "group" | "pid-namespace" | "cgroup"

/**
 * Where the process belongs: `"new"`, leader of a new session; `"group"`, leader of a new process group in the session of this
 * program; `"owner"`, in the process group of this program.
 */
export type Session = "new" | "group" | "owner"

/**
 * The options of a command.
 */
export interface Options<In = Stdio.Input, Out = Stdio.Output, Err = Stdio.Output, Fds = Stdio.Descriptors> {
  readonly cwd?: string | undefined
  readonly env?: Env | undefined
  readonly clearEnv?: boolean | undefined
  readonly shell?: boolean | string | undefined
  readonly stdin?: In | undefined
  readonly stdout?: Out | undefined
  readonly stderr?: Err | undefined
  readonly fds?: (Fds & Stdio.CheckDescriptors<Fds>) | undefined
  readonly stop?: StopOptions | undefined
  readonly successCodes?: ReadonlyArray<number> | undefined
  readonly containment?: Containment | undefined
  readonly umask?: number | undefined
  readonly session?: Session | undefined
}

/**
 * A description of a process to start.
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
}

/**
 * A command that can be encoded: nothing of it lives in this program.
 */
export type Plain = Command<Stdio.PlainInput, Stdio.PlainOutput, Stdio.PlainOutput, Stdio.PlainDescriptors>

/**
 * The encoded form of a plain command: JSON, without what has its default.
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
    /** A number and a unit, as in `"30 seconds"`. */
    readonly grace?: string
    readonly to?: Reach
  }
  readonly successCodes?: ReadonlyArray<number>
  readonly containment?: Containment
  readonly umask?: number
  readonly session?: Session
}

type EncodedInput = "null" | "inherit" | "pipe" | { readonly _tag: "Read"; readonly path: string }

type EncodedOutput = "null" | "inherit" | "pipe" | { readonly _tag: "Append" | "Truncate"; readonly path: string }

/**
 * The Schema of plain commands.
 */
export const Command: Schema.Codec<Plain, Encoded> = schema.CommandSchema

/**
 * Whether a value is a command.
 */
export const isCommand: (u: unknown) => u is Command = value.isCommand

type Template = readonly [strings: TemplateStringsArray, ...values: ReadonlyArray<CommandLine.TemplateExpression>]

/**
 * Makes a command.
 */
export const make: {
  (...template: Template): Command<"null", "inherit", "inherit", {}>
  <
    const In extends Stdio.Input = "null",
    const Out extends Stdio.Output = "inherit",
    const Err extends Stdio.Output = "inherit",
    const Fds extends Stdio.Descriptors = {}
  >(
    options: Options<In, Out, Err, Fds>
  ): (...template: Template) => Command<In, Out, Err, Fds>
  <
    const In extends Stdio.Input = "null",
    const Out extends Stdio.Output = "inherit",
    const Err extends Stdio.Output = "inherit",
    const Fds extends Stdio.Descriptors = {}
  >(
    program: string,
    args?: ReadonlyArray<Word>,
    options?: Options<In, Out, Err, Fds>
  ): Command<In, Out, Err, Fds>
} = construct.make

/**
 * The command as a line to paste into a shell: program and arguments, quoted.
 */
export const display = (self: Command): string => value.display(self)

/**
 * What no process can have.
 */
export const validate = (self: Command): Result.Result<void, InvalidArgument> => validation.validate(self)

/**
 * How a process of this command is ended, with defaults filled in.
 */
export const stopPolicy = (self: Command): StopPolicy => ({
  signal: self.stop.signal ?? "SIGTERM",
  grace: Duration.fromInputUnsafe(self.stop.grace ?? "2 seconds"),
  to: self.stop.to ?? "group"
})

/**
 * The command that a command of `effect/process` becomes.
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
 * Translates a command of `effect/process`.
 */
export const fromChildProcess = (command: CommandLine.StandardCommand): Result.Result<FromChildProcess, Unsupported> =>
  translate.fromChildProcess(command)

/**
 * Sets what stdin is connected to.
 */
export const stdin: {
  <const In extends Stdio.Input>(
    stdin: In
  ): <X, Out, Err, Fds>(self: Command<X, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <X, Out, Err, Fds, const In extends Stdio.Input>(
    self: Command<X, Out, Err, Fds>,
    stdin: In
  ): Command<In, Out, Err, Fds>
} = dual(2, <X, In, Out, Err, Fds>(self: Command<X, Out, Err, Fds>, stdin: In) => value.make({ ...self, stdin }))

/**
 * Sets what stdout is connected to.
 */
export const stdout: {
  <const Out extends Stdio.Output>(
    stdout: Out
  ): <In, X, Err, Fds>(self: Command<In, X, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, X, Err, Fds, const Out extends Stdio.Output>(
    self: Command<In, X, Err, Fds>,
    stdout: Out
  ): Command<In, Out, Err, Fds>
} = dual(2, <X, In, Out, Err, Fds>(self: Command<In, X, Err, Fds>, stdout: Out) => value.make({ ...self, stdout }))

/**
 * Sets what stderr is connected to.
 */
export const stderr: {
  <const Err extends Stdio.Output>(
    stderr: Err
  ): <In, Out, X, Fds>(self: Command<In, Out, X, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, X, Fds, const Err extends Stdio.Output>(
    self: Command<In, Out, X, Fds>,
    stderr: Err
  ): Command<In, Out, Err, Fds>
} = dual(2, <X, In, Out, Err, Fds>(self: Command<In, Out, X, Fds>, stderr: Err) => value.make({ ...self, stderr }))

/**
 * Adds descriptors, from 3 on, to those that the command has.
 */
export const fds: {
  <const Added extends Stdio.Descriptors>(
    fds: Added & Stdio.CheckDescriptors<Added>
  ): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Stdio.MergeDescriptors<Fds, Added>>
  <In, Out, Err, Fds, const Added extends Stdio.Descriptors>(
    self: Command<In, Out, Err, Fds>,
    fds: Added & Stdio.CheckDescriptors<Added>
  ): Command<In, Out, Err, Stdio.MergeDescriptors<Fds, Added>>
} = dual(2, <In, Out, Err, Fds, Added extends Stdio.Descriptors>(self: Command<In, Out, Err, Fds>, fds: Added) =>
  value.make({ ...self, fds: { ...self.fds, ...fds } })
)

/**
 * Sets the working directory.
 */
export const cwd: {
  (cwd: string): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, cwd: string): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, cwd: string) => value.make({ ...self, cwd }))

/**
 * Changes the environment further.
 */
export const env: {
  (env: Env): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, env: Env): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, env: Env) =>
  value.make({ ...self, env: { ...self.env, ...env } })
)

/**
 * Sets whether the process starts with an empty environment.
 */
export const clearEnv: {
  (clearEnv: boolean): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, clearEnv: boolean): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, clearEnv: boolean) =>
  value.make({ ...self, clearEnv })
)

/**
 * Sets whether the program is a script for a shell.
 */
export const shell: {
  (shell: boolean | string): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, shell: boolean | string): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, shell: boolean | string) =>
  value.make({ ...self, shell })
)

/**
 * Sets how the process is ended.
 */
export const stop: {
  (stop: StopOptions): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, stop: StopOptions): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, stop: StopOptions) =>
  value.make({ ...self, stop: { ...self.stop, ...stop } })
)

/**
 * Sets which exit codes are a success.
 */
export const successCodes: {
  (
    successCodes: ReadonlyArray<number>
  ): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, successCodes: ReadonlyArray<number>): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, successCodes: ReadonlyArray<number>) =>
  value.make({ ...self, successCodes })
)

/**
 * Sets the level of containment.
 */
export const containment: {
  (containment: Containment): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, containment: Containment): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, containment: Containment) =>
  value.make({ ...self, containment })
)

/**
 * Sets the file mode creation mask.
 */
export const umask: {
  (umask: number): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, umask: number): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, umask: number) => value.make({ ...self, umask }))

/**
 * Sets the session and process group of the process.
 */
export const session: {
  (session: Session): <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>) => Command<In, Out, Err, Fds>
  <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, session: Session): Command<In, Out, Err, Fds>
} = dual(2, <In, Out, Err, Fds>(self: Command<In, Out, Err, Fds>, session: Session) => value.make({ ...self, session }))
