/**
 * From the step and error number of a failed spawn to a reason that helps.
 *
 * The kernel says ENOENT for a program that is not there, for a missing interpreter and for a missing working directory alike. What
 * it meant is found out here by looking at the files, after the failure only.
 *
 * @internal
 */

import * as FsPromises from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Command from "../../Command.ts"
import * as Reason from "../../ProcessError.ts"
import type { FdRequest, SpawnFailure, SpawnRequest } from "../backend.ts"
import * as Errno from "../errno.ts"
import * as NamespaceExplain from "../namespace/explain.ts"
import { namespaceProblem } from "../namespaceProblem.ts"
import * as Binary from "./binary.ts"
import { directoryOf, type Plan } from "./request.ts"
import * as SetupFailure from "./setupFailure.ts"

/** What failed to start. The drop-in spawner has no more of a plan than this. */
export type Attempt = Pick<Plan, "command" | "request">

export const diagnose = (plan: Attempt, failure: SpawnFailure): Effect.Effect<Reason.SpawnError> => {
  const errno = Errno.fromNumber(failure.errno)
  if (failure.reason !== undefined) {
    const told = failure.errno === 0 ? undefined : errno
    return Effect.succeed(error(plan.command, failure.step, failure.reason, told))
  }
  return Effect.map(
    Effect.promise(() => reasonOf(plan, failure, errno)),
    // Of a FIFO the backend knows only that the start has taken too long.
    (reason) => error(plan.command, reason._tag === "Descriptor" ? "descriptor" : failure.step, reason, errno)
  )
}

/** A spawn that was not even tried. */
export const refuse = (command: Command.Command, reason: Reason.SpawnReason): Reason.SpawnError =>
  error(command, "request", reason)

const error = (
  command: Command.Command,
  step: SpawnFailure["step"],
  reason: Reason.SpawnReason,
  errno?: string
): Reason.SpawnError =>
  new Reason.SpawnError({
    reason,
    command: Command.display(command),
    step,
    ...(errno === undefined ? undefined : { errno })
  })

// Running out of these has nothing to do with the step at which it happened.
const exhausted = new Set(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "ENOSPC", "ETIMEDOUT"])

const reasonOf = async (plan: Attempt, failure: SpawnFailure, errno: string): Promise<Reason.SpawnReason> => {
  // A limit on namespaces, which is no device.
  if (errno === "ENOSPC" && failure.step === "containment") return containment(plan, errno)
  if (failure.step === "namespace") return new Reason.NamespaceSetup(NamespaceExplain.problemOf(plan.request, failure))
  if (errno === "ETIMEDOUT") {
    const waiting = await fifo(plan)
    if (waiting !== undefined) return waiting
  }
  if (exhausted.has(errno)) return new Reason.ResourcesExhausted({ errno })
  if (errno === "EOPNOTSUPP" && failure.step !== "sandbox") return unsupported(plan, failure)
  switch (failure.step) {
    case "descriptor":
      return descriptor(plan, failure.target, errno)
    case "cwd":
      return new Reason.WorkingDirectory({ path: directoryOf(plan.request), errno })
    case "credentials":
      return SetupFailure.credentials(plan.request, failure.target, errno)
    case "limits":
      return SetupFailure.limits(plan.request, failure.target, errno)
    case "containment":
      return containment(plan, errno)
    case "sandbox":
      return SetupFailure.sandbox(plan.request, failure.target, errno)
    case "terminal":
      return SetupFailure.terminal(plan.request, errno)
    case "exec":
      return exec(plan, errno)
    case "request":
      return errno === "E2BIG"
        ? tooLarge(plan)
        : new Reason.InvalidArgument({ option: "command", problem: `was refused: ${Errno.describe(errno)}` })
    case "helper":
    case "fork":
    case "session":
      return new Reason.ResourcesExhausted({ errno })
  }
}

const containment = ({ request: { level } }: Attempt, errno: string): Reason.SpawnReason =>
  new Reason.Containment({
    level,
    problem: level === "pid-namespace" ? namespaceProblem(errno) : Errno.describe(errno)
  })

const descriptor = (plan: Attempt, target: number, errno: string): Reason.SpawnReason => {
  const file = plan.request.fds.find((fd) => fd.target === target && fd.kind === "file")
  return new Reason.Descriptor({
    descriptor: target,
    errno,
    ...(file?.kind === "file" ? { path: file.path } : undefined)
  })
}

