/**
 * The ways to run a pipeline, as `Pipeline` gives them to users: with their types.
 *
 * @internal
 */
import { type Fd, type FdError, type KeeperLost, OutputTooLarge, Stdio } from "@nursery/process"
import * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { Pipeline } from "../Pipeline.ts"
import { type FileError, type InvalidPipeline, StageFailed, type TimeLimit } from "../PipelineError.ts"
import type { Report } from "../Report.ts"
import type { Policy as AnyPolicy, Destination } from "./spec.ts"
import * as terminal from "./terminal.ts"
import { PipelineValue, specOf } from "./value.ts"

// What a pipeline fails with and needs is known by its type only.
export const typed =
  <E, R>() =>
  <A>(effect: Effect.Effect<A, unknown, unknown>): Effect.Effect<A, E, R> =>
    effect as Effect.Effect<A, E, R>
export const reportOf = <Stages>(report: Report): Report<Stages> => {
  const untyped: unknown = report
  return untyped as Report<Stages>
}

/**
 * Names that are known only when the program runs are compared then, and all pipelines made of them may be refused. So is a stage without
 * a name.
 *
 * @category utility types
 */
export type Refusal<Stages> = string extends keyof Stages
  ? InvalidPipeline
  : "" extends keyof Stages
    ? InvalidPipeline
    : never

/**
 * The same for a number that has to be a whole one from 1 on: one that is written as such is not refused.
 *
 * @category utility types
 */
export type CountRefusal<Count extends number> = number extends Count
  ? InvalidPipeline
  : `${Count}` extends "0" | `-${string}` | `${string}.${string}`
    ? InvalidPipeline
    : never

/**
 * Which failures of processes are failures of the pipeline.
 *
 * - `"pipefail"`, the default: that of any process, unless it followed from another one.
 * - `"all"`: that of any process, also where its reader had ended before it (SIGPIPE), as `set -o pipefail` of bash has it.
 * - `"last"`: that of the last process only, as shells have it where nothing is said.
 * - a function of the report: the name of the stage that the pipeline fails with, or `undefined`. It is asked when all stages have ended.
 *
 * A process that cannot be started, and a stage of this program that fails, always end the pipeline. Where a pipeline is part of another
 * one, the policy of the whole rules.
 *
 * @category models
 */
export type Policy<Stages> = "pipefail" | "last" | "all" | ((report: Report<Stages>) => keyof Stages | undefined)

/**
 * Says which failures of processes are failures of the pipeline.
 *
 * **Example** (No match is no failure)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const errors = Pipeline.from("all is well\n").pipe(
 *   Pipeline.process("grep", Command.make`grep error`),
 *   Pipeline.process("count", Command.make`wc -l`),
 *   Pipeline.policy("last"),
 *   Pipeline.string
 * )
 * assert.equal((await Effect.runPromise(Effect.provide(errors, Nursery.layer))).trim(), "0")
 * ```
 *
 * @category options
 */
export const policy =
  <Stages>(policy: Policy<Stages>) =>
  <A, E, R>(self: Pipeline<A, E, R, Stages>): Pipeline<A, E, R, Stages> =>
    new PipelineValue({ ...specOf(self), policy: erased(policy) })

// The report that it gets is that of the pipeline that it is given to.
const erased = <Stages>(policy: Policy<Stages>): AnyPolicy => policy as AnyPolicy

/**
 * Ends a pipeline that is not done in time, counted from its start. It fails with `TimeLimit`, which names the stages that ran. Where it
 * is part of another one, that is ended when the part is not done in time.
 *
 * **Example** (Who did not end)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Pipeline.from("source", Command.make`sleep 600`).pipe(
 *   Pipeline.process("load", Command.make`cat`),
 *   Pipeline.timeLimit("100 millis"),
 *   Pipeline.run,
 *   Effect.catchTag("TimeLimit", ({ message }) => Effect.succeed(message))
 * )
 * // the pipeline was not done within 100ms: "source", "load" did not end
 * assert.match(String(await Effect.runPromise(Effect.provide(program, Nursery.layer))), /^the pipeline was not done within 100ms: /)
 * ```
 *
 * @category options
 */
export const timeLimit =
  (after: Duration.Input) =>
  <A, E, R, Stages>(self: Pipeline<A, E, R, Stages>): Pipeline<A, E | TimeLimit, R, Stages> =>
    new PipelineValue({ ...specOf(self), timeLimit: after })

