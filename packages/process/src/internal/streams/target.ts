/**
 * The writing end of a pipe or socket, as a Sink of bytes with back-pressure.
 *
 * Chunks are written at once while the kernel takes them; only when the pipe is full is the descriptor registered with the event
 * loop. The Sink ends when all bytes are with the kernel, and then closes the descriptor, unless `endOnDone` is false. A reader
 * that is gone (EPIPE) is the failure of whoever writes and of nobody else.
 *
 * @internal
 */

import { Socket } from "node:net"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Sink from "effect/Sink"
import * as Descriptor from "./descriptor.ts"
import type { VirtualEnd } from "./virtual.ts"

export interface TargetOptions<E> {
  /** An open, nonblocking descriptor, a connected socket or a virtual end; the target closes it. */
  readonly handle: number | Socket | VirtualEnd
  readonly onError: (errno: string) => E
  /** Whether a Sink that is done closes it; true by default. */
  readonly endOnDone?: boolean | undefined
  /** Called once, when the target needs its handle no longer; in place of closing it. */
  readonly release?: (() => void) | undefined
}

type Chunks = readonly [Uint8Array, ...Array<Uint8Array>]

const doneVoid: Effect.Effect<Sink.End<void>> = Effect.succeed([undefined])

export class Target<E> {
  /** Fails with EPIPE once the process is gone, even while its own input has nothing to write. */
  readonly sink: Sink.Sink<void, Uint8Array, never, E>
  readonly #options: TargetOptions<E>
  #socket: Socket | undefined
  #closed = false
  /** Why nothing can be written any more. */
  #errno: string | undefined
  #error: E | undefined
  /** Those who wait for the kernel, or for the failure. */
  readonly #waiters = new Set<() => void>()

