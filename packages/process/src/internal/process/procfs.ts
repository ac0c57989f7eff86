/**
 * What the kernel tells about a running process in `/proc`.
 *
 * @internal
 */

import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import type { ResourceUsage } from "../../ExitStatus.ts"
import { makeUsage } from "../usage.ts"

/** A line of `/proc/<pid>/stat`, as far as it is used here (`proc_pid_stat(5)`). */
export interface Stat {
  readonly pid: number
  readonly name: string
  readonly state: string
  readonly parent: number
  readonly group: number
  /** Of it and of the children that it has waited for, as getrusage(2) has them at the end; likewise the next three. */
  readonly minorFaults: number
  readonly majorFaults: number
  /** Microseconds. */
  readonly userTime: number
  readonly systemTime: number
  readonly threads: number
  /** Milliseconds since the machine was started. */
  readonly startTime: number
  /** Resident, of the size of {@link pageSize}. */
  readonly pages: number
}

/** It has ended; what is left of it is its status. */
export const isDead = ({ state }: Stat): boolean => state === "Z" || state === "X"

// The kernel shows times to user space in hundredths of a second on all its architectures (USER_HZ).
const tickMillis = 10

/** `undefined` for what is not such a line. */
export const parseStat = (line: string): Stat | undefined => {
  // The name may contain anything, parentheses and spaces too: it ends at the last one.
  const open = line.indexOf("(")
  const close = line.lastIndexOf(")")
  if (open === -1 || close === -1) return undefined
  const fields = line.slice(close + 2).split(" ")
  const number = (field: number) => Number(fields[field - 3])
  return {
    pid: Number(line.slice(0, open - 1)),
    name: line.slice(open + 1, close),
    state: fields[0] ?? "",
    parent: number(4),
    group: number(5),
    minorFaults: number(10) + number(11),
    majorFaults: number(12) + number(13),
    userTime: (number(14) + number(16)) * tickMillis * 1000,
    systemTime: (number(15) + number(17)) * tickMillis * 1000,
    threads: number(20),
    startTime: number(22) * tickMillis,
    pages: number(24)
  }
}

/** The text of a file, `undefined` where it cannot be read: in `/proc` because the process is gone. */
export const readText = (path: string): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    Fs.readFile(path, "utf8", (error, text) => resume(Effect.succeed(error === null ? text : undefined)))
  })

/** Of memory, in bytes: the entry AT_PAGESZ of the auxiliary vector (getauxval(3)). */
export const pageSize = Effect.runSync(
  Effect.cached(
    Effect.sync(() => {
      try {
        const vector = Fs.readFileSync("/proc/self/auxv")
        for (let at = 0; at + 16 <= vector.length; at += 16) {
          if (vector.readBigUInt64LE(at) === 6n) return Number(vector.readBigUInt64LE(at + 8))
        }
      } catch {
        // Not shown: nor is anything of other processes.
      }
      return 4096
    })
  )
)

/** Whether there is a process of this pid, be it one that `/proc` does not show (`hidepid`, or no `/proc` at all). */
const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** Of a child of `parent`. `gone`: it has ended, so that it will be told by other ways; `hidden`: it runs, and is not shown. */
export const readStat = (pid: number, parent: number): Effect.Effect<Stat | "gone" | "hidden"> =>
  Effect.map(readText(`/proc/${pid}/stat`), (line) => {
    const stat = line === undefined ? undefined : parseStat(line)
    if (stat === undefined) return exists(pid) ? "hidden" : "gone"
    // The pid of a child that was just waited for may be a stranger's already; a stranger has another parent.
    return stat.parent !== parent || isDead(stat) ? "gone" : stat
  })

/** The usage of a process that is a child of `parent`. */
export const readUsage = Effect.fnUntraced(function* (
  pid: number,
  parent: number
): Effect.fn.Return<ResourceUsage | "gone" | "hidden"> {
  const [stat, status = "", io = ""] = yield* Effect.all(
    [readStat(pid, parent), readText(`/proc/${pid}/status`), readText(`/proc/${pid}/io`)],
    { concurrency: 3 }
  )
  if (typeof stat === "string") return stat
  return makeUsage({
    userTime: stat.userTime,
    systemTime: stat.systemTime,
    maxResidentSet: field(status, "VmHWM") * 1024,
    minorFaults: stat.minorFaults,
    majorFaults: stat.majorFaults,
    blockInput: Math.floor(field(io, "read_bytes") / blockSize),
    blockOutput: Math.floor(field(io, "write_bytes") / blockSize),
    voluntarySwitches: field(status, "voluntary_ctxt_switches"),
    involuntarySwitches: field(status, "nonvoluntary_ctxt_switches")
  })
})

// getrusage(2) counts blocks of this size.
const blockSize = 512

/** 0 where it is not shown: `io` is for those who may trace the process. */
export const field = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+([0-9]+)`, "m").exec(text)?.[1] ?? 0)