/**
 * Ends a pipeline as soon as one of its processes has failed, by the stop policy of each command.
 *
 * **Details**
 *
 * Otherwise the others run on as in a shell: a process notices that its reader has gone when it writes the next time, and one that has
 * nothing to write waits for it without an end. With this, what is to go on for long fails at once. A function as {@link policy} decides
 * when all have ended, and so ends nothing. It is asked for of the whole, not of a part of another pipeline.
 *
 * **Example** (A source that has nothing to say)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Pipeline.from("source", Command.make("sleep", ["600"])).pipe(
 *   Pipeline.process("load", Command.make("sh", ["-c", "exit 3"])),
 *   Pipeline.endOnFailure,
 *   Pipeline.run,
 *   Effect.flip
 * )
 * assert.equal((await Effect.runPromise(Effect.provide(program, Nursery.layer))).stage, "load")
 * ```
 *
 * @category options
 */
export const endOnFailure = <A, E, R, Stages>(self: Pipeline<A, E, R, Stages>): Pipeline<A, E, R, Stages> =>
  new PipelineValue({ ...specOf(self), endsOnFailure: true })

/**
 * Runs a pipeline until all of its stages have ended, and tells of each how.
 *
 * **Details**
 *
 * The last process writes where its command says: to the stdout of this program, where nothing is said. Records and bytes that come out
 * of a stage of this program are dropped. Nothing of it is left, however it ends; interruption waits for that.
 *
 * **Example** (The report of a stage)
 *
 * ```ts
 * import { Command, Nursery, Stdio } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const pipeline = Pipeline.from("to compress").pipe(
 *   Pipeline.process("gzip", Command.make("gzip", [], { stdout: "null" }))
 * )
 * const { stages } = await Effect.runPromise(Effect.provide(Pipeline.run(pipeline), Nursery.layer))
 * assert.deepEqual([stages.gzip.outcome, stages.gzip.bytesIn], ["succeeded", 11])
 * ```
 *
 * @category running
 */
export const run = <A, E, R, Stages>(
  self: Pipeline<A, E, R, Stages>
): Effect.Effect<Report<Stages>, E | Refusal<Stages>, R> =>
  typed<E | Refusal<Stages>, R>()(
    Effect.map(terminal.run(specOf(self), { _tag: "AsIs" }), (report) => reportOf<Stages>(report))
  )

/**
 * What a Sink has made of the output of a pipeline, and what became of its stages.
 *
 * @category models
 */
export interface RunSink<out Z, out Stages> {
  readonly value: Z
  readonly report: Report<Stages>
}

/**
 * A descriptor that this program can write to if it has to.
 *
 * @category models
 */
export type Writable = Fd.Fd<"writable" | "duplex", Exclude<Fd.Kind, "message" | "listening">>

/**
 * Runs a pipeline, and sends what comes out of it to a Sink, a file or a descriptor.
 *
 * **Details**
 *
 * A file or a descriptor is given to the last process, which writes to it itself, or else is written by this program.
 *
 * A Sink may take only a part of the output. The processes before it then end when they write more, as in a shell, which is no failure;
 * one that never writes again is waited for. {@link toStream} ends all of them at once.
 *
 * **Example** (Bytes, counted)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Sink from "effect/Sink"
 * import assert from "node:assert/strict"
 *
 * const size = Sink.fold(() => 0, () => true, (sum: number, chunk: Uint8Array) => Effect.succeed(sum + chunk.length))
 * const counted = Pipeline.from("zeros", Command.make("head", ["-c", "1000000", "/dev/zero"])).pipe(Pipeline.toSink(size))
 * const { report, value } = await Effect.runPromise(Effect.provide(counted, Nursery.layer))
 * assert.deepEqual([value, report.stages.zeros.bytesOut], [1_000_000, 1_000_000])
 * ```
 *
 * @category running
 */
export const toSink: {
  <Z, A, L, E2, R2>(
    sink: Sink.Sink<Z, A, L, E2, R2>
  ): <E, R, Stages>(
    self: Pipeline<A, E, R, Stages>
  ) => Effect.Effect<RunSink<Z, Stages>, E | E2 | Refusal<Stages>, R | R2>
  (
    file: Stdio.OutputFile
  ): <E, R, Stages>(
    self: Pipeline<Uint8Array, E, R, Stages>
  ) => Effect.Effect<Report<Stages>, E | FileError | Refusal<Stages>, R>
  (
    fd: Writable
  ): <E, R, Stages>(
    self: Pipeline<Uint8Array, E, R, Stages>
  ) => Effect.Effect<Report<Stages>, E | FdError | KeeperLost | Refusal<Stages>, R>
} =
  (to: Sink.Sink<unknown, never, unknown, unknown, unknown> | Stdio.OutputFile | Writable) =>
  (self: Pipeline<unknown, unknown, unknown, unknown>): Effect.Effect<never, never, never> => {
    const spec = specOf(self)
    if (Sink.isSink(to)) return toAnything(terminal.runSink(spec, to))
    const destination: Destination = Stdio.isFile(to) ? { _tag: "File", file: to } : { _tag: "Fd", fd: to }
    return toAnything(terminal.run(spec, destination))
  }

