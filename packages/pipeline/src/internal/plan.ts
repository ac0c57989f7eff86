/**
 * How the stages of a pipeline are connected: decided before anything is started, without an effect.
 *
 * Stages are cut into parts: runs of processes, which the kernel joins, and runs of functions, which are one Stream of this program.
 * A file or a descriptor at either end is given to the process there, so that no byte of it passes through this program.
 *
 * @internal
 */
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { InvalidPipeline } from "../PipelineError.ts"
import {
  type BranchInput,
  branchesOf,
  type Destination,
  inputsOf,
  type ProcessSpec,
  type ProgramSpec,
  partsOf,
  type Source,
  type Spec,
  type StageSpec
} from "./spec.ts"
import { countProblem } from "./value.ts"

/** What the first process of a part reads: a file, a descriptor, what its command says, or a Stream of this program. */
export type Input = Extract<Source, { readonly _tag: "File" | "Fd" | "Command" }> | { readonly _tag: "Program" }

export interface Processes {
  readonly _tag: "Processes"
  readonly stages: readonly [ProcessSpec, ...Array<ProcessSpec>]
  readonly input: Input
  readonly output: Destination
  /** Who reads it in this program uses no chunk after it has asked for the next one. */
  readonly isBorrowed: boolean
}

export interface InProgram {
  readonly _tag: "InProgram"
  readonly stages: readonly [ProgramSpec, ...Array<ProgramSpec>]
}

export type Part = Processes | InProgram

export interface Plan {
  readonly source: Source
  readonly parts: ReadonlyArray<Part>
  readonly destination: Destination
}

export const plan = (spec: Spec, destination: Destination): Plan => {
  const runs = runsOf(spec.stages)
  const { source } = spec
  const isGiven = source._tag === "File" || source._tag === "Fd" || source._tag === "Command"
  const parts = runs.map((run, index): Part => {
    const [first, ...others] = run
    if (first._tag !== "Process") {
      return { _tag: "InProgram", stages: [first, ...others.filter((each) => each._tag !== "Process")] }
    }
    const next = runs[index + 1]?.[0]
    return {
      _tag: "Processes",
      stages: [first, ...others.filter((each) => each._tag === "Process")],
      input: index === 0 && isGiven ? source : program,
      output: next !== undefined ? program : writesElsewhere(run.at(-1)) ? asIs : destination,
      isBorrowed: next?._tag === "Typed" && next.borrows
    }
  })
  return { source, parts, destination }
}

const program = { _tag: "Program" } as const
const asIs = { _tag: "AsIs" } as const

/** Whether its command says where a process writes to, so that nothing of it comes out of the pipeline. */
const writesElsewhere = (stage: StageSpec | undefined): boolean =>
  stage?._tag === "Process" && stage.command.stdout !== "inherit" && stage.command.stdout !== "pipe"

/** Neighbours that are all processes, or none. */
const runsOf = (stages: ReadonlyArray<StageSpec>): ReadonlyArray<[StageSpec, ...Array<StageSpec>]> => {
  const runs: Array<[StageSpec, ...Array<StageSpec>]> = []
  for (const stage of stages) {
    const run = runs.at(-1)
    if (run !== undefined && (run[0]._tag === "Process") === (stage._tag === "Process")) run.push(stage)
    else runs.push([stage])
  }
  return runs
}

/** What the types refuse, for pipelines that are put together at run time. */
export const check = (spec: Spec): InvalidPipeline | undefined => checkAll(spec, new Set())

const checkAll = ({ source, stages }: Spec, names: Set<string>): InvalidPipeline | undefined => {
  for (const input of inputsOf(source)) {
    const problem = checkAll(input, names)
    if (problem !== undefined) return problem
  }
  for (const [index, stage] of stages.entries()) {
    const problem =
      nameProblem(stage.name, names) ??
      (stage._tag === "Process"
        ? commandProblem(stage, index === 0 && source._tag === "Command", index === stages.length - 1)
        : undefined) ??
      (stage._tag === "FanOut" ? countProblem("number of ways", stage.branches.length) : undefined) ??
      (stage._tag === "Typed" ? stage.problem : undefined) ??
      branchProblem(stage)
    if (problem !== undefined) return new InvalidPipeline({ stage: stage.name, problem })
    names.add(stage.name)
    for (const part of partsOf(stage)) {
      const inside = checkAll(part, names)
      if (inside !== undefined) return inside
    }
  }
  return undefined
}

const nameProblem = (name: string, names: ReadonlySet<string>): string | undefined => {
  if (name === "") return "a stage needs a name"
  return names.has(name) ? "two stages have this name" : undefined
}

/** What a stage gives to a branch has one reader there: without one it would wait for ever, and two would get a part each. */
const branchProblem = (stage: StageSpec): string | undefined => {
  const readers = branchesOf(stage).map(({ input, spec }) => readersOf(spec, input))
  if (readers.includes(0)) return "its branch does not begin with what is given to it"
  return readers.some((count) => count > 1) ? "its branch begins more than once with what is given to it" : undefined
}

const readersOf = (spec: Spec, input: BranchInput): number => {
  const parts = [...inputsOf(spec.source), ...spec.stages.flatMap(partsOf)]
  return parts.reduce((sum, part) => sum + readersOf(part, input), spec.source === input ? 1 : 0)
}

const commandProblem = ({ command, inputs }: ProcessSpec, isFirst: boolean, isLast: boolean): string | undefined => {
  const { fds, stdin, stdout } = command
  const taken = inputs.find(({ descriptor }) => descriptor in fds || descriptor < 3)
  if (taken !== undefined) return `its descriptor ${taken.descriptor} is not free for an input`
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
