/**
 * From the descriptors that were asked for to the `stdio` of Node, and back from the child's sockets to our ends.
 *
 * @internal
 */
import type * as ChildProcess from "node:child_process"
import { Socket } from "node:net"
import type { FdRequest, OpenedFd } from "../backend.ts"
import type { Files } from "./files.ts"

/** Node opens `/dev/null` in the child for each number below the largest, so that one is kept small. */
export const largestTarget = 255

export type Entry = ChildProcess.IOType | number

export const stdioOf = (fds: ReadonlyArray<FdRequest>, files: Files): Array<Entry> => {
  const stdio: Array<Entry> = ["ignore", "ignore", "ignore"]
  for (const fd of fds) {
    while (stdio.length <= fd.target) stdio.push("ignore")
    stdio[fd.target] = entryOf(fd, files)
  }
  return stdio
}

const entryOf = (fd: FdRequest, files: Files): Entry => {
  switch (fd.kind) {
    case "inherit":
      return fd.source
    case "file":
      return files.get(fd.target) ?? "ignore"
    case "pipeIn":
    case "pipeOut":
    case "duplex":
      return "pipe"
    case "null":
    case "joined":
    case "held":
      return "ignore"
  }
}

export const openedOf = (fds: ReadonlyArray<FdRequest>, child: ChildProcess.ChildProcess): Array<OpenedFd> => {
  const opened: Array<OpenedFd> = []
  for (const fd of fds) {
    if (fd.kind !== "pipeIn" && fd.kind !== "pipeOut" && fd.kind !== "duplex") continue
    const handle: unknown = child.stdio[fd.target]
    if (!(handle instanceof Socket)) continue
    // The end of what we read is not the end of what we write.
    handle.allowHalfOpen = true
    // Node sets the sockets of a dead child flowing, which throws away what nobody has read: not those with this listener.
    handle.on("readable", noop)
    // Nobody may be there to hear of an error yet, and an unheard one would end this program.
    handle.on("error", noop)
    handle.unref()
    opened.push({ target: fd.target, kind: fd.kind, handle })
  }
  return opened
}

const noop = () => {}