// What it is follows from the overloads above.
const toAnything = (effect: Effect.Effect<unknown, unknown, unknown>) => effect as Effect.Effect<never, never, never>

/**
 * Runs a pipeline, and gives back all that comes out of it: records, or chunks of bytes.
 *
 * @category running
 */
export const collect = <A, E, R, Stages>(
  self: Pipeline<A, E, R, Stages>
): Effect.Effect<Array<A>, E | Refusal<Stages>, R> => Effect.map(toSink(Sink.collect<A>())(self), ({ value }) => value)

/**
 * Options of {@link string}.
 *
 * @category models
 */
export interface StringOptions {
  /** How many bytes it may be: 16 MiB where nothing is said. What writes more is ended. */
  readonly maxSize?: ByteSize.Input | undefined
}

/**
 * Runs a pipeline, and gives back what comes out of it as a text, read as UTF-8. Fails with `OutputTooLarge` where that is more than
 * `maxSize`.
 *
 * @category running
 */
export const string = <E, R, Stages>(
  self: Pipeline<Uint8Array, E, R, Stages>,
  options?: StringOptions
): Effect.Effect<string, E | OutputTooLarge | Refusal<Stages>, R> =>
  Effect.suspend(() => {
    const limit = options?.maxSize === undefined ? ByteSize.mebibytes(16) : ByteSize.fromInputUnsafe(options.maxSize)
    const { stages } = specOf(self)
    const tooLarge = new OutputTooLarge({ command: stages.at(-1)?.name ?? "the pipeline", stream: "output", limit })
    return Effect.map(toSink(text(Number(limit), tooLarge))(self), ({ value }) => value)
  })

const text = (limit: number, tooLarge: OutputTooLarge): Sink.Sink<string, Uint8Array, never, OutputTooLarge> =>
  Sink.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    return Sink.map(
      Sink.forEachArray((some: ReadonlyArray<Uint8Array>) => {
        for (const chunk of some) {
          size += chunk.length
          chunks.push(chunk)
        }
        return size > limit ? Effect.fail(tooLarge) : Effect.void
      }),
      () => Buffer.concat(chunks).toString("utf8")
    )
  })

/**
 * A pipeline as a Stream, which runs it while it is read and ends it where it is read no further. What the pipeline fails with comes after
 * all that came out of it before.
 *
 * **Example** (The first lines of an endless pipeline)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const endless = Pipeline.from("yes", Command.make`yes no`).pipe(Pipeline.process("upper", Command.make`tr a-z A-Z`))
 * const lines = Pipeline.toStream(endless).pipe(Stream.decodeText, Stream.splitLines, Stream.take(2), Stream.runCollect)
 * assert.deepEqual(await Effect.runPromise(Effect.provide(lines, Nursery.layer)), ["NO", "NO"])
 * ```
 *
 * @category running
 */
export const toStream = <A, E, R, Stages>(
  self: Pipeline<A, E, R, Stages>
): Stream.Stream<A, E | Refusal<Stages>, R> => {
  const stream: Stream.Stream<unknown, unknown, unknown> = terminal.toStream(specOf(self))
  // What comes out of it is in its type.
  return stream as Stream.Stream<A, E | Refusal<Stages>, R>
}

/** The stages that a pipeline can fail in. */
type FailedStage<E> = E extends StageFailed<infer Name extends string, unknown> ? Name : never

/**
 * Handles the failure of one stage of a pipeline, and takes it out of the type.
 *
 * **Example** (A program that is not installed)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Pipeline.from("text").pipe(
 *   Pipeline.process("pack", Command.make("no-such-program")),
 *   Pipeline.run,
 *   Pipeline.catchStage("pack", ({ error }) => Effect.succeed(error._tag))
 * )
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "SpawnError")
 * ```
 *
 * @category error handling
 */
export const catchStage =
  <E, const Name extends FailedStage<E>, A2, E2, R2>(
    name: Name,
    f: (error: Extract<E, StageFailed<Name, unknown>>) => Effect.Effect<A2, E2, R2>
  ) =>
  <A, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | A2, Exclude<E, StageFailed<Name, unknown>> | E2, R | R2> =>
    Effect.catch(
      self,
      (error): Effect.Effect<A2, Exclude<E, StageFailed<Name, unknown>> | E2, R2> =>
        isOf(error, name) ? f(error) : Effect.fail(others<E, Name>(error))
    )

const isOf = <E, Name extends string>(error: E, name: Name): error is Extract<E, StageFailed<Name, unknown>> =>
  error instanceof StageFailed && error.stage === name

// Asked after `isOf`: what is left is of the type, which the compiler does not derive for a type parameter.
const others = <E, Name extends string>(error: E) => error as Exclude<E, StageFailed<Name, unknown>>
