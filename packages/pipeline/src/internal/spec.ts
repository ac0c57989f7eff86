/**
 * A pipeline as data, with its types forgotten: what the public functions make, what is planned and run.
 *
 * @internal
 */
import type { Command, Fd, Stdio } from "@nursery/process"
import type * as Duration from "effect/Duration"
import type * as Order from "effect/Order"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { Report } from "../Report.ts"

/** Bytes, or records of whatever type. */
export type Elements = Stream.Stream<unknown, unknown, unknown>

/** Where the first stage gets its input. */
export type Source =
  | { readonly _tag: "Stream"; readonly stream: Elements }
  | { readonly _tag: "File"; readonly file: Stdio.Read }
  | { readonly _tag: "Fd"; readonly fd: Fd.Fd<"readable" | "duplex"> }
  /** The first stage is a process, whose command says it. */
  | { readonly _tag: "Command" }
  /** Several pipelines, whose outputs become one. */
  | { readonly _tag: "Merge"; readonly inputs: ReadonlyArray<Spec>; readonly order: MergeOrder }
  | BranchInput

/** What a stage of another pipeline gives to one of its branches. Each branch has an object of its own. */
export interface BranchInput {
  readonly _tag: "Branch"
}

/** What comes first, all of each in turn, or what is least. */
export type MergeOrder = "arrival" | "sequence" | Order.Order<unknown>

/** Where the output of the last stage goes to. */
export type Destination =
  /** Of a process where its command says, of anything else nowhere: it is read to its end. */
  | { readonly _tag: "AsIs" }
  /** To this program. */
  | { readonly _tag: "Program" }
  | { readonly _tag: "File"; readonly file: Stdio.OutputFile }
  | { readonly _tag: "Fd"; readonly fd: Fd.Fd<"writable" | "duplex"> }

export interface ProcessSpec {
  readonly _tag: "Process"
  readonly name: string
  readonly command: Command.Command
  /** What becomes of the processes that it leaves behind when it exits. */
  readonly descendants: "end" | "wait"
  /** Pipelines whose outputs it reads, and the descriptors by which it does. */
  readonly inputs: ReadonlyArray<{ readonly descriptor: number; readonly spec: Spec }>
}

export interface TypedSpec {
  readonly _tag: "Typed"
  readonly name: string
  readonly transform: (input: Elements) => Elements
  /** It uses no chunk of bytes after it has asked for the next one, so that their memory can be used again. */
  readonly borrows: boolean
  /** Why there is no such stage. */
  readonly problem: string | undefined
}

/** A pipeline that is part of a stage, and what it reads there. */
export interface Branch {
  readonly input: BranchInput
  readonly spec: Spec
}

/** Gives what passes to something else too. */
export interface TeeSpec {
  readonly _tag: "Tee"
  readonly name: string
  readonly to:
    | (Branch & { readonly _tag: "Branch" })
    | { readonly _tag: "Sink"; readonly sink: Sink.Sink<unknown, never, unknown, unknown, unknown> }
    | Extract<Destination, { readonly _tag: "File" | "Fd" }>
}

/** Sends each record to one of several pipelines, whose outputs become one. */
export interface FanOutSpec {
  readonly _tag: "FanOut"
  readonly name: string
  readonly branches: ReadonlyArray<Branch>
  /** By which records are told apart; `undefined`: each gets one in turn. */
  readonly by: ((record: unknown) => unknown) | undefined
}

/** What this program does. */
export type ProgramSpec = TypedSpec | TeeSpec | FanOutSpec

export type StageSpec = ProcessSpec | ProgramSpec

/** All stages, those of other pipelines that are part of it before the stage that they belong to. */
export const allStages = (spec: Spec): ReadonlyArray<StageSpec> => [
  ...inputsOf(spec.source).flatMap(allStages),
  ...spec.stages.flatMap((stage) => [...partsOf(stage).flatMap(allStages), stage])
]

/** The pipelines that a source is made of. */
export const inputsOf = (source: Source): ReadonlyArray<Spec> => (source._tag === "Merge" ? source.inputs : [])

/** The pipelines that are part of a stage. */
export const partsOf = (stage: StageSpec): ReadonlyArray<Spec> =>
  stage._tag === "Process" ? stage.inputs.map(({ spec }) => spec) : branchesOf(stage).map(({ spec }) => spec)

/** Those that read what the stage gives them. */
export const branchesOf = (stage: StageSpec): ReadonlyArray<Branch> => {
  switch (stage._tag) {
    case "Tee":
      return stage.to._tag === "Branch" ? [stage.to] : []
    case "FanOut":
      return stage.branches
    case "Process":
    case "Typed":
      return []
  }
}

export type Policy = "pipefail" | "last" | "all" | ((report: Report) => string | undefined)

export interface Spec {
  readonly source: Source
  readonly stages: ReadonlyArray<StageSpec>
  readonly policy: Policy
  readonly timeLimit: Duration.Input | undefined
  /** Whether the failure of a process ends the others, in place of what they notice of it. */
  readonly endsOnFailure: boolean
}

/** Without a stage yet. */
export const beginning = (source: Source): Spec => ({
  source,
  stages: [],
  policy: "pipefail",
  timeLimit: undefined,
  endsOnFailure: false
})
