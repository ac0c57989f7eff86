/**
 * Pipelines that are no straight line, as `Pipeline` gives them to users.
 *
 * @internal
 */
import type { Command, Fd, FdError, KeeperLost, Nursery } from "@nursery/process"
import { Stdio } from "@nursery/process"
import type * as Order from "effect/Order"
import * as Sink from "effect/Sink"
import type * as Types from "effect/Types"
import type {
  CountRefusal,
  Descriptors,
  ErrorOutput,
  FirstInput,
  Output,
  OutputOf,
  Pipeline,
  ProcessFailure,
  ProcessOptions,
  TypeId,
  Unused,
  Writable
} from "../Pipeline.ts"
import type { BranchEnded, FailureOf, FileError, StageFailed } from "../PipelineError.ts"
import {
  type Branch,
  type BranchInput,
  beginning,
  type MergeOrder,
  type Spec,
  type StageSpec,
  type TeeSpec
} from "./spec.ts"
import * as internal from "./value.ts"

/**
 * Any pipeline.
 *
 * @category models
 */
export interface Any {
  readonly "~@nursery/pipeline/Pipeline": { readonly spec: Spec }
}

type Field<P, K extends "_A" | "_E" | "_R" | "_Stages"> = P extends { readonly [id in TypeId]: infer F }
  ? F extends { readonly [k in K]: Types.Covariant<infer A> }
    ? A
    : never
  : never

/** The stages of all of them. */
type StagesOf<P> = Types.UnionToIntersection<Field<P, "_Stages">>

/** Makes it an error of the compiler that pipelines of one have stages of the same name. */
type Distinct<A, B> = string extends keyof A | keyof B
  ? unknown
  : [keyof A & keyof B] extends [never]
    ? unknown
    : `two stages are named "${keyof A & keyof B & string}"`

type CheckInputs<
  Inputs extends ReadonlyArray<unknown>,
  Before = {},
  Checked extends ReadonlyArray<unknown> = []
> = Inputs extends readonly [infer First, ...infer Rest]
  ? CheckInputs<
      Rest,
      Before & Field<First, "_Stages">,
      [
        ...Checked,
        unknown extends Distinct<Before, Field<First, "_Stages">> ? First : Distinct<Before, Field<First, "_Stages">>
      ]
    >
  : Checked extends readonly []
    ? Inputs
    : readonly [...Checked, ...Inputs]

/** What a function makes of what a stage gives it. */
const branched = <A>(branch: (part: Pipeline<A>) => Any): Branch => {
  const input: BranchInput = { _tag: "Branch" }
  return { input, spec: internal.specOf(branch(new internal.PipelineValue<A, never, never, {}>(beginning(input)))) }
}

/**
 * Gives what passes to something else too: to a file, a descriptor, a Sink, or stages of its own.
 *
 * **Details**
 *
 * Both wait for the slower one. When the copy is read no further the pipeline goes on; when the pipeline is, the copy ends. What comes out
 * of the last stage of a copy is dropped, or goes where its command says. A failure there is one of the pipeline.
 *
 * **Example** (A checksum beside the compression)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const pipeline = Pipeline.from("text\n").pipe(
 *   Pipeline.tee("copy", (copy) => copy.pipe(Pipeline.process("sum", Command.make("md5sum", [], { stdout: "null" })))),
 *   Pipeline.process("gzip", Command.make("gzip")),
 *   Pipeline.process("gunzip", Command.make("gunzip"))
 * )
 * assert.equal(await Effect.runPromise(Effect.provide(Pipeline.string(pipeline), Nursery.layer)), "text\n")
 * ```
 *
 * @category shapes
 */
export const tee: {
  <const Name extends string>(
    name: Name,
    to: Stdio.OutputFile | Writable
  ): <E, R, Stages>(
    self: Pipeline<Uint8Array, E, R, Stages> & Unused<Name, Stages>
  ) => Pipeline<
    Uint8Array,
    E | StageFailed<Name, FileError | FdError | KeeperLost>,
    R,
    Stages & { readonly [K in Name]: "typed" }
  >
  <const Name extends string, A, L, E2, R2>(
    name: Name,
    sink: Sink.Sink<unknown, A, L, E2, R2>
  ): <E, R, Stages>(
    self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>
  ) => Pipeline<A, E | FailureOf<Name, E2>, R | R2, Stages & { readonly [K in Name]: "typed" }>
  <const Name extends string, A, B, E2, R2, Inside>(
    name: Name,
    branch: (copy: Pipeline<A>) => Pipeline<B, E2, R2, Inside>
  ): <E, R, Stages>(
    self: Pipeline<A, E, R, Stages> & Unused<Name, Stages & Inside> & Distinct<Stages, Inside>
  ) => Pipeline<A, E | E2, R | R2, Stages & Inside & { readonly [K in Name]: "typed" }>
} =
  (
    name: string,
    to:
      | Stdio.OutputFile
      | Writable
      | Sink.Sink<unknown, never, unknown, unknown, unknown>
      | ((copy: Pipeline<never>) => Any)
  ) =>
  (self: Any): Pipeline<never, never, never, never> =>
    new internal.PipelineValue(internal.append(self, { _tag: "Tee", name, to: copyTo(to) }))

