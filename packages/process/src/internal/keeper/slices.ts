/**
 * Hands on what came from a socket in slices, one in each turn of the event loop.
 *
 * When ten thousand processes end at once, all of their ends arrive together, and each sets fibers in motion. Handled in one turn they
 * would hold up everything else in the program for seconds.
 *
 * @internal
 */
import type { Socket } from "node:net"

/** Some forty ends of processes. */
const sliceSize = 4096

export class Slices {
  readonly #socket: Socket
  readonly #push: (bytes: Buffer) => void
  #rest: Buffer | undefined

  constructor(socket: Socket, push: (bytes: Buffer) => void) {
    this.#socket = socket
    this.#push = push
    socket.on("data", (chunk: Buffer) => this.#take(chunk))
  }

  /** Hands on all that is left, now. */
  finish(): void {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#push(rest)
  }

  #take(chunk: Buffer): void {
    if (this.#rest !== undefined) {
      // It came although the socket was told to wait.
      this.#rest = Buffer.concat([this.#rest, chunk])
    } else if (chunk.length <= sliceSize) {
      this.#push(chunk)
    } else {
      this.#socket.pause()
      this.#rest = chunk
      this.#next()
    }
  }

  readonly #next = (): void => {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = rest.length <= sliceSize ? undefined : rest.subarray(sliceSize)
    this.#push(rest.subarray(0, sliceSize))
    if (this.#rest === undefined) this.#socket.resume()
    else setImmediate(this.#next)
  }
}
