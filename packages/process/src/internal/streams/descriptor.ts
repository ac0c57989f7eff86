/**
 * Reading and writing a nonblocking descriptor at once, without waiting.
 *
 * Most processes say little and end soon. For them one `read` and one `write` do all the work, where registering the
 * descriptor with the event loop would cost ten times as much.
 *
 * @internal
 */
import * as Fs from "node:fs"

/** What a read or write that could not be done says instead of a count. */
export const wouldBlock = -1

/** Another failure: its name, such as `"EPIPE"`. */
export type Outcome = number | string

/** The error name of what Node threw, `"EIO"` where it names none. */
export const errnoOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string" ? cause.code : "EIO"

const outcomeOf = (cause: unknown): Outcome => {
  const errno = errnoOf(cause)
  return errno === "EAGAIN" ? wouldBlock : errno
}

/** The count of bytes read, 0 at the end of file, {@link wouldBlock}, or the name of an error. */
export const tryRead = (fd: number, into: Uint8Array): Outcome => {
  try {
    return Fs.readSync(fd, into, 0, into.length, null)
  } catch (cause) {
    return outcomeOf(cause)
  }
}

/** The count of bytes written, which may be less than all, {@link wouldBlock}, or the name of an error. */
export const tryWrite = (fd: number, chunks: ReadonlyArray<Uint8Array>): Outcome => {
  try {
    return chunks.length === 1 && chunks[0] !== undefined
      ? Fs.writeSync(fd, chunks[0])
      : Fs.writevSync(fd, chunks.slice(0, maxVectors))
  } catch (cause) {
    return outcomeOf(cause)
  }
}

// IOV_MAX of Linux: writev takes no more at once.
const maxVectors = 1024

/** Closes a descriptor that this module's users own. */
export const close = (fd: number): void => {
  try {
    Fs.closeSync(fd)
  } catch {
    // EIO and the like from close(2): the descriptor is free nevertheless, and nothing was promised about its bytes.
  }
}
