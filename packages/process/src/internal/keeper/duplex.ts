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
 * flow and has nothing to read, or with the name of an error. Returns what gives up.
 */
export const connectObject = (
  listening: Listening,
  id: number,
  done: (result: Socket | string) => void
): (() => void) => {
  const socket = connect({ path: `\0${listening.name}`, allowHalfOpen: true })
  const settle = (result: Socket | string): void => {
    giveUp(typeof result === "string")
    done(result)
  }
  const failed = (error: Error): void => settle(errorCode(error))
  const ended = (): void => settle("ECONNRESET")
  // Until the child has its end, there is nobody who could send more than the keeper's byte of acknowledgement.
  const acknowledged = (): void => {
    if (socket.read(1) !== null) settle(socket)
  }
  const giveUp = (destroy: boolean): void => {
    clearTimeout(timer)
    socket.off("error", failed).off("close", ended).off("end", ended).off("readable", acknowledged)
    if (!destroy) return
    socket.on("error", () => {})
    socket.destroy()
  }
  const timer = setTimeout(() => settle("ETIMEDOUT"), CONNECT_LIMIT)
  socket.on("error", failed).on("close", ended).on("end", ended).on("readable", acknowledged)
  const hello = Buffer.alloc(listening.secret.length + 4)
  listening.secret.copy(hello)
  hello.writeUInt32LE(id, listening.secret.length)
  socket.write(hello)
  return () => giveUp(true)
}

/** The sockets of one keeper, which listens from the first use on. */
export class DuplexSockets {
  readonly #ask: () => void
  #listening: Listening | "asked" | undefined
  #waiting: Array<(listening: Listening | string) => void> = []

  /** `ask` asks the keeper to listen. */
  constructor(ask: () => void) {
    this.#ask = ask
  }

  /** The keeper listens, or why it does not. */
  answered(listening: Listening | string): void {
    this.#listening = typeof listening === "string" ? undefined : listening
    const waiting = this.#waiting
    this.#waiting = []
    for (const next of waiting) next(listening)
  }

  /** As `connectObject`. */
  connect(id: number, done: (result: Socket | string) => void): () => void {
    if (typeof this.#listening === "object") return connectObject(this.#listening, id, done)
    let giveUp: (() => void) | undefined
    let wanted = true
    this.#waiting.push((listening) => {
      if (!wanted) return
      if (typeof listening === "string") done(listening)
      else giveUp = connectObject(listening, id, done)
    })
    if (this.#listening === undefined) {
      this.#listening = "asked"
      this.#ask()
    }
    return () => {
      wanted = false
      giveUp?.()
    }
  }
}
