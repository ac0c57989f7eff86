/**
 * The helpers of a nursery, as `/proc` shows them: a process has a reaper, which is a child of the keeper, which is a child of the
 * guard.
 *
 * @internal
 */
import { readFileSync, readlinkSync } from "node:fs"

export type Helper = "reaper" | "keeper" | "guard"

const distance: Readonly<Record<Helper, number>> = { reaper: 0, keeper: 1, guard: 2 }

/** `undefined` for a process that is not there. */
const parentOf = (pid: number): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    // The name in the second field may contain anything: it ends at the last parenthesis.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
  } catch {
    return undefined
  }
}

/** All helpers are one program. */
const programOf = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return undefined
  }
}

/** Sends SIGKILL to a helper, counted from the reaper up. Whether it is there. */
export const kill = (helper: Helper, reaper: number): boolean => {
  let pid: number | undefined = reaper
  for (let step = 0; step < distance[helper] && pid !== undefined; step++) pid = parentOf(pid)
  // One whose parent has died is a child of a stranger by now.
  if (pid === undefined || programOf(pid) === undefined || programOf(pid) !== programOf(reaper)) return false
  try {
    return process.kill(pid, "SIGKILL")
  } catch {
    return false
  }
}
