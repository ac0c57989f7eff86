/**
 * A pipe in the memory of this program, with the rules of `pipe(7)`: it holds 64 KiB, a writer waits for room, a reader gets the end
 * of file when the last writer has closed it, and a writer is told when there is no reader.
 *
 * @internal
 */
import type { Flow, Outcome, Receiver, VirtualEnd } from "@nursery/process/Backend"

const capacity = 64 * 1024

/** The name that `tryWrite` of `@nursery/process` has for a full pipe. */
export const wouldBlock = -1

export type Side = "read" | "write"

export class Pipe {
  readonly #later: (f: () => void) => void
  readonly #chunks: Array<Uint8Array> = []
  #size = 0
  readonly #holders = { read: 0, write: 0 }
  readonly #listeners = new Set<() => void>()
  #told = true

  /** `later` calls a function when the caller has returned. */
  constructor(later: (f: () => void) => void) {
    this.#later = later
  }

  /** One more descriptor for a side of it. */
  hold(side: Side): void {
    this.#holders[side]++
  }

  /** One less. */
  release(side: Side): void {
    this.#holders[side]--
    if (this.#holders[side] === 0) this.#changed()
  }

  get hasReaders(): boolean {
    return this.#holders.read > 0
  }

  /** All is read that will ever be. */
  get isAtEnd(): boolean {
    return this.#size === 0 && this.#holders.write === 0
  }

  /** How much it has taken, which may be a part; {@link wouldBlock}; or the name of an error. */
  write(bytes: Uint8Array): Outcome {
    if (!this.hasReaders) return "EPIPE"
    const room = capacity - this.#size
    if (room === 0 && bytes.length > 0) return wouldBlock
    const taken = bytes.slice(0, room)
    if (taken.length > 0) {
      this.#chunks.push(taken)
      this.#size += taken.length
      this.#changed()
    }
    return taken.length
  }

  /** `undefined` where nothing is there. */
  read(): Uint8Array | undefined {
    const chunk = this.#chunks.shift()
    if (chunk === undefined) return undefined
    this.#size -= chunk.length
    this.#changed()
    return chunk
  }

  /** Calls the listener after each change. Returns what removes it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Listeners are told once for all that happens until then. */
  #changed(): void {
    if (!this.#told) return
    this.#told = false
    this.#later(() => {
      this.#told = true
      for (const listener of Array.from(this.#listeners)) listener()
    })
  }
}

/** The reading of a pipe by this program. */
class PipeFlow implements Flow {
  readonly #pipe: Pipe
  readonly #receiver: Receiver
  readonly #forget: () => void
  #flowing = false
  #closed = false

  constructor(pipe: Pipe, receiver: Receiver) {
    this.#pipe = pipe
    this.#receiver = receiver
    this.#forget = pipe.listen(() => this.#move())
  }

  start(): void {
    if (this.#flowing || this.#closed) return
    this.#flowing = true
    this.#move()
  }

  stop(): void {
    this.#flowing = false
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#flowing = false
    this.#forget()
    this.#pipe.release("read")
  }

  // No event loop knows of it.
  ref(): void {}
  unref(): void {}

  prepare(): number {
    while (!this.#closed) {
      const chunk = this.#pipe.read()
      if (chunk === undefined) break
      this.#receiver.bytes(chunk)
    }
    this.#endIfAtEnd()
    return -1
  }

  #move(): void {
    while (this.#flowing) {
      const chunk = this.#pipe.read()
      if (chunk === undefined) {
        this.#endIfAtEnd()
        return
      }
      if (!this.#receiver.bytes(chunk)) this.stop()
    }
  }

  #endIfAtEnd(): void {
    if (this.#closed || !this.#pipe.isAtEnd) return
    this.close()
    this.#receiver.ended()
  }
}

/** The flow of an end that is only written. */
const noFlow: Flow = {
  start: () => {},
  stop: () => {},
  close: () => {},
  ref: () => {},
  unref: () => {},
  prepare: () => -1
}

/** This program's end of a pipe or, of two, of a socket. What is left out goes the other way only. */
export const endOf = (incoming: Pipe | undefined, outgoing: Pipe | undefined): VirtualEnd => {
  incoming?.hold("read")
  outgoing?.hold("write")
  let isOpen = outgoing !== undefined
  return {
    flow: (receiver) => (incoming === undefined ? noFlow : new PipeFlow(incoming, receiver)),
    write: (chunks) => {
      if (outgoing === undefined || !isOpen) return "EPIPE"
      let written = 0
      for (const chunk of chunks) {
        const outcome = outgoing.write(chunk)
        if (typeof outcome === "string") return outcome
        if (outcome === wouldBlock) return written === 0 && chunk.length > 0 ? wouldBlock : written
        written += outcome
        if (outcome < chunk.length) break
      }
      return written
    },
    onWritable: (listener) => outgoing?.listen(listener) ?? (() => {}),
    end: () => {
      if (!isOpen) return
      isOpen = false
      outgoing?.release("write")
    }
  }
}
