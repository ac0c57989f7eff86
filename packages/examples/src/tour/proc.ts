/**
 * What the kernel says about processes, read from /proc: the evidence of the tour, which asks no part of Nursery.
 */
import { readdirSync, readFileSync } from "node:fs"

/** A process for good: a pid alone may be given to another process later, a pid with its start time is not. */
export interface Identity {
  readonly pid: number
  /** Ticks of the clock from the start of the machine to the start of the process. */
  readonly startTime: number
}

export interface Entry extends Identity {
  readonly parent: number
  readonly session: number
  /** "R", "S", ... and "Z" for one that is dead and has not been waited for. */
  readonly state: string
  /** The arguments, each without its directories; the name alone of a zombie, which has none, and of a helper. */
  readonly line: string
}

const read = (pid: number | string, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1")
  } catch {
    // It has ended, or belongs to somebody whose secrets are none of ours.
    return undefined
  }
}

const lineOf = (pid: number, name: string): string => {
  const words = read(pid, "cmdline")?.split("\0").slice(0, -1) ?? []
  // The helpers of a nursery are forks of one program, told apart by their names.
  if (words.length === 0 || name.startsWith("nursery-")) return name
  return words.map((word) => word.slice(word.lastIndexOf("/") + 1)).join(" ")
}

/** `proc(5)`: pid, the name in parentheses, which may hold anything, then numbers. */
export const lookUp = (pid: number): Entry | undefined => {
  const stat = read(pid, "stat")
  if (stat === undefined) return undefined
  const end = stat.lastIndexOf(")")
  const fields = stat.slice(end + 2).split(" ")
  const field = (number: number) => Number(fields[number - 3])
  return {
    pid,
    parent: field(4),
    session: field(6),
    startTime: field(22),
    state: fields[0] ?? "?",
    line: lineOf(pid, stat.slice(stat.indexOf("(") + 1, end))
  }
}

const pids = (): ReadonlyArray<number> => readdirSync("/proc").map(Number).filter(Number.isInteger)

export const all = (): ReadonlyArray<Entry> => pids().flatMap((pid) => lookUp(pid) ?? [])

/** Everything below a process: its children, their children, and so on, each after its parent. */
export const below = (pid: number): ReadonlyArray<Entry> => {
  const entries = all()
  const childrenOf = (parent: number): ReadonlyArray<Entry> =>
    entries.filter((entry) => entry.parent === parent).flatMap((entry) => [entry, ...childrenOf(entry.pid)])
  return childrenOf(pid)
}

/** Everything that was started with `variable` in its environment, as far as this user may look; this program is not. */
export const carriers = (variable: string): ReadonlyArray<Entry> =>
  pids()
    .filter((pid) => pid !== process.pid && read(pid, "environ")?.split("\0").includes(variable) === true)
    .flatMap((pid) => lookUp(pid) ?? [])

/** Those of the processes that are still there, zombies included. */
export const remaining = (identities: Iterable<Identity>): ReadonlyArray<Entry> =>
  Array.from(identities).flatMap(({ pid, startTime }) => {
    const entry = lookUp(pid)
    return entry?.startTime === startTime ? [entry] : []
  })
