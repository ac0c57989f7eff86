/**
 * The files that descriptors of a child are connected to, opened here and closed once the child has them.
 *
 * @internal
 */
import * as Fs from "node:fs"
import type { FdRequest } from "../backend.ts"
import * as Errno from "../errno.ts"
import { close, errnoOf } from "../streams/descriptor.ts"

export interface Files {
  /** The descriptor in this program for a descriptor of the child. */
  readonly get: (target: number) => number | undefined
  readonly close: () => void
}

export type OpenResult = ({ readonly errno: undefined } & Files) | { readonly errno: number; readonly target: number }

const flags = {
  read: Fs.constants.O_RDONLY,
  truncate: Fs.constants.O_WRONLY | Fs.constants.O_CREAT | Fs.constants.O_TRUNC,
  append: Fs.constants.O_WRONLY | Fs.constants.O_CREAT | Fs.constants.O_APPEND
}

/** All of them or none; `done` is called at once where there are none. */
export const openFiles = (fds: ReadonlyArray<FdRequest>, done: (result: OpenResult) => void): void => {
  const wanted = fds.filter((fd) => fd.kind === "file")
  const opened = new Map<number, number>()
  const closeAll = () => {
    for (const fd of opened.values()) close(fd)
    opened.clear()
  }
  const next = (index: number): void => {
    const file = wanted[index]
    if (file === undefined) {
      done({ errno: undefined, get: (target) => opened.get(target), close: closeAll })
      return
    }
    Fs.open(file.path, flags[file.mode], 0o666, (error, fd) => {
      if (error !== null) {
        closeAll()
        done({ errno: Errno.toNumber(errnoOf(error)) ?? ioError, target: file.target })
      } else {
        opened.set(file.target, fd)
        next(index + 1)
      }
    })
  }
  next(0)
}

const ioError = 5
