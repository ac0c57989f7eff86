/**
 * The reading end of a pipe or socket, as a source of bytes for one consumer.
 *
 * Bytes move when somebody asks for them: an unread source costs a descriptor number and nothing else. It holds no event loop
 * open, stalls nobody, and what was written before the writer's exit can be read after it. A consumer that is slower than the
 * writer stops the reading at `highWater` bytes, and so, through the kernel's pipe, the writer.
 *
 * The one consumer is a Stream (`stream`) or a function (`collect`). A second one gets {@link StreamInUse} as a defect: it would
 * get some of the bytes, and so would the first.
 *
 * @internal
 */

import { Socket } from "node:net"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Descriptor from "./descriptor.ts"
import { type Flow, flowOf } from "./flow.ts"
import { begin as beginPatiently } from "./patience.ts"
import type { Tail } from "./tail.ts"
import type { VirtualEnd } from "./virtual.ts"

/** The defect of a second consumer of one stream. Share a stream with `Stream.broadcast`. */
export class StreamInUse extends Data.TaggedError("StreamInUse")<{ readonly stream: string }> {
  override get message(): string {
    return `${this.stream} has a consumer already, and a second one would get only some of the bytes: share it with Stream.broadcast`
  }
}

export interface SourceOptions<E> {
  /** An open, nonblocking descriptor, a connected socket or a virtual end; the source closes it. */
  readonly handle: number | Socket | VirtualEnd
  /** What it is called in errors: `stdout`, `fd 3`. */
  readonly name: string
  readonly onError: (errno: string) => E
  /** What is found out at the end of file, before the stream ends. */
  readonly ending?: Effect.Effect<void, E> | undefined
  /** Gets all that passes. */
  readonly tail?: Tail | undefined
  /** Called once, when the source needs its handle no longer; in place of closing it. */
  readonly release?: (() => void) | undefined
  /** Called once, when the handle has been let go. */
  readonly onClose?: (() => void) | undefined
}

/** Gets bytes as they come. The chunk is the collector's own where `keeps` is true, else it is good until the call returns. */
export interface Collector {
  readonly keeps: boolean
  /** Whether to go on. */
  readonly bytes: (chunk: Uint8Array) => boolean
  /** The end of the stream, or the name of an error. */
  readonly end: (errno: string | undefined) => void
}

/** The sources of streams, for those who have a stream only. */
const sources = new WeakMap<object, { readonly lent: object }>()

/** The stream of a source in the form that lends its chunks; any other stream as it is. */
export const lend = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> => {
  const lent = sources.get(stream)?.lent
  // The two streams of a source have one type.
  return lent === undefined ? stream : (lent as Stream.Stream<A, E, R>)
}

type Chunks = readonly [Uint8Array, ...Array<Uint8Array>]

/** How far the reading runs ahead of a slow consumer. */
const highWater = 256 * 1024

// Where `readNow` reads to, for all sources; its bytes are copied, or consumed before it returns.
const scratch = new Uint8Array(64 * 1024)

export class Source<E> {
  readonly stream: Stream.Stream<Uint8Array, E>
  readonly #options: SourceOptions<E>
  readonly #flow: Flow
  #chunks: Array<Uint8Array> = []
  #bytes = 0
  #waiter: ((effect: Pull.Pull<Chunks, E>) => void) | undefined
  #collector: Collector | undefined
  /** Takes back that reading starts soon. */
  #forget: (() => void) | undefined
  #claimed = false
  #lends = false
  /** `undefined`: open; else how the stream ends after the chunks that are left. */
  #end: Pull.Pull<never, E> | undefined
  #closed = false
  #writerGone = false
  /** Reading was stopped because the consumer is slow. */
  #held = false

  constructor(options: SourceOptions<E>) {
    this.#options = options
    this.#flow = flowOf(options.handle, this)
    this.stream = this.#streamOf(false)
    sources.set(this.stream, this)
  }

  /** The same stream, whose chunks are good until the next pull: their memory is used again. */
  get lent(): Stream.Stream<Uint8Array, E> {
    return this.#streamOf(true)
  }

