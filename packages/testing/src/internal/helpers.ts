/**
 * The helpers of a nursery, as `/proc` shows them: a process has a reaper, which is a child of the keeper, which is a child of the
 * guard.
 *
 * @internal
 */
import { readFileSync } from "node:fs"

export type Helper = "reaper" | "keeper" | "guard"

const distance: Readonly<Record<Helper, number>> = { reaper: 0, keeper: 1, guard: 2 }

interface Stat {
  /** What it calls itself. */
  readonly name: string
  readonly parent: number
}

/** `undefined` for a process that is not there. */
const statOf = (pid: number): Stat | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    // The name in the second field may contain anything: it ends at the last parenthesis.
    const end = stat.lastIndexOf(")")
    return { name: stat.slice(stat.indexOf("(") + 1, end), parent: Number(stat.slice(end + 2).split(" ")[1]) }
  } catch {
    return undefined
  }
}

/** Sends SIGKILL to a helper, counted from the reaper up. Whether it is there. */
export const kill = (helper: Helper, reaper: number): boolean => {
  let pid = reaper
  for (let step = 0; step < distance[helper]; step++) pid = statOf(pid)?.parent ?? 0
  // One whose parent has died is a child of a stranger by now. Reapers show more than their names to root alone.
  if (statOf(pid)?.name !== `nursery-${helper}`) return false
  try {
    return process.kill(pid, "SIGKILL")
  } catch {
    return false
  }
}
