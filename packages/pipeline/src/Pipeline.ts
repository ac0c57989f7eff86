/**
 * Pipelines of named stages: processes, and functions of this program on the bytes or records between them.
 *
 * A pipeline is immutable plain data and has no effects; {@link run} and its relatives run it. Its type says what comes out of it, what
 * it may fail with, stage by stage, what it needs, and which stages it has.
 *
 * **Details**
 *
 * - Neighbouring processes are joined by a pipe of the kernel, and a file at either end is given to the process there: bytes enter this
 *   program only where a stage of it needs them.
 * - All stages run at the same time. Each waits for the next one when that is slower, and all memory that is used is bounded.
 * - A run is over when every process has exited and every stage is done. Everything that a process leaves behind is ended at its exit.
 * - The first stage that fails is what the pipeline fails with ({@link StageFailed}), unless {@link policy} says otherwise. A process that
 *   is killed by SIGPIPE, because its reader has ended, has not failed.
 * - What is ended before its time (a typed stage has failed, the {@link timeLimit} is up, the program is interrupted) ends from its
 *   reading end to its writing end, by the stop policy of each command. So nothing takes the failure of a stage for the end of its input,
 *   but for a process that reads the pipe of another process.
 *
 * **Gotchas**
 *
 * `pipe` takes 20 stages; for more, pipe what it gives.
 */
import type { ExitError, Fd, FdError, KeeperLost, Nursery, SpawnError, Stdio, StreamError } from "@nursery/process"
import { type Command, Stdio as StdioModule } from "@nursery/process"
import type { Pipeable } from "effect/Pipeable"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import { beginning, type Spec } from "./internal/spec.ts"
import * as internal from "./internal/value.ts"
import type { FileError, StageFailed } from "./PipelineError.ts"

export { decode, encode } from "./internal/coded.ts"
export type { PoolFailure } from "./internal/pooled.ts"
export { pool } from "./internal/pooled.ts"
export type { Progress, StageProgress } from "./internal/progress.ts"
export type { CountRefusal, Policy, Refusal, RunSink, StringOptions, Writable } from "./internal/running.ts"
export {
  catchStage,
  collect,
  endOnFailure,
  policy,
  run,
  string,
  timeLimit,
  toSink,
  toStream
} from "./internal/running.ts"
export type { Any, FanOutOptions } from "./internal/shapes.ts"
export { fanIn, fanOut, join, merge, tee } from "./internal/shapes.ts"
export { batch, filter, map, mapEffect, transform } from "./internal/stages.ts"
export type { Supervised } from "./internal/supervised.ts"
export { supervised } from "./internal/supervised.ts"
export type { Running } from "./internal/watching.ts"
export { formatProgress, showProgress, start } from "./internal/watching.ts"

/**
 * What marks a pipeline.
 *
 * @category models
 */
export type TypeId = "~@nursery/pipeline/Pipeline"

/**
 * A description of a pipeline.
 *
 * `A` is what comes out of it: `Uint8Array` for bytes, or records. `E` is what it fails with, `R` what it needs, and `Stages` are the
 * kinds of its stages by their names.
 *
 * @category models
 */
export interface Pipeline<out A, out E = never, out R = never, out Stages = {}> extends Pipeable {
  readonly "~@nursery/pipeline/Pipeline": {
    /** @internal */
    readonly spec: Spec
    readonly _A: Types.Covariant<A>
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
    readonly _Stages: Types.Covariant<Stages>
  }
}

/**
 * What comes out of a pipeline whose last process writes to a file, a descriptor or nowhere: nothing that another stage could read.
 *
 * @category models
 */
export interface Elsewhere {
  readonly "~@nursery/pipeline/Elsewhere": "the stdout of the process before goes elsewhere"
}

/**
 * What a process fails with. A failure to read its output in this program is a `StreamError`.
 *
 * @category models
 */
export type ProcessFailure = ExitError | SpawnError | KeeperLost | StreamError

/**
 * What the stdin of a command may be whose process reads the stage before it: it is connected, whatever it says.
 *
 * @category models
 */
export type Connectable = "null" | "pipe"

/**
 * What the stdin of the first command may be.
 *
 * @category models
 */
export type FirstInput = "null" | "inherit" | Stdio.Read | Fd.Fd<"readable" | "duplex">

/**
 * What the stdout of a command may be. `"inherit"` and `"pipe"` go to the next stage where there is one; all else is the end of the
 * pipeline.
 *
 * @category models
 */
export type Output = Stdio.PlainOutput | Fd.Fd<"writable" | "duplex">

/**
 * What the stderr of a command may be. What a `"pipe"` has said last is in the `ExitError`.
 *
 * @category models
 */
export type ErrorOutput = Output | Sink.Sink<unknown, Uint8Array, unknown, never, unknown>

/**
 * What further descriptors of a command may be.
 *
 * @category models
 */
export type Descriptors = { readonly [descriptor: number]: "null" | "inherit" | Stdio.File | Fd.Fd }

/**
 * What comes out of a process with such a stdout.
 *
 * @category utility types
 */
export type OutputOf<Out> = [Out] extends ["inherit" | "pipe"] ? Uint8Array : Elsewhere

/**
 * Makes a second stage of one name an error of the compiler.
 *
 * @category utility types
 */
export type Unused<Name extends string, Stages> = string extends Name | keyof Stages
  ? unknown
  : Name extends keyof Stages
    ? `two stages are named "${Name}"`
    : unknown

