/**
 * What the ends of the stages mean: which of them is the first cause, and which followed from it. No Effect, no clock.
 *
 * What can be known is how each stage ended, and in which order. A process that was killed by SIGPIPE ended because of its reader. Of
 * others that failed the first one failed by itself; one that failed after it may have done so because its input was cut off or nobody
 * wanted its output, and there is no way to tell that from a failure of its own.
 *
 * @internal
 */
import type { ExitStatus } from "@nursery/process"
import type { Outcome } from "../Report.ts"

/** How a stage ended; `undefined` when it has not ended by itself. */
export type End = "good" | "brokenPipe" | "failed"

export interface Ended {
  readonly name: string
  readonly end: End | undefined
  readonly isStarted: boolean
  /** Those that ended earlier have a smaller one. */
  readonly rank: number
  /** The stage that reads what it writes, if it is one. */
  readonly reader: string | undefined
  /** Whether that may have ended before it, so that it could write no more. */
  readonly isCut: boolean
}

export interface Judged {
  readonly outcome: Outcome
  readonly cause: string | undefined
}

/** Shells pass on what their last command was killed by. */
const brokenPipeCode = 128 + 13

export const isBrokenPipe = (status: ExitStatus.ExitStatus): boolean =>
  status._tag === "Exited" ? status.code === brokenPipeCode : status._tag === "Signaled" && status.signal === "SIGPIPE"

const isFailure = ({ end, isCut }: Ended): boolean => end === "failed" || (end === "brokenPipe" && !isCut)

/** The stage that failed first, by itself. */
export const firstCause = (stages: ReadonlyArray<Ended>): string | undefined => {
  let first: Ended | undefined
  for (const stage of stages) if (isFailure(stage) && (first === undefined || stage.rank < first.rank)) first = stage
  return first?.name
}

export const judge = (stages: ReadonlyArray<Ended>): ReadonlyMap<string, Judged> => {
  const first = firstCause(stages)
  return new Map(stages.map((stage) => [stage.name, judgeOne(stage, first)]))
}

const judgeOne = (stage: Ended, first: string | undefined): Judged => {
  if (!stage.isStarted && stage.end === undefined) return { outcome: "unstarted", cause: undefined }
  if (stage.end === undefined) return { outcome: "stopped", cause: undefined }
  if (stage.end === "good") return { outcome: "succeeded", cause: undefined }
  if (stage.name === first) return { outcome: "failed", cause: undefined }
  return { outcome: "followed", cause: stage.end === "brokenPipe" ? (stage.reader ?? first) : first }
}

/** The stage that the pipeline fails with, of which `last` is the last one. */
export const blame = (
  stages: ReadonlyArray<Ended>,
  policy: "pipefail" | "all" | "last",
  last: string | undefined
): string | undefined => {
  const first = firstCause(stages)
  switch (policy) {
    case "pipefail":
      return first
    case "all":
      return first ?? stages.find(({ end }) => end === "brokenPipe")?.name
    case "last":
      return stages.find((stage) => stage.name === last && isFailure(stage))?.name
  }
}
