/**
 * Finds out what only a try can tell, by a spawn that gets as far as the step before the program.
 *
 * @internal
 */
import type { Level, Observer, SpawnFailure, SpawnRequest, Ticket } from "../backend.ts"
import { bareRequest } from "../bareRequest.ts"
import * as Errno from "../errno.ts"
import { namespaceProblem } from "../namespaceProblem.ts"

/** Of no program: what fails is its execution, unless something before it does. */
const nothing = (level: Level): SpawnRequest => bareRequest("", [""], level)

const problemOf = ({ step, errno, reason }: SpawnFailure): string => {
  if (step === "exec") return ""
  if (reason?._tag === "Containment") return reason.problem
  const name = Errno.fromNumber(errno)
  return step === "containment" ? namespaceProblem(name) : Errno.describe(name)
}

/** `done` is told of each why it is not available, nothing where it is. */
export const levels = (
  spawn: (request: SpawnRequest, observer: Observer) => Ticket,
  done: (problems: ReadonlyMap<Level, string>) => void
): void => {
  const tried = ["pid-namespace", "cgroup"] as const
  const problems = new Map<Level, string>()
  for (const level of tried) {
    const tell = (problem: string): void => {
      problems.set(level, problem)
      if (problems.size === tried.length) done(problems)
    }
    spawn(nothing(level), {
      started: () => {},
      failed: (failure) => tell(problemOf(failure)),
      exited: () => {},
      ended: () => {},
      lost: (error) => tell(error.message),
      unkillable: () => {}
    }).unref()
  }
}
