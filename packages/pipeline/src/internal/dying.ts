/**
 * Whether a process that nobody has told the exit of has begun to end.
 *
 * @internal
 */
import * as Fs from "node:fs"

// PF_EXITING of the kernel: its descriptors may be closed already.
const exiting = 4

/**
 * The exits of processes reach this program by different ways, and a reader that ended because its writer did may be heard of first. The
 * kernel knows: a writer that is dying or dead now, at the end of another process, may have ended before it; one that is alive has not.
 * Where there is no `/proc`, nobody is.
 */
export const isDying = (pid: number): boolean => {
  try {
    const text = Fs.readFileSync(`/proc/${pid}/stat`, "latin1")
    // The name of the program is in parentheses, and may contain anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    const [state = ""] = fields
    return state === "Z" || state === "X" || (Number(fields[6]) & exiting) !== 0
  } catch {
    return Fs.existsSync("/proc/self/stat")
  }
}
