/**
 * Sockets between this program and its children: it connects to a private listening socket of the keeper, and the end that the
 * keeper accepts becomes the child's.
 *
 * @internal
 */
import { connect, type Socket } from "node:net"
import { errorCode } from "./system.ts"

/** Where to connect to, and what proves that it is us. */
export interface Listening {
  readonly secret: Buffer
  /** Of an abstract socket (`unix(7)`), without its leading NUL. */
  readonly name: string
}

/** A connection that never becomes one must not hold a spawn for ever. */
const CONNECT_LIMIT = 5_000

/**
 * Connects, and has the keeper know the other end as the object `id`. `done` is called once, later: with a socket that does not
 * flow and has nothing to read, or with the name of an error. Returns what takes it from the event loop.
 */
const connectObject = (listening: Listening, id: number, done: (result: Socket | string) => void): (() => void) => {
  const socket = connect({ path: `\0${listening.name}`, allowHalfOpen: true })
  const settle = (result: Socket | string): void => {
    clearTimeout(timer)
    socket.off("error", failed).off("close", ended).off("end", ended).off("readable", acknowledged)
    if (typeof result === "string") destroy(socket)
    done(result)
  }
  const failed = (error: Error): void => settle(errorCode(error))
  const ended = (): void => settle("ECONNRESET")
  // Until the child has its end, there is nobody who could send more than the keeper's byte of acknowledgement.
  const acknowledged = (): void => {
    if (socket.read(1) !== null) settle(socket)
  }
  const timer = setTimeout(() => settle("ETIMEDOUT"), CONNECT_LIMIT)
  socket.on("error", failed).on("close", ended).on("end", ended).on("readable", acknowledged)
  const hello = Buffer.alloc(listening.secret.length + 4)
  listening.secret.copy(hello)
  hello.writeUInt32LE(id, listening.secret.length)
  socket.write(hello)
  return () => {
    timer.unref()
    socket.unref()
  }
}

const destroy = (socket: Socket): void => {
  socket.on("error", () => {})
  socket.destroy()
}

/** The keeper greets a limited number of connections at a time, and the kernel queues a limited number for it. */
const CONCURRENCY = 32

/** Whoever accepts connections there has refused or closed it: the keeper, or the kernel in place of a dead one. */
const refusals = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE"])

interface Attempt {
  readonly id: number
  /** It is wanted, and has not been refused before. */
  isWorthAnother: boolean
  done: (result: Socket | string) => void
  /** Takes it from the event loop, once it is being made. */
  unref: (() => void) | undefined
}

/** The sockets of one keeper, which listens from the first use on. */
export class DuplexSockets {
  readonly #ask: () => void
  readonly #drop: (id: number) => void
  #listening: Listening | undefined
  #asked = false
  #isGone = false
  #active = 0
  readonly #waiting = new Set<Attempt>()

  /** `ask` asks the keeper to listen, `drop` to forget an object. */
  constructor(ask: () => void, drop: (id: number) => void) {
    this.#ask = ask
    this.#drop = drop
  }

  /** The keeper listens, or why it does not: the next use asks again. */
  answered(listening: Listening | string): void {
    this.#asked = false
    if (typeof listening !== "string") {
      this.#listening = listening
      this.#next()
      return
    }
    this.#fail(listening)
  }

  /** The keeper is gone. */
  gone(): void {
    this.#isGone = true
    this.#fail("ECONNRESET")
  }

  #fail(error: string): void {
    const failed = [...this.#waiting]
    this.#waiting.clear()
    for (const attempt of failed) attempt.done(error)
  }

  /** As `connectObject`; returns what gives up: `done` is not called then. */
  connect(id: number, done: (result: Socket | string) => void): () => void {
    const attempt: Attempt = { id, isWorthAnother: true, done, unref: undefined }
    this.#begin(attempt)
    return () => this.#abandon(attempt)
  }

  /** What is on its way to the keeper arrives there: only then can the keeper be told to forget it. */
  #abandon(attempt: Attempt): void {
    if (this.#waiting.delete(attempt)) return
    attempt.unref?.()
    attempt.isWorthAnother = false
    attempt.done = (result) => {
      if (typeof result === "string") return
      destroy(result)
      this.#drop(attempt.id)
    }
  }

  #begin(attempt: Attempt): void {
    this.#waiting.add(attempt)
    if (this.#listening === undefined && !this.#asked) {
      this.#asked = true
      this.#ask()
    }
    this.#next()
  }

  /**
   * Refused by a keeper that is dead, or by one that has been asked for too much. The keeper is asked again where it listens, for only
   * one that lives answers.
   */
  #again(attempt: Attempt): void {
    attempt.isWorthAnother = false
    attempt.unref = undefined
    this.#listening = undefined
    this.#begin(attempt)
  }

  #next(): void {
    if (this.#listening === undefined) return
    for (const attempt of this.#waiting) {
      if (this.#active === CONCURRENCY) return
      this.#waiting.delete(attempt)
      this.#active++
      attempt.unref = connectObject(this.#listening, attempt.id, (result) => {
        this.#active--
        // It may have arrived nevertheless.
        if (typeof result === "string") this.#drop(attempt.id)
        const isRefused = typeof result === "string" && refusals.has(result)
        if (isRefused && attempt.isWorthAnother && !this.#isGone) this.#again(attempt)
        else attempt.done(result)
        this.#next()
      })
    }
  }
}
