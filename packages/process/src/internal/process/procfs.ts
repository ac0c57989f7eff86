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
  readonly minorFaults: number
  readonly majorFaults: number
  /** Microseconds. */
  readonly userTime: number
  readonly systemTime: number
  /** Milliseconds since the machine was started. */
  readonly startTime: number
}

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
    minorFaults: number(10),
    majorFaults: number(12),
    userTime: number(14) * tickMillis * 1000,
    systemTime: number(15) * tickMillis * 1000,
    startTime: number(22) * tickMillis
  }
}

/** The text of a file, `undefined` where it cannot be read: in `/proc` because the process is gone. */
export const readText = (path: string): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    Fs.readFile(path, "utf8", (error, text) => resume(Effect.succeed(error === null ? text : undefined)))
  })

/** The usage of a process that is a child of `parent`; `undefined` where it is not, or cannot be told here. */
export const readUsage = Effect.fnUntraced(function* (
  pid: number,
  parent: number
): Effect.fn.Return<ResourceUsage | undefined> {
  const [line = "", status = "", io = ""] = yield* Effect.all(
    [readText(`/proc/${pid}/stat`), readText(`/proc/${pid}/status`), readText(`/proc/${pid}/io`)],
    { concurrency: 3 }
  )
  const stat = parseStat(line)
  // The pid of a child that was just waited for may be a stranger's already; a stranger has another parent.
  if (stat === undefined || stat.parent !== parent) return undefined
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
const field = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+([0-9]+)`, "m").exec(text)?.[1] ?? 0)
