/**
 * What of a sandbox the kernel offers, by the version of Landlock's interface.
 *
 * @internal
 */
import type { SandboxGuarantee } from "../guarantees.ts"

/** By which version each came, and with which kernel (`landlock(7)`). */
const needs = [
  { feature: "read", abi: 1, since: "5.13" },
  // Before its version truncate(2) is not held back, and so a file could be emptied.
  { feature: "write", abi: 3, since: "6.2" },
  { feature: "execute", abi: 1, since: "5.13" },
  { feature: "connect", abi: 4, since: "6.7" },
  { feature: "bind", abi: 4, since: "6.7" },
  { feature: "signals", abi: 6, since: "6.12" },
  { feature: "abstract-sockets", abi: 6, since: "6.12" }
] as const

const off =
  "this kernel has no Landlock (Linux 5.13 with CONFIG_SECURITY_LANDLOCK, and `landlock` among the modules of lsm=)"

const reasonOf = (abi: number, needed: number, since: string): string => {
  if (abi >= needed) return ""
  return abi === 0
    ? off
    : `it came with version ${needed} of Landlock (Linux ${since}), and this kernel has version ${abi}`
}

const offered = (feature: SandboxGuarantee["feature"], reason: string): SandboxGuarantee => ({
  feature,
  available: reason === "",
  reason
})

export const sandboxGuarantees = (abi: number, filters: boolean): ReadonlyArray<SandboxGuarantee> => [
  ...needs.map(({ feature, abi: needed, since }) => offered(feature, reasonOf(abi, needed, since))),
  offered(
    "seccomp",
    filters ? "" : "this kernel takes no filters (CONFIG_SECCOMP_FILTER), or does not let this program"
  )
]

/** What a sandbox of an older kernel does otherwise, in words. */
export const sandboxLimits = (abi: number): ReadonlyArray<string> => [
  ...(abi === 1
    ? ["a sandbox of files forbids to move files from directory to directory, wherever it allows to write"]
    : []),
  ...(abi > 0 && abi < 5 ? ["a sandbox with `write` does not hold back ioctl(2) on devices that it does not list"] : [])
]