const copyTo = (
  to:
    | Stdio.OutputFile
    | Fd.Fd<"writable" | "duplex">
    | Sink.Sink<unknown, never, unknown, unknown, unknown>
    | ((copy: Pipeline<never>) => Any)
): TeeSpec["to"] => {
  if (typeof to === "function") return { _tag: "Branch", ...branched(to) }
  if (Sink.isSink(to)) return { _tag: "Sink", sink: to }
  return Stdio.isFile(to) ? { _tag: "File", file: to } : { _tag: "Fd", fd: to }
}

/**
 * The beginning of a pipeline: what comes out of several others, as it comes. They all run from the start on.
 *
 * **Gotchas**
 *
 * Bytes come in chunks, wherever these end: pipelines of lines or other records are merged after they have been decoded.
 *
 * **Example** (The records of two sources)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const both = Pipeline.merge([Pipeline.fromStream(Stream.make(1, 2)), Pipeline.fromStream(Stream.make(3))])
 * const all = await Effect.runPromise(Pipeline.collect(both))
 * assert.deepEqual(all.toSorted(), [1, 2, 3])
 * ```
 *
 * @category shapes
 */
export const merge = <const Inputs extends ReadonlyArray<Any>>(
  inputs: Inputs & CheckInputs<Inputs>
): Pipeline<
  Field<Inputs[number], "_A">,
  Field<Inputs[number], "_E">,
  Field<Inputs[number], "_R">,
  StagesOf<Inputs[number]>
> => merged(inputs, "arrival")

const merged = <A, E, R, Stages>(inputs: ReadonlyArray<Any>, order: MergeOrder): Pipeline<A, E, R, Stages> =>
  new internal.PipelineValue(beginning({ _tag: "Merge", inputs: inputs.map(internal.specOf), order }))

/**
 * The beginning of a pipeline: what comes out of several others, in order.
 *
 * - `"sequence"`: all of the first one, then all of the second one, and so on.
 * - an `Order`: the least of what they have next, again and again; pipelines that are sorted each become one that is.
 *
 * They all run from the start on, and wait until it is their turn.
 *
 * **Example** (Sorted pipelines)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Order from "effect/Order"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const odd = Pipeline.fromStream(Stream.make(1, 3, 5))
 * const even = Pipeline.fromStream(Stream.make(2, 4))
 * const all = Pipeline.collect(Pipeline.fanIn([odd, even], Order.Number))
 * assert.deepEqual(await Effect.runPromise(all), [1, 2, 3, 4, 5])
 * ```
 *
 * @category shapes
 */
export const fanIn = <const Inputs extends ReadonlyArray<Any>>(
  inputs: Inputs & CheckInputs<Inputs>,
  order: "sequence" | Order.Order<NoInfer<Field<Inputs[number], "_A">>>
): Pipeline<
  Field<Inputs[number], "_A">,
  Field<Inputs[number], "_E">,
  Field<Inputs[number], "_R">,
  StagesOf<Inputs[number]>
> => merged(inputs, erased(order))

// What is compared is what the inputs give.
const erased = <A>(order: "sequence" | Order.Order<A>): MergeOrder => order as MergeOrder

/**
 * How records are told apart.
 *
 * @category models
 */
export interface FanOutOptions<in A> {
  /** How many branches there are. */
  readonly ways: number
  /** Records for which it gives the same go to the same branch, in their order. Without it each branch gets one in turn. */
  readonly by?: ((record: A) => unknown) | undefined
}

/** The failures of a branch, which are told with the names that its stages have in the whole. */
type InsideError<Name extends string, E> =
  E extends StageFailed<infer Stage, infer Failure> ? StageFailed<`${Name}/${number}/${Stage}`, Failure> : E

/**
 * Sends each record to one of several branches, and goes on with what comes out of them, as it comes.
 *
 * **Details**
 *
 * The stages of branch 0 of `fan` are named `fan/0/work` and so on, in the report and in failures. All wait for the slowest branch, once it
 * is a few chunks behind. A branch that ends its input while there are records for it fails the stage with `BranchEnded`: they would be
 * lost. A number of `ways` that is no whole number from 1 on is an `InvalidPipeline`.
 *
 * **Example** (Two processes that share the work)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const bytes = (n: number) => new TextEncoder().encode(`${n}\n`)
 * const counts = Pipeline.fromStream(Stream.range(1, 10)).pipe(
 *   Pipeline.map("bytes", bytes),
 *   Pipeline.fanOut("fan", { ways: 2 }, (part) => part.pipe(Pipeline.process("count", Command.make`wc -l`))),
 *   Pipeline.string
 * )
 * const text = await Effect.runPromise(Effect.provide(counts, Nursery.layer))
 * assert.deepEqual(text.trim().split(/\s+/), ["5", "5"])
 * ```
 *
 * @category shapes
 */
