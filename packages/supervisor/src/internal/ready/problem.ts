/**
 * Why one attempt of a probe failed: it may be tried again.
 *
 * @internal
 */
import { getSystemErrorMap } from "node:util"
import * as Data from "effect/Data"

export class Problem extends Data.TaggedError("Problem")<{ readonly problem: string }> {
  override get message(): string {
    return this.problem
  }
}

export const isProblem = (error: unknown): error is Problem => error instanceof Problem

/** An error of Node in words: `connection refused`. */
export const describe = (error: unknown): string => {
  // A name with several addresses fails once for each.
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  const errno = "errno" in error && typeof error.errno === "number" ? error.errno : undefined
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno)
  return known === undefined ? error.message : known[1]
}