/** The first file of the command that waits for somebody at its other end. */
const fifo = async ({ request }: Attempt): Promise<Reason.SpawnReason | undefined> => {
  for (const fd of request.fds) {
    if (fd.kind !== "file" || !(await isFifo(fd.path))) continue
    const [other, does] = fd.mode === "read" ? ["writer", "writes to"] : ["reader", "reads"]
    return new Reason.Descriptor({
      descriptor: fd.target,
      errno: "ETIMEDOUT",
      path: fd.path,
      problem: `it is a FIFO that nobody ${does}: let its ${other} open it first, or open it by Fd.file with \`access: "read-write"\``
    })
  }
  return undefined
}

const isFifo = async (path: string): Promise<boolean> => {
  try {
    return (await FsPromises.stat(path)).isFIFO()
  } catch {
    return false
  }
}

const unsupported = (plan: Attempt, failure: SpawnFailure): Reason.SpawnReason => {
  const problem =
    "this layer cannot do it; Nursery.guarantees says what it can, and the keeper (Nursery.layer) can do it"
  if (failure.step === "session") {
    return new Reason.Unsupported({ feature: `session ${JSON.stringify(plan.request.session)}`, problem })
  }
  if (failure.step === "terminal") return new Reason.Unsupported({ feature: "foreground", problem })
  if (failure.step === "descriptor") {
    const kind = plan.request.fds.find((fd: FdRequest) => fd.target === failure.target)?.kind ?? "this kind"
    return new Reason.Unsupported({ feature: `descriptor ${failure.target} as ${kind}`, problem })
  }
  return new Reason.Unsupported({ feature: plan.request.umask === undefined ? "the command" : "umask", problem })
}

/** The kernel limits each string, and all of them together to a quarter of the stack limit (`execve(2)`). */
const tooLarge = (plan: Attempt): Reason.SpawnReason => {
  const { argv, env, clearEnv } = plan.request
  const lengths = argv.map((word) => Buffer.byteLength(word) + 1)
  const longest = lengths.indexOf(Math.max(...lengths))
  const args = lengths.reduce((sum, length) => sum + length, 0)
  const own = env.reduce((sum, [name, value]) => sum + Buffer.byteLength(`${name}=${value ?? ""}`) + 1, 0)
  const inherited = clearEnv ? 0 : inheritedSize()
  const single =
    (lengths[longest] ?? 0) > 128 * 1024 ? `; one argument may have 128 KiB, args[${longest - 1}] has more` : ""
  return new Reason.InvalidArgument({
    option: "args",
    problem: `and the environment are too large: ${args} bytes of arguments, ${own + inherited} bytes of environment (see getconf ARG_MAX)${single}; pass the data through stdin or a file`
  })
}

const inheritedSize = (): number =>
  Object.entries(process.env).reduce((sum, [name, value]) => sum + Buffer.byteLength(`${name}=${value ?? ""}`) + 1, 0)

const exec = async (plan: Attempt, errno: string): Promise<Reason.SpawnReason> => {
  if (errno === "E2BIG") return tooLarge(plan)
  const directory = directoryOf(plan.request)
  const unreachable = await Binary.accessible(directory)
  if (unreachable !== undefined) return new Reason.WorkingDirectory({ path: directory, errno: unreachable })
  const candidates = candidatesOf(plan.request, directory)
  const found: Array<string> = []
  for (const path of candidates) if (await exists(path)) found.push(path)
  for (const path of found) {
    const problem = await Binary.problemOf(path, errno)
    if (problem !== undefined) return problem
  }
  return unexplained(plan, errno, found[0] ?? candidates[0] ?? plan.request.program)
}

/** What an error number says of a program in whose file nothing wrong can be seen. */
const unexplained = (plan: Attempt, errno: string, path: string): Reason.SpawnReason => {
  switch (errno) {
    case "ENOENT":
    case "ENOTDIR":
      return notFound(plan)
    case "EACCES":
    case "EPERM":
      return new Reason.PermissionDenied({ path })
    case "ENOEXEC":
      return new Reason.NotExecutable({ path, problem: "format" })
    default:
      return new Reason.InvalidArgument({ option: "program", problem: `cannot be executed: ${Errno.describe(errno)}` })
  }
}

const candidatesOf = ({ program, searchPath }: SpawnRequest, directory: string): ReadonlyArray<string> =>
  program.includes("/")
    ? [Path.resolve(directory, program)]
    : searchPath.split(":").map((entry) => Path.resolve(directory, entry, program))

const notFound = (plan: Attempt): Reason.SpawnReason => {
  const { program, searchPath } = plan.request
  return new Reason.ProgramNotFound({
    program,
    searched: program.includes("/") ? [] : searchPath.split(":").map((entry) => entry || ".")
  })
}

const exists = async (path: string): Promise<boolean> => {
  try {
    await FsPromises.stat(path)
    return true
  } catch {
    return false
  }
}
