/**
 * Finds and ends whatever a supervisor has left: processes that a peer leaves behind belong to nobody any more, but they still have
 * the environment and the command line they were started with.
 *
 * The marker is the path of a folder that exists once in the world. Only those count that have it in their environment or command line,
 * and never this process.
 */
import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

/** Undefined where the process has just ended, or is another user's. */
const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return undefined
  }
}

const hasMarker = (pid: number, marker: string): boolean =>
  read(`/proc/${pid}/cmdline`)?.includes(marker) === true || read(`/proc/${pid}/environ`)?.includes(marker) === true

const check = (marker: string): void => {
  // Part of a common path or name would find what is none of ours.
  if (!/\/nursery-bench-[^/]{6,}(\/|$)/.test(marker)) throw new Error(`${marker} is no marker`)
}

/** All living processes that have it. Zombies have neither environment nor command line. */
export const marked = (marker: string): ReadonlyArray<number> => {
  check(marker)
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && hasMarker(pid, marker))
}

const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended by itself.
  }
}

/** Waits until none is left; those that still are after `milliseconds`. */
export const gone = async (marker: string, milliseconds: number): Promise<ReadonlyArray<number>> => {
  const deadline = performance.now() + milliseconds
  for (;;) {
    const left = marked(marker)
    if (left.length === 0 || performance.now() > deadline) return left
    await sleep(20)
  }
}

/** Ends all of them, and those that they start meanwhile. Returns how many there were. */
export const sweep = async (marker: string): Promise<number> => {
  const found = new Set<number>()
  for (let pass = 0; pass < 100; pass++) {
    const left = marked(marker)
    if (left.length === 0) return found.size
    for (const pid of left) {
      found.add(pid)
      kill(pid)
    }
    await sleep(5)
  }
  throw new Error(`${marked(marker).join(" ")} cannot be ended`)
}