export const fanOut =
  <const Name extends string, A, B, E2, R2, Inside, const Ways extends number>(
    name: Name,
    options: FanOutOptions<A> & { readonly ways: Ways },
    branch: (part: Pipeline<A>, index: number) => Pipeline<B, E2, R2, Inside>
  ) =>
  <E, R, Stages>(
    self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>
  ): Pipeline<
    B,
    E | StageFailed<Name, BranchEnded> | InsideError<Name, E2> | CountRefusal<Ways>,
    R | R2,
    Stages & { readonly [K in Name]: "typed" } & {
      readonly [K in keyof Inside as `${Name}/${number}/${K & string}`]: Inside[K]
    }
  > => {
    const length = Number.isSafeInteger(options.ways) ? options.ways : 0
    const branches = Array.from({ length }, (_, index) => {
      const { input, spec } = branched<A>((part) => branch(part, index))
      return { input, spec: renamed(spec, (stage) => `${name}/${index}/${stage}`) }
    })
    return new internal.PipelineValue(
      internal.append(self, { _tag: "FanOut", name, branches, by: internal.erase(options.by) })
    )
  }

/** The same pipeline, whose stages and those of its parts have other names. */
const renamed = (spec: Spec, nameOf: (stage: string) => string): Spec => {
  const inside = (part: Spec): Spec => renamed(part, nameOf)
  const { source } = spec
  return {
    ...spec,
    source: source._tag === "Merge" ? { ...source, inputs: source.inputs.map(inside) } : source,
    stages: spec.stages.map((stage) => renamedStage(stage, nameOf(stage.name), inside))
  }
}

const renamedStage = (stage: StageSpec, name: string, inside: (part: Spec) => Spec): StageSpec => {
  switch (stage._tag) {
    case "Process":
      return { ...stage, name, inputs: stage.inputs.map((input) => ({ ...input, spec: inside(input.spec) })) }
    case "Tee":
      return {
        ...stage,
        name,
        to: stage.to._tag === "Branch" ? { ...stage.to, spec: inside(stage.to.spec) } : stage.to
      }
    case "FanOut":
      return { ...stage, name, branches: stage.branches.map((branch) => ({ ...branch, spec: inside(branch.spec) })) }
    case "Typed":
      return { ...stage, name }
  }
}

/**
 * The beginning of a pipeline: a process that reads other pipelines by descriptors of its own, as `diff <(one) <(two)` of bash. The command
 * finds them as `/dev/fd/3` and so on.
 *
 * **Example** (The lines that two outputs have in common)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const sort = Command.make("sort")
 * const common = Pipeline.join("common", Command.make`comm -12 /dev/fd/3 /dev/fd/4`, {
 *   3: Pipeline.from("b\na\n").pipe(Pipeline.process("left", sort)),
 *   4: Pipeline.from("c\nb\n").pipe(Pipeline.process("right", sort))
 * })
 * assert.equal(await Effect.runPromise(Effect.provide(Pipeline.string(common), Nursery.layer)), "b\n")
 * ```
 *
 * @category shapes
 */
export const join = <
  const Name extends string,
  In extends FirstInput,
  Out extends Output,
  Err extends ErrorOutput,
  Fds extends Descriptors,
  const Inputs extends { readonly [descriptor: number]: Pipeline<Uint8Array, unknown, unknown, unknown> }
>(
  name: Name & Unused<Name, StagesOf<Inputs[keyof Inputs]>>,
  command: Command.Command<In, Out, Err, Fds>,
  inputs: Inputs & Stdio.CheckDescriptors<Inputs>,
  options?: ProcessOptions
): Pipeline<
  OutputOf<Out>,
  StageFailed<Name, ProcessFailure> | Field<Inputs[keyof Inputs], "_E">,
  Nursery.Nursery | Stdio.Requirements<In, Out, Err, Fds> | Field<Inputs[keyof Inputs], "_R">,
  StagesOf<Inputs[keyof Inputs]> & { readonly [K in Name]: "process" }
> =>
  new internal.PipelineValue({
    ...beginning({ _tag: "Command" }),
    stages: [
      {
        _tag: "Process",
        name,
        command,
        descendants: options?.descendants ?? "end",
        inputs: Object.entries(inputs).map(([descriptor, input]: [string, Any]) => ({
          descriptor: Number(descriptor),
          spec: internal.specOf(input)
        }))
      }
    ]
  })