  #streamOf(lends: boolean): Stream.Stream<Uint8Array, E> {
    return Stream.fromChannel(
      Channel.fromTransform((_, scope) => {
        this.#claim()
        this.#lends = lends
        return Effect.as(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => this.close())
          ),
          this.#pull
        )
      })
    )
  }

  /** Whether bytes or the end can still come, so that the handle is needed. */
  get isOpen(): boolean {
    return !this.#closed
  }

  get isClaimed(): boolean {
    return this.#claimed
  }

  /** Whether the consumer is a function. */
  get isCollected(): boolean {
    return this.#collector !== undefined
  }

  /** Whether the consumer gets bytes that it may keep. */
  get keeps(): boolean {
    return this.#collector === undefined ? !this.#lends : this.#collector.keeps
  }

  /** Consumes all bytes by a function, from now on, or from a little later where a call of `readNow` may come first. */
  collect(collector: Collector, isPatient = false): void {
    this.#claim()
    this.#collector = collector
    if (this.#end !== undefined) collector.end(undefined)
    else if (isPatient && this.#isReal) {
      this.#forget = beginPatiently(
        () => {
          const count = this.#take(highWater)
          return this.#end === undefined ? count : -1
        },
        () => this.#flow.start()
      )
    } else this.#flow.start()
  }

  /**
   * Reads what is in the pipe at this moment, without waiting, up to `limit` bytes: for a writer that has exited, while another
   * process may still hold the pipe. Whether the end was reached.
   */
  readNow(limit: number = 1024 * 1024): boolean {
    this.#take(limit)
    return this.#end !== undefined
  }

  /** Whether reading costs the event loop something. */
  get #isReal(): boolean {
    return typeof this.#options.handle === "number" || this.#options.handle instanceof Socket
  }

  /** How many bytes were there. */
  #take(limit: number): number {
    const fd = this.#flow.prepare()
    let count = 0
    while (fd >= 0 && this.#end === undefined && count < limit) {
      const outcome = Descriptor.tryRead(fd, scratch)
      if (outcome === Descriptor.wouldBlock) break
      if (typeof outcome === "string") this.failed(outcome)
      else if (outcome === 0) this.ended()
      else {
        count += outcome
        const chunk = scratch.subarray(0, outcome)
        this.bytes(this.#collector?.keeps === false ? chunk : chunk.slice())
      }
    }
    return count
  }

  /** From now on reading tries at once before it registers with the event loop: the end is likely there already. */
  writerExited(): void {
    this.#writerGone = true
  }

  /** Ends the stream here: its consumer gets what is in the pipe at this moment, and then the end. */
  endNow(): void {
    if (!this.readNow()) this.ended()
  }

  /**
   * Lets go of the handle. A consumer that is still there gets what is left, then the end; what is more than `limit` is an
   * `errno` to it.
   */
  close(errno?: string): void {
    if (this.#closed) return
    if (errno !== undefined && this.#claimed && !this.readNow()) this.failed(errno)
    if (this.#end === undefined) this.#finish(Cause.done())
    this.#release()
  }

  /** @internal The flow has read something: whether it goes on. */
  bytes(chunk: Uint8Array): boolean {
    this.#options.tail?.push(chunk)
    if (this.#collector !== undefined) return this.#collector.bytes(chunk)
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      waiter(Effect.succeed([chunk]))
    } else {
      this.#chunks.push(this.#lends ? chunk.slice() : chunk)
      this.#bytes += chunk.length
    }
    // A consumer that has not come back for more still uses what it was lent.
    if (this.#waiter !== undefined || (!this.#lends && this.#bytes < highWater)) return true
    this.#held = true
    return false
  }

  /** @internal End of file. */
  ended(): void {
    if (this.#end !== undefined) return
    this.#release()
    const { ending } = this.#options
    this.#finish(ending === undefined ? Cause.done() : Effect.andThen(ending, Cause.done()))
  }

  /** @internal */
  failed(errno: string): void {
    if (this.#end !== undefined) return
    this.#release()
    this.#finish(
      Effect.suspend(() => Effect.fail(this.#options.onError(errno))),
      errno
    )
  }

  readonly #pull: Pull.Pull<Chunks, E> = Effect.suspend(() => {
    if (this.#writerGone && this.#bytes === 0 && this.#end === undefined) this.readNow(highWater)
    const [first, ...rest] = this.#chunks
    if (first !== undefined) {
      this.#chunks = []
      this.#bytes = 0
      if (this.#held) {
        this.#held = false
        this.#flow.start()
      }
      return Effect.succeed<Chunks>([first, ...rest])
    }
    if (this.#end !== undefined) return this.#end
    return this.#wait
  })

  readonly #wait: Pull.Pull<Chunks, E> = Effect.callback<Chunks, E | Cause.Done>((resume) => {
    this.#waiter = resume
    this.#flow.start()
    return this.#leave
  })

  readonly #leave: Effect.Effect<void> = Effect.sync(() => {
    this.#waiter = undefined
    this.#flow.stop()
  })

  #claim(): void {
    if (this.#claimed) throw new StreamInUse({ stream: this.#options.name })
    this.#claimed = true
  }

  #finish(end: Pull.Pull<never, E>, errno?: string): void {
    this.#end = end
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.(end)
    this.#collector?.end(errno)
  }

  #release(): void {
    if (this.#closed) return
    this.#closed = true
    this.#forget?.()
    if (this.#options.release === undefined) this.#flow.close()
    else {
      this.#flow.stop()
      this.#options.release()
    }
    this.#options.onClose?.()
  }
}
