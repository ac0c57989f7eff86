/**
 * Finds out what only a try can tell, by a spawn that gets as far as the step before the program.
 *
 * @internal
 */
import type { Observer, SpawnFailure, SpawnRequest, Ticket } from "../backend.ts"
import * as Errno from "../errno.ts"
import { namespaceProblem } from "../namespaceProblem.ts"

/** Of no program: what fails is its execution, unless something before it does. */
const nothing: SpawnRequest = {
  program: "",
  argv: [""],
  searchPath: "",
  cwd: "/",
  clearEnv: true,
  env: [],
  level: "pid-namespace",
  session: "new",
  stop: { signal: 0, reach: "tree", grace: undefined, linger: undefined },
  umask: undefined,
  fds: [],
  shellFallback: false,
  groupOnFailure: false
}

const problemOf = ({ step, errno }: SpawnFailure): string => {
  if (step === "exec") return ""
  const name = Errno.fromNumber(errno)
  return step === "containment" ? namespaceProblem(name) : Errno.describe(name)
}

/** `done` is told why it is not available, nothing where it is. */
export const pidNamespace = (
  spawn: (request: SpawnRequest, observer: Observer) => Ticket,
  done: (problem: string) => void
): void => {
  spawn(nothing, {
    started: () => {},
    failed: (failure) => done(problemOf(failure)),
    exited: () => {},
    ended: () => {},
    lost: (error) => done(error.message),
    unkillable: () => {}
  }).unref()
}
