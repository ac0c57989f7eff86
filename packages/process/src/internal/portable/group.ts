/**
 * Process groups, by their id.
 *
 * @internal
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Option from "effect/Option"
import * as Signal from "../../Signal.ts"
import * as Errno from "../errno.ts"
import { parseStat } from "../process/procfs.ts"
import { errnoOf } from "../streams/descriptor.ts"

export const SIGKILL = Signal.toNumber("SIGKILL")
export const SIGCONT = Signal.toNumber("SIGCONT")

const invalid = 22

/** Sends a signal to a process, or for a negative number to a group. An error number, 0 for success. */
export const send = (pid: number, signal: number): number => {
  try {
    process.kill(pid, platformNumber(signal))
    return 0
  } catch (cause) {
    return Errno.toNumber(errnoOf(cause)) ?? invalid
  }
}

/** The platform's own number of a signal that has a name there; our numbers are those of Linux. */
const platformNumber = (signal: number): number => {
  if (process.platform === "linux") return signal
  const name = Option.getOrUndefined(Signal.fromNumber(signal))
  return Object.entries(Os.constants.signals).find(([key]) => key === name)?.[1] ?? signal
}

/** Whether somebody lives in a group. Who has died but has not been waited for does not count where that can be told. */
export const isAlive = (group: number): boolean => {
  if (group === 0) return false
  try {
    process.kill(-group, 0)
  } catch (cause) {
    // A group of the dead only is ESRCH on Linux once they are waited for, EPERM on macOS before.
    return errnoOf(cause) === "EPERM" && process.platform === "linux"
  }
  return process.platform !== "linux" || hasLivingMember(group)
}

const hasLivingMember = (group: number): boolean => {
  try {
    return Fs.readdirSync("/proc").some((entry) => {
      const stat = /^[0-9]+$/.test(entry) ? parseStat(readStat(entry)) : undefined
      return stat !== undefined && stat.group === group && stat.state !== "Z" && stat.state !== "X"
    })
  } catch {
    // Without /proc the kernel's word has to do.
    return true
  }
}

const readStat = (pid: string): string => {
  try {
    return Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  } catch {
    return ""
  }
}
