/**
 * What is said of simulated failures, as the real nursery says it.
 *
 * @internal
 */
import { constants } from "node:os"
import { resolve } from "node:path"
import * as ProcessError from "@nursery/process"
import type { SpawnFailure, SpawnRequest, Step } from "@nursery/process/Backend"

/** The name of an error of the operating system. */
export type Errno = keyof typeof constants.errno

/** A process that does not start: instead of a program. */
export interface SpawnProblem {
  readonly errno: Errno
  readonly step: Step
  /** What it means, where the number leaves it open. */
  readonly reason: ProcessError.SpawnReason | undefined
}

const exhausted: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "ENOSPC", "ETIMEDOUT"])

const directoryOf = ({ cwd }: SpawnRequest): string => (cwd === "" ? resolve(".") : cwd)

const pathOf = (request: SpawnRequest): string =>
  resolve(
    directoryOf(request),
    request.program.includes("/") ? "" : (request.searchPath.split(":")[0] ?? ""),
    request.program
  )

/** What an error number means at a step, without a look at files: those of a simulated process are not there. */
export const reasonOf = (request: SpawnRequest, { errno, reason, step }: SpawnProblem): ProcessError.SpawnReason => {
  if (reason !== undefined) return reason
  if (exhausted.has(errno)) return new ProcessError.ResourcesExhausted({ errno })
  switch (step) {
    case "cwd":
      return new ProcessError.WorkingDirectory({ path: directoryOf(request), errno })
    case "credentials":
      return new ProcessError.Credentials({ errno })
    case "descriptor":
      return new ProcessError.Descriptor({ descriptor: request.fds[0]?.target ?? 0, errno })
    case "limits":
      return new ProcessError.Limits({ errno })
    case "namespace":
      return new ProcessError.NamespaceSetup({ errno })
    case "containment":
      return new ProcessError.Containment({ level: request.level, problem: errno })
    case "terminal":
      return new ProcessError.TerminalUnavailable({
        use: request.foreground === true ? "foreground" : "controllingTerminal",
        problem: errno
      })
    case "sandbox":
      return new ProcessError.Unsupported({ feature: step, problem: errno })
    case "exec":
      return execReason(request, errno)
    case "request":
      return new ProcessError.InvalidArgument({ option: "command", problem: `was refused: ${errno}` })
    case "helper":
    case "fork":
    case "session":
      return new ProcessError.ResourcesExhausted({ errno })
  }
}

const execReason = (request: SpawnRequest, errno: Errno): ProcessError.SpawnReason => {
  const { program, searchPath } = request
  switch (errno) {
    case "ENOENT":
    case "ENOTDIR": {
      const searched = program.includes("/") ? [] : searchPath.split(":").map((entry) => entry || ".")
      return new ProcessError.ProgramNotFound({ program, searched })
    }
    case "EACCES":
    case "EPERM":
      return new ProcessError.PermissionDenied({ path: pathOf(request) })
    case "ENOEXEC":
      return new ProcessError.NotExecutable({ path: pathOf(request), problem: "format" })
    default:
      return new ProcessError.InvalidArgument({ option: "program", problem: `cannot be executed: ${errno}` })
  }
}

/** As the backend tells it. */
export const failureOf = (request: SpawnRequest, problem: SpawnProblem): SpawnFailure => ({
  step: problem.step,
  errno: constants.errno[problem.errno],
  target: problem.step === "descriptor" ? (request.fds[0]?.target ?? 0) : -1,
  reason: reasonOf(request, problem)
})

/** Nobody knows the program. */
export const notFound: SpawnProblem = { errno: "ENOENT", step: "exec", reason: undefined }

const again = "Spawn again: a new keeper is started for it"

export const keeperLost = new ProcessError.KeeperLost({
  helper: "keeper",
  message: `the keeper of this nursery was lost (a test has killed it), and with it the status of this process; everything that it had started is being ended. ${again}`
})

export const reaperLost = new ProcessError.KeeperLost({
  helper: "reaper",
  message:
    "the reaper of this process was killed (by a test), and with it the status of the process; everything that the process had started is being ended. Spawn again"
})

export const closed = new ProcessError.KeeperLost({
  helper: "keeper",
  message:
    "the nursery is closed: it starts nothing any more (spawn before its layer's scope closes), and knows nothing of what was released"
})
