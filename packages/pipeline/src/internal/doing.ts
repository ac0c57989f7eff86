/**
 * What a process is doing at this moment, and what has gone through it, as the kernel tells in `/proc`.
 *
 * @internal
 */
import * as Fs from "node:fs"

/**
 * `reads`, `writes`: it waits for a pipe that is empty, or full. `polls`: it waits for one of several things. `works`: anything else, be it on
 * a processor or asleep.
 */
export type Doing = "reads" | "writes" | "polls" | "works"

// The functions of the kernel in which a process waits (`wchan`, proc_pid_wchan(5)); those of pipes since Linux 5.5.
const waits: ReadonlyArray<readonly [RegExp, Doing]> = [
  [/^(anon_|fifo_)?pipe_(read|wait_readable)$/, "reads"],
  [/^(anon_|fifo_)?pipe_(write|wait_writable)$/, "writes"],
  [/poll|^do_select$/, "polls"]
]

const readText = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "latin1")
  } catch {
    return undefined
  }
}

/** Of its main thread. `undefined` where the kernel does not tell: it is for those who may trace the process. */
export const doing = (pid: number): Doing | undefined => {
  const where = readText(`/proc/${pid}/wchan`)
  if (where === undefined) return undefined
  if (where !== "0") return waits.find(([pattern]) => pattern.test(where))?.[1] ?? "works"
  // It waits for nothing, or nothing is told.
  const stat = readText(`/proc/${pid}/stat`) ?? ""
  return /^[RD]/.test(stat.slice(stat.lastIndexOf(")") + 2)) ? "works" : undefined
}

/** Bytes that the system calls of a process, and of those that it has waited for, have read and written. */
export interface Transferred {
  readonly read: number
  readonly written: number
}

export const transferred = (pid: number): Transferred | undefined => {
  const [, read, written] = /^rchar: (\d+)\nwchar: (\d+)$/m.exec(readText(`/proc/${pid}/io`) ?? "") ?? []
  return read === undefined ? undefined : { read: Number(read), written: Number(written) }
}
