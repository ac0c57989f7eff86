/**
 * From the step and error number of what could not be held to a reason that helps.
 *
 * @internal
 */
import { readFileSync } from "node:fs"
import {
  AccessDenied,
  AddressInUse,
  AddressUnavailable,
  FdError,
  type FdReason,
  PathTaken,
  PathUnusable,
  PrivilegedPort,
  StaleSocket
} from "../../FdError.ts"
import { InvalidArgument, ResourcesExhausted, Unsupported } from "../../ProcessError.ts"
import * as Errno from "../errno.ts"
import type { HeldFailure, HeldRequest } from "../held.ts"
import { pathProblem } from "../pathAdvice.ts"

const exhausted = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "ENOBUFS", "EDQUOT", "EAGAIN", "ETIMEDOUT"])

const lowestPort = (): number => {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"))
  } catch {
    return 1024
  }
}

const notThere = 'ask for `create: "missing"` to make it, or correct the path'
const folderNotThere = "make the folder that it is to be in first, or correct the path"

const fileProblem = (errno: string, creates: boolean): string =>
  pathProblem(errno, {
    ENOENT: creates ? folderNotThere : notThere,
    EEXIST: 'remove it, or take it as it is with `create: "missing"`',
    ENXIO:
      'it is a FIFO that nobody reads, or the file of a device that is not there: let its reader open it first, or ask for `access: "read-write"`'
  })

const denied = (target: string, errno: string): AccessDenied =>
  new AccessDenied({
    target,
    problem: `${Errno.describe(errno)}: this program needs permission to search every folder above it and to ${
      errno === "EPERM" ? "change its owner, which takes privilege (CAP_CHOWN)" : "write or read there"
    }`
  })

const ofListen = (
  request: HeldRequest & { readonly kind: "listen" },
  { step }: HeldFailure,
  errno: string,
  name: string
): FdReason => {
  const { at } = request
  const isPath = at.family === "path"
  if (step === "stale") return new StaleSocket({ path: name })
  if (errno === "EADDRINUSE") return new AddressInUse({ address: name })
  if (errno === "EADDRNOTAVAIL" || errno === "EAFNOSUPPORT") return new AddressUnavailable({ address: name, errno })
  if (errno === "ENOTSOCK") return new PathTaken({ path: name })
  if (errno === "EACCES" && !isPath && at.family !== "abstract") {
    return new PrivilegedPort({ port: at.port, lowest: lowestPort() })
  }
  if (errno === "EACCES" || errno === "EPERM") return denied(name, errno)
  return isPath
    ? new PathUnusable({ path: name, errno, problem: pathProblem(errno, { ENOENT: folderNotThere }) })
    : new InvalidArgument({ option: "options", problem: `were refused by the kernel: ${Errno.describe(errno)}` })
}

const ptyProblem = (errno: string): string =>
  errno === "ENOENT"
    ? "there is no /dev/ptmx here: mount devpts(5), or bind it into the container"
    : `${Errno.describe(errno)}: /dev/ptmx has to be there for every user (mode 0666), and the keeper to be readable (0755)`

const reasonOf = (request: HeldRequest, failure: HeldFailure, errno: string, name: string): FdReason => {
  if (failure.step === "credentials") {
    return new AccessDenied({
      target: name,
      problem:
        "this program has changed its user since the keeper was started, which still has the rights of the old one: make it before the change, or open a nursery after it"
    })
  }
  if (exhausted.has(errno)) return new ResourcesExhausted({ errno })
  switch (request.kind) {
    case "listen":
      return ofListen(request, failure, errno, name)
    case "file":
      return errno === "EACCES" || errno === "EPERM"
        ? denied(request.path, "EACCES")
        : new PathUnusable({ path: request.path, errno, problem: fileProblem(errno, request.create) })
    case "pty":
      return new Unsupported({ feature: "Fd.pty", problem: ptyProblem(errno) })
    default:
      return new Unsupported({ feature: request.kind, problem: Errno.describe(errno) })
  }
}

/** `operation` is to be read after "cannot", `name` what it is about. */
export const explain = (request: HeldRequest, failure: HeldFailure, operation: string, name: string): FdError => {
  const errno = Errno.fromNumber(failure.errno)
  return new FdError({ reason: reasonOf(request, failure, errno, name), operation, step: failure.step, errno })
}