  constructor(options: TargetOptions<E>) {
    this.#options = options
    if (options.handle instanceof Socket) this.#listen(options.handle)
    this.sink = Sink.fromTransform((upstream) => Effect.raceFirst(this.write(upstream), this.#failure))
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  /** Writes all that can be pulled, then closes as the options say. */
  write<IE>(upstream: Pull.Pull<Chunks, IE, void>): Effect.Effect<Sink.End<void>, E | IE> {
    return upstream.pipe(
      Effect.flatMap((chunks) => this.#writeAll(chunks)),
      Effect.forever({ disableYield: true }),
      Pull.catchDone(() => (this.#options.endOnDone === false ? doneVoid : this.#finish)),
      Effect.onError(() =>
        Effect.sync(() => {
          if (this.#options.endOnDone !== false) this.close()
        })
      )
    )
  }

  /** Whether a failure of `write` is that of this target, not of what it was given. */
  isCauseOf(cause: Cause.Cause<unknown>): boolean {
    return (
      this.#error !== undefined &&
      cause.reasons.some((reason) => reason._tag === "Fail" && reason.error === this.#error)
    )
  }

  /** Lets go of the handle; what waits fails with `errno`. What the kernel has not got is lost. */
  close(errno = "EPIPE"): void {
    if (this.#closed) return
    this.#errno ??= errno
    this.#release()
    this.#wake()
  }

  readonly #failure: Effect.Effect<never, E> = Effect.callback<never, E>((resume) => {
    const check = () => {
      if (this.#errno === undefined) return
      this.#waiters.delete(check)
      resume(Effect.fail(this.#errorOf(this.#errno)))
    }
    this.#waiters.add(check)
    check()
    return Effect.sync(() => {
      this.#waiters.delete(check)
    })
  })

  #writeAll(chunks: Chunks): Effect.Effect<void, E> {
    const rest = this.#socket === undefined ? this.#writeNow(chunks) : chunks
    if (this.#errno !== undefined) return Effect.fail(this.#errorOf(this.#errno))
    if (rest.length === 0) return Effect.void
    const { handle } = this.#options
    if (typeof handle === "number" || handle instanceof Socket) {
      return Effect.callback<void, E>((resume) => this.#writeLater(rest, resume))
    }
    return Effect.callback<void, E>((resume) => this.#writeInParts(handle, rest, resume))
  }

  /** What the kernel did not take. */
  #writeNow(chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> {
    const { handle } = this.#options
    if (this.#closed || handle instanceof Socket) {
      this.#errno ??= "EPIPE"
      return chunks
    }
    let rest: ReadonlyArray<Uint8Array> = chunks
    while (rest.length > 0) {
      const outcome = typeof handle === "number" ? Descriptor.tryWrite(handle, rest) : handle.write(rest)
      if (typeof outcome === "string") {
        this.close(outcome)
        return rest
      }
      if (outcome === Descriptor.wouldBlock) return rest
      const before = rest.length
      rest = after(rest, outcome)
      // A pipe that took only a part of it is full.
      if (before === 1 && rest.length === 1) return rest
    }
    return rest
  }

  #writeLater(
    chunks: ReadonlyArray<Uint8Array>,
    resume: (effect: Effect.Effect<void, E>) => void
  ): Effect.Effect<void> {
    const check = () => {
      if (this.#errno !== undefined) {
        this.#waiters.delete(check)
        resume(Effect.fail(this.#errorOf(this.#errno)))
      } else if (this.#socket !== undefined && !this.#socket.writableNeedDrain) {
        this.#waiters.delete(check)
        resume(Effect.void)
      }
    }
    const socket = this.#open()
    if (socket !== undefined) {
      socket.cork()
      for (const chunk of chunks) socket.write(chunk)
      socket.uncork()
    }
    this.#waiters.add(check)
    check()
    return Effect.sync(() => {
      this.#waiters.delete(check)
    })
  }

  /** Where no socket does it: each time that there is room, as much as fits. */
  #writeInParts(
    end: VirtualEnd,
    chunks: ReadonlyArray<Uint8Array>,
    resume: (effect: Effect.Effect<void, E>) => void
  ): Effect.Effect<void> {
    let rest = chunks
    const stop = () => {
      forget()
      this.#waiters.delete(check)
    }
    const check = () => {
      if (this.#errno === undefined) rest = this.#writeNow(rest)
      if (this.#errno === undefined && rest.length > 0) return
      stop()
      resume(this.#errno === undefined ? Effect.void : Effect.fail(this.#errorOf(this.#errno)))
    }
    const forget = end.onWritable(check)
    this.#waiters.add(check)
    return Effect.sync(stop)
  }

  readonly #finish: Effect.Effect<Sink.End<void>, E> = Effect.callback<Sink.End<void>, E>((resume) => {
    const socket = this.#socket
    if (this.#errno !== undefined || socket === undefined) {
      const errno = this.#errno
      if (errno === undefined) this.#end()
      resume(errno === undefined ? doneVoid : Effect.fail(this.#errorOf(errno)))
      return
    }
    const check = () => {
      if (this.#errno === undefined) return
      this.#waiters.delete(check)
      resume(Effect.fail(this.#errorOf(this.#errno)))
    }
    this.#waiters.add(check)
    socket.end((cause?: Error | null) => {
      // Told here before it is told as an event.
      if (cause !== undefined && cause !== null) this.close(Descriptor.errnoOf(cause))
      if (this.#errno !== undefined) return
      this.#waiters.delete(check)
      this.#end()
      resume(doneVoid)
    })
    return Effect.sync(() => {
      this.#waiters.delete(check)
    })
  })

  #open(): Socket | undefined {
    const fd = this.#options.handle
    if (this.#socket !== undefined || typeof fd !== "number") return this.#socket
    try {
      const socket = new Socket({ fd, readable: false, writable: true })
      this.#listen(socket)
      return socket
    } catch (cause) {
      this.close(Descriptor.errnoOf(cause))
      return undefined
    }
  }

  #listen(socket: Socket): void {
    this.#socket = socket
    socket.on("drain", () => this.#wake())
    socket.on("error", (cause) => this.close(Descriptor.errnoOf(cause)))
    socket.on("close", () => this.close())
  }

  #errorOf(errno: string): E {
    this.#error ??= this.#options.onError(errno)
    return this.#error
  }

  /** All is written: a later write fails, but nobody who is here does. */
  #end(): void {
    if (this.#closed) return
    this.#errno = "EPIPE"
    this.#release()
  }

  #wake(): void {
    for (const waiter of Array.from(this.#waiters)) waiter()
  }

  #release(): void {
    this.#closed = true
    if (this.#options.release !== undefined) this.#options.release()
    else if (this.#socket !== undefined) this.#socket.destroy()
    else if (typeof this.#options.handle === "number") Descriptor.close(this.#options.handle)
    else if (!(this.#options.handle instanceof Socket)) this.#options.handle.end()
  }
}

/** The chunks without their first `count` bytes. */
const after = (chunks: ReadonlyArray<Uint8Array>, count: number): ReadonlyArray<Uint8Array> => {
  let index = 0
  let left = count
  for (; index < chunks.length; index++) {
    const length = chunks[index]?.length ?? 0
    if (left < length) break
    left -= length
  }
  const first = chunks[index]
  if (first === undefined) return []
  return left === 0 ? chunks.slice(index) : [first.subarray(left), ...chunks.slice(index + 1)]
}
