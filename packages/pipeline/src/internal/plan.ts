/**
 * How the stages of a pipeline are connected: decided before anything is started, without an effect.
 *
 * Stages are cut into parts: runs of processes, which the kernel joins, and runs of functions, which are one Stream of this program.
 * A file or a descriptor at either end is given to the process there, so that no byte of it passes through this program.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { InvalidPipeline } from "../PipelineError.ts"
import type { Destination, ProcessSpec, Source, Spec, StageSpec, TypedSpec } from "./spec.ts"

/** What the first process of a part reads: its source, what its command says (`Command`), or a Stream of this program. */
export type Input = Exclude<Source, { readonly _tag: "Stream" }> | { readonly _tag: "Program" }

export type Part =
  | {
      readonly _tag: "Processes"
      readonly stages: readonly [ProcessSpec, ...Array<ProcessSpec>]
      readonly input: Input
      readonly output: Destination
      /** Who reads it in this program uses no chunk after it has asked for the next one. */
      readonly isBorrowed: boolean
    }
  | { readonly _tag: "Typed"; readonly stages: readonly [TypedSpec, ...Array<TypedSpec>] }

export interface Plan {
  readonly source: Source
  readonly parts: ReadonlyArray<Part>
  readonly destination: Destination
}

export const plan = (spec: Spec, destination: Destination): Result.Result<Plan, InvalidPipeline> => {
  const problem = check(spec)
  if (problem !== undefined) return Result.fail(problem)
  const runs = runsOf(spec.stages)
  const parts = runs.map(([first, ...others], index): Part => {
    if (first._tag === "Typed") {
      return { _tag: "Typed", stages: [first, ...others.filter((each) => each._tag === "Typed")] }
    }
    const next = runs[index + 1]?.[0]
    return {
      _tag: "Processes",
      stages: [first, ...others.filter((each) => each._tag === "Process")],
      input: index === 0 && spec.source._tag !== "Stream" ? spec.source : program,
      output: next === undefined ? destination : program,
      isBorrowed: next?._tag === "Typed" && next.borrows
    }
  })
  return Result.succeed({ source: spec.source, parts, destination })
}

const program = { _tag: "Program" } as const

/** Neighbours of one kind. */
const runsOf = (stages: ReadonlyArray<StageSpec>): ReadonlyArray<[StageSpec, ...Array<StageSpec>]> => {
  const runs: Array<[StageSpec, ...Array<StageSpec>]> = []
  for (const stage of stages) {
    const run = runs.at(-1)
    if (run !== undefined && run[0]._tag === stage._tag) run.push(stage)
    else runs.push([stage])
  }
  return runs
}

/** What the types refuse, for pipelines that are put together at run time. */
const check = ({ source, stages }: Spec): InvalidPipeline | undefined => {
  const names = new Set<string>()
  for (const [index, stage] of stages.entries()) {
    const { name } = stage
    const isFirst = index === 0 && source._tag === "Command"
    const problem =
      name === ""
        ? "a stage needs a name"
        : names.has(name)
          ? "two stages have this name"
          : stage._tag === "Process"
            ? commandProblem(stage, isFirst, index === stages.length - 1)
            : undefined
    if (problem !== undefined) return new InvalidPipeline({ stage: name, problem })
    names.add(name)
  }
  return undefined
}

const commandProblem = ({ command }: ProcessSpec, isFirst: boolean, isLast: boolean): string | undefined => {
  const { fds, stdin, stdout } = command
  if (!isFirst && stdin !== "null" && stdin !== "pipe")
    return "it reads what the stage before it writes, so its stdin is not free"
  if (isFirst && (stdin === "pipe" || Stream.isStream(stdin))) {
    return "nobody writes to its stdin: begin the pipeline with Pipeline.from of a Stream"
  }
  if (Sink.isSink(stdout)) return "its stdout is a Sink: give that to Pipeline.toSink"
  if (!isLast && stdout !== "inherit" && stdout !== "pipe")
    return "its stdout goes elsewhere, so that nothing is left for the stage after it"
  const open = Object.entries(fds).find(([, each]) => each === "pipe" || each === "pipe-in")
  return open === undefined ? undefined : `nobody has the other end of its fds[${open[0]}]`
}
