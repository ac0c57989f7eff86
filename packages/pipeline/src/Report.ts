/**
 * What became of a pipeline: of every stage how it ended, how long it ran, and what went through it.
 */
import type { ExitStatus } from "@nursery/process"
import type * as Duration from "effect/Duration"

/**
 * What a stage is: a process, or one of the functions that run in this program.
 *
 * @category models
 */
export type StageKind = "process" | "typed"

/**
 * How a stage ended.
 *
 * - `succeeded`: as it should.
 * - `failed`: by itself. Where it is the first to fail, it is what the pipeline fails with.
 * - `followed`: because of another stage, which `cause` names: its reader had ended before it wrote all (SIGPIPE), or it failed after
 *   another stage had, so that its input was cut off or its output not wanted any more.
 * - `stopped`: it ran when the pipeline was ended, by a failure, a time limit or an interruption.
 * - `unstarted`: it was never started.
 *
 * @category models
 */
export type Outcome = "succeeded" | "failed" | "followed" | "stopped" | "unstarted"

/**
 * What is known of every stage.
 *
 * Where bytes go from one process to the next through the kernel, this program does not see them, and their count is `undefined`; so is
 * that of records where there are bytes. A stage in between that gives on what it gets, `Pipeline.map("count", (chunk: Uint8Array) => chunk)`, counts.
 *
 * @category models
 */
export interface StageBase {
  readonly name: string
  readonly outcome: Outcome
  /** The stage that it ended because of, where its outcome is `followed`. */
  readonly cause: string | undefined
  /** What it failed with. */
  readonly error: unknown
  /** Milliseconds since 1970. */
  readonly started: number | undefined
  /** From its start to its end. */
  readonly duration: Duration.Duration | undefined
  /** What it has read, and so on, as far as this program saw it pass. */
  readonly bytesIn: number | undefined
  readonly bytesOut: number | undefined
  readonly recordsIn: number | undefined
  readonly recordsOut: number | undefined
}

/**
 * What became of a process.
 *
 * @category models
 */
export interface ProcessStage extends StageBase {
  readonly kind: "process"
  readonly pid: number | undefined
  /** Its status, and what it has used. */
  readonly exit: ExitStatus.ProcessExit | undefined
}

/**
 * What became of a stage in this program.
 *
 * @category models
 */
export interface TypedStage extends StageBase {
  readonly kind: "typed"
}

/**
 * What became of a stage.
 *
 * @category models
 */
export type StageReport<Kind = StageKind> = Kind extends "process" ? ProcessStage : TypedStage

/**
 * What became of a pipeline. `Stages` are the kinds of its stages by their names.
 *
 * @category models
 */
export interface Report<out Stages = { readonly [name: string]: StageKind }> {
  /** In the order in which the pipeline has them; names that are whole numbers come first, as in every object. */
  readonly stages: { readonly [Name in keyof Stages]: StageReport<Stages[Name]> }
  /** The stage that failed first, where one did, whether or not that is a failure of the pipeline. */
  readonly firstCause: string | undefined
  readonly duration: Duration.Duration
}
