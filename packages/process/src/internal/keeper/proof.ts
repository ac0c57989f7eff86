/**
 * Waits until processes are gone that are not our children, when the helper is dead that would have told us.
 *
 * @internal
 */
import { readFileSync } from "node:fs"

const INTERVAL = 10

/** A zombie is dead: whoever should collect it may take its time. */
const isAlive = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const state = stat[stat.lastIndexOf(")") + 2]
    return state !== "Z" && state !== "X"
  } catch {
    return false
  }
}

/** Calls `done` once, later: when all of them are gone, or after `limit` milliseconds. `held`: the event loop waits for it. */
export const awaitGone = (pids: ReadonlyArray<number>, limit: number, held: boolean, done: () => void): void => {
  const end = performance.now() + limit
  const timer = setInterval(() => {
    if (performance.now() < end && pids.some(isAlive)) return
    clearInterval(timer)
    done()
  }, INTERVAL)
  if (!held) timer.unref()
}
