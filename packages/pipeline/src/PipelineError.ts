/**
 * What pipelines fail with.
 *
 * Each message names the stage, says what went wrong there, and which stages ended because of it.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { describe } from "./internal/text.ts"
import type { Report } from "./Report.ts"

/**
 * A stage of a pipeline has failed, before any other one. `error` is what it failed with: that of a process
 * (`ExitError`, `SpawnError`, ...) or what the function of a typed stage fails with.
 *
 * **Details**
 *
 * Everything of the pipeline has ended. `report` tells of every stage what became of it.
 *
 * @category errors
 */
export class StageFailed<out Name extends string = string, out E = unknown> extends Data.TaggedError("StageFailed")<{
  readonly stage: string
  readonly error: unknown
  readonly report: Report
}> {
  /** The name of the stage. */
  declare readonly stage: Name
  declare readonly error: E
  declare readonly report: Report

  // The fields are set by the class above; here they only get their types.
  constructor(fields: { readonly stage: Name; readonly error: E; readonly report: Report }) {
    super(fields)
  }

  override get message(): string {
    const followed = Object.values(this.report.stages).filter(
      ({ cause, error }) => cause === this.stage && error !== undefined
    )
    const after = followed.map(({ error, name }) => `\nafter it ${quote(name)}: ${describe(error)}`)
    return `${quote(this.stage)}: ${describe(this.error)}${after.join("")}`
  }

  /** For loggers that write JSON: without the report, which has figures that are no JSON. */
  override toJSON(): object {
    return { _tag: this._tag, stage: this.stage, error: this.error }
  }
}

/**
 * The failure of a stage in the type of its pipeline: nothing where the function of the stage cannot fail.
 *
 * @category utility types
 */
export type FailureOf<Name extends string, E> = [E] extends [never] ? never : StageFailed<Name, E>

const quote = (name: string): string => JSON.stringify(name)

/**
 * A pipeline that cannot be run, whatever its input. The compiler refuses such pipelines; those that are put together at run time are
 * checked before anything is started.
 *
 * @category errors
 */
export class InvalidPipeline extends Schema.TaggedError<InvalidPipeline>()("InvalidPipeline", {
  /** The stage that something is wrong with. */
  stage: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${quote(this.stage)}: ${this.problem}`
  }
}

/**
 * A pipeline was not done in time. Everything of it has ended.
 *
 * @category errors
 */
export class TimeLimit extends Data.TaggedError("TimeLimit")<{
  readonly after: Duration.Duration
  readonly report: Report
}> {
  override get message(): string {
    const running = Object.values(this.report.stages)
      .filter(({ outcome }) => outcome === "stopped")
      .map(({ name }) => quote(name))
    const what = running.length === 0 ? "nothing of it was started" : `${running.join(", ")} did not end`
    return `the pipeline was not done within ${Duration.format(this.after)}: ${what}`
  }

  override toJSON(): object {
    return { _tag: this._tag, after: Duration.format(this.after) }
  }
}

/**
 * A file at the beginning or the end of a pipeline could not be opened, read or written by this program.
 *
 * @category errors
 */
export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  path: Schema.String,
  operation: Schema.Literals(["open", "read", "write"]),
  /** The name of the error that the operating system gave. */
  errno: Schema.String
}) {
  override get message(): string {
    return `cannot ${this.operation} ${this.path}: ${this.errno}`
  }
}

/**
 * A branch of `Pipeline.fanOut` has ended its input while there were records for it, which nobody would have got.
 *
 * @category errors
 */
export class BranchEnded extends Schema.TaggedError<BranchEnded>()("BranchEnded", {
  /** Its number, from 0 on. */
  branch: Schema.Int
}) {
  override get message(): string {
    return `branch ${this.branch} reads no further, and there are more records for it: let it read to the end of its input`
  }
}
