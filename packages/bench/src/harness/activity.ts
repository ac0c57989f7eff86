/**
 * What processes have done so far, as the kernel counts it: to look at it wakes nobody.
 */
import { readdirSync, readFileSync } from "node:fs"

export interface Activity {
  /** How often a thread has gone to sleep of its own will; each is one wake-up. */
  readonly wakeUps: number
  /** Milliseconds of processor time. */
  readonly cpu: number
}

const ofThread = (folder: string): Activity => {
  try {
    const status = readFileSync(`${folder}/status`, "utf8")
    const nanoseconds = Number(readFileSync(`${folder}/schedstat`, "utf8").split(" ")[0])
    return { wakeUps: Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0), cpu: nanoseconds / 1e6 }
  } catch {
    // It has just ended.
    return { wakeUps: 0, cpu: 0 }
  }
}

const threads = (pid: number): ReadonlyArray<string> => {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`)
  } catch {
    return []
  }
}

/** Of all threads of all these processes together. */
export const activity = (pids: ReadonlyArray<number>): Activity => {
  const parts = pids.flatMap(threads).map(ofThread)
  return {
    wakeUps: parts.reduce((sum, part) => sum + part.wakeUps, 0),
    cpu: parts.reduce((sum, part) => sum + part.cpu, 0)
  }
}
