/**
 * Which namespaces of a process differ from those of this program.
 *
 * @internal
 */
import { readlinkSync } from "node:fs"
import type { NamespaceKind } from "../backend.ts"

const files: Record<NamespaceKind, string> = {
  user: "user",
  pid: "pid",
  mount: "mnt",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  time: "time"
}

export const all: ReadonlyArray<NamespaceKind> = ["user", "pid", "mount", "network", "ipc", "uts", "cgroup", "time"]

const linkOf = (pid: number | "self", kind: NamespaceKind): string => readlinkSync(`/proc/${pid}/ns/${files[kind]}`)

const isKnown = (kind: NamespaceKind): boolean => {
  try {
    return linkOf("self", kind) !== ""
  } catch {
    return false
  }
}

/** Those that this kernel has. */
let known: ReadonlyArray<NamespaceKind> | undefined

/** Throws where this program may not look. */
export const differing = (pid: number): ReadonlyArray<NamespaceKind> => {
  known ??= all.filter(isKnown)
  return known.filter((kind) => linkOf(pid, kind) !== linkOf("self", kind))
}
