/**
 * Small files of the kernel, in `/proc` and in cgroups, read and written at once: they are made of memory and ask no disk.
 *
 * @internal
 */
import * as Fs from "node:fs"
import { errnoOf } from "../streams/descriptor.ts"

/** What of a file system is needed to find one's place among the cgroups; tests give their own. */
export interface Files {
  /** The text, or the name of the error. */
  readonly read: (path: string) => string | { readonly errno: string }
  /** Whether this user may write it. */
  readonly isWritable: (path: string) => boolean
}

export const files: Files = {
  read: (path) => {
    try {
      return Fs.readFileSync(path, "utf8")
    } catch (error) {
      return { errno: errnoOf(error) }
    }
  },
  isWritable: (path) => {
    try {
      Fs.accessSync(path, Fs.constants.W_OK)
      return true
    } catch {
      return false
    }
  }
}

/** Of what cannot be read: nothing. */
export const textOf = ({ read }: Files, path: string): string => {
  const found = read(path)
  return typeof found === "string" ? found : ""
}

/** The name of the group, below that in which it was started, where a program is that has made way for limits: see way.ts. */
export const programGroup = "nursery-program"
