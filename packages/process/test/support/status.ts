/** What the kernel shows of a process: limits, priority and identity. */
import { readFileSync } from "node:fs"

const line = (path: string, start: string): string =>
  new RegExp(`^${start}[ \\t]*(.*)$`, "m").exec(readFileSync(path, "utf8"))?.[1]?.trim() ?? ""

/** A line of `/proc/<pid>/status`. */
export const status = (pid: number | "self", name: string): string => line(`/proc/${pid}/status`, `${name}:`)

/** Soft and hard, as `/proc/<pid>/limits` shows them. */
export const limit = (pid: number | "self", name: string): readonly [soft: string, hard: string] => {
  const [soft = "", hard = ""] = line(`/proc/${pid}/limits`, `Max ${name}`).split(/\s+/)
  return [soft, hard]
}

/** A field of `/proc/<pid>/stat`, by its number in proc_pid_stat(5). */
export const stat = (pid: number, field: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1")
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[field - 3])
}

export const oomScoreAdjust = (pid: number | "self"): number =>
  Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"))

/** User and group ids: real, effective, saved, of the file system. */
export const ids = (pid: number, name: "Uid" | "Gid"): ReadonlyArray<number> =>
  status(pid, name).split("\t").map(Number)

export const groups = (pid: number | "self"): ReadonlyArray<number> =>
  status(pid, "Groups")
    .split(" ")
    .filter((text) => text !== "")
    .map(Number)

/** A set of capabilities, such as `CapEff`. */
export const capabilities = (pid: number | "self", set: string): bigint => BigInt(`0x${status(pid, set)}`)

/** Whether this program has a capability, by its number in capabilities(7). Containers take some from root, too. */
export const isCapable = (capability: number): boolean =>
  ((capabilities("self", "CapEff") >> BigInt(capability)) & 1n) === 1n

export const CAP_SETGID = 6
export const CAP_SETUID = 7
export const CAP_SETPCAP = 8
export const CAP_NET_ADMIN = 12
export const CAP_SYS_ADMIN = 21
export const CAP_SYS_NICE = 23
export const CAP_SYS_RESOURCE = 24
