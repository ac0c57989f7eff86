/**
 * From the step and error number of a failed setup of namespaces to what it was about and what can be done.
 *
 * @internal
 */
import type { NamespaceItem, SetupItem, SpawnFailure, SpawnRequest } from "../backend.ts"
import * as Errno from "../errno.ts"
import { namespaceProblem } from "../namespaceProblem.ts"
import { showPath } from "../text.ts"

export interface Problem {
  readonly namespace?: string
  readonly step: "make" | "mount" | "hostname" | "loopback" | "enter" | "connect"
  readonly errno: string
  readonly problem: string
}

const mounting = (item: NamespaceItem & { readonly kind: "mount" }, errno: string): string => {
  const where = item.source === "" ? showPath(item.target) : `${showPath(item.source)} at ${showPath(item.target)}`
  const what = { tmpfs: "a tmpfs", bind: "bind", bindReadOnly: "bind", readOnly: "read-only" }[item.how]
  return `cannot mount ${item.how === "tmpfs" ? `${what} at` : what} ${where}: ${Errno.describe(errno)}`
}

const entering = (errno: string): string => {
  switch (errno) {
    case "ESRCH":
      return "the process that they belong to has ended"
    case "EPERM":
      return "only who has privilege in them, and in the user namespace of this program, may enter them: enter their user namespace too"
    default:
      return Errno.describe(errno)
  }
}

const connected = (errno: string, problem: string): Problem => ({
  namespace: "network",
  step: "connect",
  errno,
  problem
})

const joining = (errno: string): string => {
  switch (errno) {
    case "EPERM":
      return "only who has privilege over both networks may connect them: make one of them with the user namespace of the other (`user`), or run this program as root"
    case "EEXIST":
      return "there is a device of that name already"
    case "EOPNOTSUPP":
      return "this kernel has no such devices (CONFIG_VETH)"
    case "ESRCH":
      return "the process that holds it has ended"
    default:
      return Errno.describe(errno)
  }
}

const making = (asked: NamespaceItem | undefined, errno: string): string =>
  errno === "ERANGE" && asked?.kind === "namespaces" && asked.make.includes("time")
    ? "a clock would be before its beginning, or too far ahead"
    : namespaceProblem(errno)

const isAsked = (item: SetupItem): item is NamespaceItem & { readonly kind: "namespaces" } => item.kind === "namespaces"

/** Of an item, or of the init of a pid namespace, which is made before there are any. */
export const problemOf = ({ setup = [] }: SpawnRequest, failure: SpawnFailure): Problem => {
  const errno = Errno.fromNumber(failure.errno)
  const item = failure.step === "namespace" ? setup[failure.target] : undefined
  switch (item?.kind) {
    case "mount":
      return { namespace: "mount", step: "mount", errno, problem: mounting(item, errno) }
    case "hostname":
      return { namespace: "uts", step: "hostname", errno, problem: Errno.describe(errno) }
    case "loopback":
      return { namespace: "network", step: "loopback", errno, problem: Errno.describe(errno) }
    case "enter":
      return { namespace: item.namespaces.join(", "), step: "enter", errno, problem: entering(errno) }
    case "enterPath":
      return { namespace: item.namespace, step: "enter", errno, problem: `${showPath(item.path)}: ${entering(errno)}` }
    case "veth":
      return connected(errno, `no pair of ${showPath(item.near)} and ${showPath(item.far)}: ${joining(errno)}`)
    case "address":
      return connected(errno, `no address ${item.address.text} for ${showPath(item.device)}: ${Errno.describe(errno)}`)
    case "linkUp":
      return connected(errno, `${showPath(item.device)} does not go up: ${Errno.describe(errno)}`)
    case "route": {
      const by = item.via === undefined ? "" : ` by ${item.via.text}`
      return connected(errno, `no route to ${item.to.text}${by} for ${showPath(item.device)}: ${Errno.describe(errno)}`)
    }
    default: {
      const asked = setup.find(isAsked)
      const names = asked?.make.join(", ") ?? "pid"
      const exhausted = failure.step !== "namespace" && failure.step !== "containment"
      return {
        namespace: names,
        step: "make",
        errno,
        problem: exhausted ? Errno.describe(errno) : making(asked, errno)
      }
    }
  }
}