/**
 * A descriptor that this program can read if it has to.
 *
 * @category models
 */
export type Readable = Fd.Fd<"readable" | "duplex", Exclude<Fd.Kind, "message" | "listening">>

/**
 * How a process takes part in a pipeline.
 *
 * @category models
 */
export interface ProcessOptions {
  /**
   * What becomes of processes that it has left behind when it exits: by default they are ended, for the stages after it wait as long as
   * one of them has its stdout. `"wait"` lets them end by themselves.
   */
  readonly descendants?: "end" | "wait" | undefined
}

/**
 * The beginning of a pipeline: a Stream, bytes or a text, a file, a descriptor, or the output of a command.
 *
 * **Details**
 *
 * A file or a descriptor is given to the first process, which reads it itself; where the first stage is no process, this program reads it.
 * A command is a stage, and so has a name; its stdin is what it says.
 *
 * **Example** (A text, sorted)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const sorted = Pipeline.from("pear\napple\n").pipe(Pipeline.process("sort", Command.make("sort")), Pipeline.string)
 * assert.equal(await Effect.runPromise(Effect.provide(sorted, Nursery.layer)), "apple\npear\n")
 * ```
 *
 * @category constructors
 */
export const from: {
  <A, E, R>(stream: Stream.Stream<A, E, R>): Pipeline<A, E, R>
  (content: string | Uint8Array): Pipeline<Uint8Array>
  (file: Stdio.Read): Pipeline<Uint8Array, FileError>
  (fd: Readable): Pipeline<Uint8Array, FdError | KeeperLost>
  <
    const Name extends string,
    In extends FirstInput,
    Out extends Output,
    Err extends ErrorOutput,
    Fds extends Descriptors
  >(
    name: Name,
    command: Command.Command<In, Out, Err, Fds>,
    options?: ProcessOptions
  ): Pipeline<
    OutputOf<Out>,
    StageFailed<Name, ProcessFailure>,
    Nursery.Nursery | Stdio.Requirements<In, Out, Err, Fds>,
    { readonly [K in Name]: "process" }
  >
} = (
  source: Stream.Stream<unknown, unknown, unknown> | string | Uint8Array | Stdio.Read | Readable,
  command?: Command.Command,
  options?: ProcessOptions
): Pipeline<never, never, never, never> => {
  if (typeof source === "string" && command !== undefined) {
    const stage = {
      _tag: "Process",
      name: source,
      command,
      descendants: options?.descendants ?? "end",
      inputs: []
    } as const
    return new internal.PipelineValue({ ...beginning({ _tag: "Command" }), stages: [stage] })
  }
  if (typeof source === "string" || source instanceof Uint8Array) {
    const bytes = typeof source === "string" ? new TextEncoder().encode(source) : source
    return new internal.PipelineValue(beginning({ _tag: "Stream", stream: Stream.succeed(bytes) }))
  }
  if (Stream.isStream(source)) return new internal.PipelineValue(beginning({ _tag: "Stream", stream: source }))
  return new internal.PipelineValue(
    beginning(StdioModule.isFile(source) ? { _tag: "File", file: source } : { _tag: "Fd", fd: source })
  )
}

/**
 * The beginning of a pipeline: the records, or the bytes, of a Stream.
 *
 * @category constructors
 */
export const fromStream = <A, E, R>(stream: Stream.Stream<A, E, R>): Pipeline<A, E, R> => from(stream)

/**
 * A process, which reads what the stage before it writes.
 *
 * **Details**
 *
 * A status outside of the command's `successCodes` is a failure. A process need not read all of its input; those before it are then ended
 * by SIGPIPE when they write, which is no failure of theirs.
 *
 * Its stdin is the stage before it, its stdout the stage after it, where there is one; its stderr goes where the command says. With
 * `stderr: "pipe"` the last 8 KiB of it are in the `ExitError`.
 *
 * It fails with `SpawnError` when it cannot be started, `ExitError` for its status, `KeeperLost`, and `StreamError` when its output cannot be
 * read here.
 *
 * **Example** (Two processes, and a status that is no failure)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const errors = Pipeline.from("all is well\n").pipe(
 *   Pipeline.process("errors", Command.make({ successCodes: [0, 1] })`grep error`), // 1: no match
 *   Pipeline.process("count", Command.make`wc -l`),
 *   Pipeline.string
 * )
 * assert.equal((await Effect.runPromise(Effect.provide(errors, Nursery.layer))).trim(), "0")
 * ```
 *
 * @category stages
 */
export const process =
  <
    const Name extends string,
    In extends Connectable,
    Out extends Output,
    Err extends ErrorOutput,
    Fds extends Descriptors
  >(
    name: Name,
    command: Command.Command<In, Out, Err, Fds>,
    options?: ProcessOptions
  ) =>
  <E, R, Stages>(
    self: Pipeline<Uint8Array, E, R, Stages> & Unused<Name, Stages>
  ): Pipeline<
    OutputOf<Out>,
    E | StageFailed<Name, ProcessFailure>,
    R | Nursery.Nursery | Stdio.Requirements<In, Out, Err, Fds>,
    Stages & { readonly [K in Name]: "process" }
  > =>
    new internal.PipelineValue(
      internal.append(self, { _tag: "Process", name, command, descendants: options?.descendants ?? "end", inputs: [] })
    )
