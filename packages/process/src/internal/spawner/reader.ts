/**
 * What a child writes, as Effect's contract wants it read.
 *
 * - The output of a child that nobody reads is read ahead, so that a child which writes less than `highWater` (and what the pipe
 *   holds) can exit unread. Reading ahead starts a moment after the spawn: most children have ended by then, and cost nothing.
 * - Bytes written before the exit can be read after it, and after the scope's close.
 * - Several may read at a time (`stdout` beside `all`), each gets a part of the bytes. After the end, reading again is empty. A
 *   reader that leaves before the end takes the stream with it: who reads on gets "Premature close", and the child is
 *   held by its full pipe.
 * - When nothing of the child is left, what its pipe still holds is taken over and the descriptor closed.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { OpenedFd } from "../backend.ts"
import * as Descriptor from "../streams/descriptor.ts"
import { type Flow, flowOf, type Receiver } from "../streams/flow.ts"
import { codeError } from "./errors.ts"

type Chunks = readonly [Uint8Array, ...Array<Uint8Array>]
type Take = Pull.Pull<Chunks, PlatformError.PlatformError>

// Node's spawner holds about 250 kB of an unread stream: its socket's buffer, the stream's and the one between. The pipe
// holds 64 kB besides, or 8 kB where the user's quota of pipe memory is used up.
const highWater = 256 * 1024

const readAheadDelay = 25

/** Readers that may have to read ahead soon: one timer for all of them, which keeps no event loop alive. */
const waiting = new Set<Reader>()
const startWaiting = () => {
  const readers = Array.from(waiting)
  waiting.clear()
  for (const reader of readers) reader.readAhead()
}
const readAheadSoon = (reader: Reader): void => {
  if (waiting.size === 0) setTimeout(startWaiting, readAheadDelay).unref()
  waiting.add(reader)
}

// Bytes are copied out of it at once.
const scratch = new Uint8Array(64 * 1024)

export interface ReaderOptions {
  /** An open, nonblocking descriptor or a connected socket; the reader closes it. */
  readonly handle: OpenedFd["handle"]
  readonly onError: (cause: unknown) => PlatformError.PlatformError
  /** Called once, when the reader needs its handle no longer; in place of closing it. */
  readonly release?: (() => void) | undefined
}

export class Reader implements Receiver {
  readonly keeps = true
  readonly stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>
  readonly #options: ReaderOptions
  readonly #flow: Flow
  readonly #waiters = new Set<(take: Take) => void>()
  #chunks: Array<Uint8Array> = []
  #bytes = 0
  #limit = highWater
  #ahead = false
  #held = true
  #closed = false
  /** `undefined`: open; else how the stream ends after the chunks that are left. */
  #end: Take | undefined
  /** Somebody has been given the end, so it stays as it is. */
  #told = false

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#flow = flowOf(options.handle, this)
    // A socket tells of a failed write on its reading side, which must be heard even if nobody ever reads.
    if (typeof options.handle === "number") readAheadSoon(this)
    else this.readAhead()
    this.stream = Stream.fromChannel(
      Channel.fromTransform((_, scope) =>
        Effect.as(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => this.#left())
          ),
          this.#take
        )
      )
    )
  }

  readAhead(): void {
    if (this.#end !== undefined) return
    this.#ahead = true
    this.#flow.start()
  }

  /** Whether reading ahead keeps the event loop alive. Reading for somebody always does. */
  hold(on: boolean): void {
    this.#held = on
    this.#refer()
  }

  /** Nobody is left who could write: takes over what the kernel still holds. */
  writersGone(): void {
    if (this.#closed) return
    this.#limit = Number.POSITIVE_INFINITY
    if (this.#end !== undefined) {
      this.#release()
      return
    }
    const fd = this.#flow.prepare()
    if (fd >= 0) this.#takeRest(fd)
    else this.readAhead()
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  /** Lets go of the handle, whoever still holds the other end. */
  close(): void {
    this.#finish(Cause.done())
    this.#release()
  }

  /** The flow has read something: whether it goes on. */
  bytes(chunk: Uint8Array): boolean {
    const [waiter] = this.#waiters
    if (waiter !== undefined) {
      this.#waiters.delete(waiter)
      if (!this.#held) this.#refer()
      waiter(Effect.succeed([chunk]))
    } else {
      this.#chunks.push(chunk)
      this.#bytes += chunk.length
    }
    return this.#waiters.size > 0 || (this.#ahead && this.#bytes < this.#limit)
  }

  ended(): void {
    this.#finish(Cause.done())
  }

  failed(errno: string): void {
    // A write on a socket fails after its reading side has ended: who reads later has to hear of it.
    if (!this.#told) this.#end = undefined
    this.#finish(Effect.suspend(() => Effect.fail(this.#options.onError(codeError(errno, `read ${errno}`, "read")))))
  }

  readonly #take: Take = Effect.suspend(() => {
    const [first, ...rest] = this.#chunks
    if (first !== undefined) {
      this.#chunks = []
      this.#bytes = 0
      if (this.#end === undefined && this.#ahead) this.#flow.start()
      return Effect.succeed<Chunks>([first, ...rest])
    }
    if (this.#end !== undefined) {
      this.#told = true
      return this.#end
    }
    return Effect.callback<Chunks, PlatformError.PlatformError | Cause.Done>((resume) => {
      this.#waiters.add(resume)
      if (!this.#held) this.#refer()
      this.readAhead()
      return Effect.sync(() => {
        this.#waiters.delete(resume)
        if (!this.#held) this.#refer()
      })
    })
  })

  /** A reader's scope has closed: at the end of the stream, or before. */
  #left(): void {
    if (this.#end !== undefined && this.#chunks.length === 0) return
    this.#chunks = []
    this.#bytes = 0
    this.#limit = 0
    this.#ahead = false
    this.#flow.stop()
    this.#told = true
    this.#end = Effect.suspend(() =>
      Effect.fail(this.#options.onError(codeError("ERR_STREAM_PREMATURE_CLOSE", "Premature close", undefined)))
    )
    this.#wakeAll(this.#end)
  }

  #finish(end: Take): void {
    waiting.delete(this)
    this.#release()
    if (this.#end !== undefined) return
    this.#end = end
    this.#wakeAll(end)
  }

  #refer(): void {
    if (this.#held || this.#waiters.size > 0) this.#flow.ref()
    else this.#flow.unref()
  }

  #release(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#options.release === undefined) this.#flow.close()
    else this.#options.release()
  }

  #wakeAll(end: Take): void {
    if (this.#waiters.size > 0) this.#told = true
    for (const waiter of this.#waiters) waiter(end)
    this.#waiters.clear()
  }

  #takeRest(fd: number): void {
    while (this.#end === undefined) {
      const outcome = Descriptor.tryRead(fd, scratch)
      // Somebody outside of the tree holds the pipe: the scope's close lets go of it.
      if (outcome === Descriptor.wouldBlock) return
      if (typeof outcome === "string") this.failed(outcome)
      else if (outcome === 0) this.ended()
      else this.bytes(scratch.slice(0, outcome))
    }
  }
}
