/**
 * The last bytes of a stream, for the message of an error.
 *
 * @internal
 */

/** How much of a piped stderr an `ExitError` carries. */
export const tailSize = 8192

export class Tail {
  #ring: Uint8Array | undefined
  #position = 0
  #full = false
  readonly #size: number

  constructor(size: number = tailSize) {
    this.#size = size
  }

  push(chunk: Uint8Array): void {
    const size = this.#size
    this.#ring ??= new Uint8Array(size)
    const ring = this.#ring
    const last = chunk.length > size ? chunk.subarray(chunk.length - size) : chunk
    const first = Math.min(last.length, size - this.#position)
    ring.set(last.subarray(0, first), this.#position)
    ring.set(last.subarray(first), 0)
    if (this.#position + last.length >= size) this.#full = true
    this.#position = (this.#position + last.length) % size
  }

  bytes(): Uint8Array {
    const ring = this.#ring
    if (ring === undefined) return new Uint8Array(0)
    if (!this.#full) return ring.slice(0, this.#position)
    const bytes = new Uint8Array(this.#size)
    bytes.set(ring.subarray(this.#position), 0)
    bytes.set(ring.subarray(0, this.#position), this.#size - this.#position)
    return bytes
  }

  /** As UTF-8; a character that was cut at the beginning is left out. */
  text(): string {
    const bytes = this.bytes()
    let start = 0
    while (this.#full && start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++
    return decoder.decode(bytes.subarray(start))
  }
}

const decoder = new TextDecoder()
