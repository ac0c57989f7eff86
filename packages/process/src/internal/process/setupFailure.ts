/**
 * Why something could not be arranged for a process, and what can be done.
 *
 * @internal
 */
import * as FsPromises from "node:fs/promises"
import * as Reason from "../../ProcessError.ts"
import type { SetupItem, SpawnRequest } from "../backend.ts"
import { nameOf } from "../command/limits.ts"
import * as Errno from "../errno.ts"
import { showPath } from "../text.ts"

const itemOf = ({ setup }: SpawnRequest, target: number): SetupItem | undefined => setup?.[target]

/** What `/proc/self/limits` calls them, by the number of the resource. */
const shown = [
  "cpu time",
  "file size",
  "data size",
  "stack size",
  "core file size",
  "resident set",
  "processes",
  "open files",
  "locked memory",
  "address space",
  "file locks",
  "pending signals",
  "msgqueue size",
  "nice priority",
  "realtime priority",
  "realtime timeout"
]

/** The hard limit of this program, which is that of its helpers. */
const hardLimit = async (resource: number): Promise<string> => {
  try {
    const text = await FsPromises.readFile("/proc/self/limits", "utf8")
    return new RegExp(`^Max ${shown[resource]}\\s+\\S+\\s+(\\S+)`, "m").exec(text)?.[1] ?? "not known"
  } catch {
    return "not known"
  }
}

const limitProblem = async (resource: number, errno: string): Promise<string | undefined> => {
  if (errno !== "EPERM" && errno !== "EINVAL") return undefined
  const hard = await hardLimit(resource)
  if (errno === "EINVAL") return `the soft limit would be above the hard one, which is ${hard} here: give \`hard\` too`
  const most = nameOf(resource) === "nofile" ? ", and nobody above fs.nr_open" : ""
  return `the hard limit is ${hard} here, and raising it takes CAP_SYS_RESOURCE${most}`
}

const refused = (errno: string, problem: string): { readonly problem: string } | undefined =>
  errno === "EPERM" || errno === "EACCES" ? { problem } : undefined

export const limits = async (request: SpawnRequest, target: number, errno: string): Promise<Reason.Limits> => {
  const item = itemOf(request, target)
  switch (item?.kind) {
    case "limit": {
      const problem = await limitProblem(item.resource, errno)
      return new Reason.Limits({
        limit: nameOf(item.resource),
        errno,
        ...(problem === undefined ? undefined : { problem })
      })
    }
    case "nice": {
      const advice = refused(errno, "a niceness below that of this program takes CAP_SYS_NICE or RLIMIT_NICE")
      return new Reason.Limits({ limit: "priority.nice", errno, ...advice })
    }
    case "scheduler": {
      const advice = refused(
        errno,
        "a real-time policy takes CAP_SYS_NICE or RLIMIT_RTPRIO, and a cgroup that has real-time budget"
      )
      return new Reason.Limits({ limit: "priority.policy", errno, ...advice })
    }
    case "ioPriority":
      return new Reason.Limits({ limit: "priority.io", errno, ...refused(errno, "realtime takes CAP_SYS_NICE") })
    case "affinity": {
      const problem =
        "one of the processors is not there, or not allowed here: see Cpus_allowed_list in /proc/self/status"
      return new Reason.Limits({ limit: "affinity", errno, ...(errno === "EINVAL" ? { problem } : undefined) })
    }
    case "oomScore": {
      const advice = refused(errno, "lowering it takes CAP_SYS_RESOURCE; raising it is free")
      return new Reason.Limits({ limit: "oomScoreAdjust", errno, ...advice })
    }
    default:
      return new Reason.Limits({ errno })
  }
}

const terminalProblems: Readonly<Record<string, string>> = {
  EPERM:
    "it is the controlling terminal of another session, whose leader still runs: end that one first, or start this one with `controllingTerminal: false`",
  ENOTTY: "what it has as stdin is no terminal",
  EIO: "it has been hung up: make another one"
}

const foregroundProblems: Readonly<Record<string, string>> = {
  ENXIO: "this program has no controlling terminal: run it in one, or give the process an Fd.pty",
  EBUSY: "another process has it: wait for its exit first",
  EPERM:
    "this program is in the background itself, and does not take the terminal away from its shell: bring it to the foreground (fg)"
}

export const terminal = ({ foreground }: SpawnRequest, errno: string): Reason.TerminalUnavailable =>
  new Reason.TerminalUnavailable({
    use: foreground === true ? "foreground" : "controllingTerminal",
    problem: (foreground === true ? foregroundProblems : terminalProblems)[errno] ?? Errno.describe(errno)
  })

const identityProblem =
  "another user takes CAP_SETUID, other groups CAP_SETGID, and a user namespace maps what it knows"

export const credentials = (request: SpawnRequest, target: number, errno: string): Reason.Credentials => {
  const item = itemOf(request, target)
  switch (item?.kind) {
    case "credentials": {
      const option = item.user === undefined ? "credentials.group" : "credentials.user"
      const advice = errno === "EPERM" || errno === "EINVAL" ? { problem: identityProblem } : undefined
      return new Reason.Credentials({ option, errno, ...advice })
    }
    case "capabilities":
      return new Reason.Credentials({ option: "credentials.capabilities", errno, ...capabilityAdvice(item, errno) })
    default:
      return new Reason.Credentials({ errno })
  }
}

const capabilityAdvice = (
  item: SetupItem & { readonly kind: "capabilities" },
  errno: string
): { readonly problem: string } | undefined => {
  if (errno === "EINVAL") return { problem: "this kernel does not have one of them" }
  if (errno !== "EPERM") return undefined
  return item.bounded
    ? { problem: "one of them is not among those of this program: see CapPrm in /proc/self/status" }
    : { problem: "taking them away for good needs CAP_SETPCAP; without it, ask for noNewPrivileges too" }
}

export const sandbox = (request: SpawnRequest, target: number, errno: string): Reason.SpawnReason => {
  const item = itemOf(request, target)
  if (item?.kind === "sandboxPath") {
    return new Reason.InvalidArgument({
      option: item.option ?? "sandbox",
      problem: `names ${showPath(item.path)}, which cannot be opened: ${Errno.describe(errno)}`
    })
  }
  if (item?.kind === "filter" && errno === "EINVAL") {
    return new Reason.InvalidArgument({
      option: "seccomp",
      problem: "is no program that the kernel takes: see seccomp(2)"
    })
  }
  const feature = item?.kind === "filter" ? "seccomp" : "sandbox"
  return new Reason.Unsupported({ feature, problem: `the kernel refuses it: ${Errno.describe(errno)}` })
}
