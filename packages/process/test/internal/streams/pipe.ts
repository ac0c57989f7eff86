/** A pipe of this program's own, both ends nonblocking. */
import { execFileSync } from "node:child_process"
import { closeSync, constants, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { temporary } from "../../support/native.ts"

export interface Pipe {
  readonly reader: number
  readonly writer: number
}

let count = 0

/** Whoever is given an end closes it. */
export const open = (): Pipe => {
  const path = join(temporary(), `pipe-${++count}`)
  execFileSync("mkfifo", [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  rmSync(path)
  return { reader, writer }
}

/** Closes one end when the test is over, if that has not happened before. */
export const closing = (fd: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.addFinalizer(() => Effect.sync(() => close(fd)))

export const close = (fd: number): void => {
  try {
    closeSync(fd)
  } catch {
    // It was closed before.
  }
}

/** Writes until the pipe takes no more. */
export const fill = (fd: number): void => {
  const chunk = new Uint8Array(4096).fill(46)
  try {
    for (;;) writeSync(fd, chunk)
  } catch {
    // It is full.
  }
}

/** All that is in the pipe at this moment. */
export const take = (fd: number): Buffer => {
  const chunks: Array<Buffer> = []
  try {
    for (;;) {
      const chunk = Buffer.alloc(65536)
      const count = readSync(fd, chunk)
      if (count === 0) break
      chunks.push(chunk.subarray(0, count))
    }
  } catch {
    // It is empty.
  }
  return Buffer.concat(chunks)
}

/** One turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Whether an event loop of this program waits for a descriptor. */
export const isWatched = (fd: number): boolean =>
  readdirSync("/proc/self/fdinfo").some((name) => {
    try {
      return new RegExp(`^tfd: +${fd} `, "m").test(readFileSync(`/proc/self/fdinfo/${name}`, "utf8"))
    } catch {
      // The one that the folder itself was read by.
      return false
    }
  })
