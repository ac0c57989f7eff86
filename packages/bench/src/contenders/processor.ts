/**
 * The processor time of a program and of the processes that it has started.
 */
import { readFileSync } from "node:fs"

/** Seconds that this program and those processes have had; each of these has one thread. */
export const processorTime = (pids: ReadonlyArray<number>): number => {
  const { system, user } = process.cpuUsage()
  const spent = pids.map((pid) => Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[0]))
  return (system + user) / 1e6 + spent.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9
}
