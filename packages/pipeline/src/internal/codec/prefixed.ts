/**
 * Records that come after their length.
 *
 * @internal
 */
import { InvalidSyntax, RecordCutOff } from "../../CodecError.ts"
import { type Decoder, Held, type Intake, isSuccess, nothing, type Reading, Unwritable } from "./model.ts"

/** How a length is written. */
export interface Prefix {
  /**
   * Reads the length that begins at `at`, and how many bytes it takes: 0 where they are not all there, -1 where it is none.
   */
  readonly read: (bytes: Uint8Array, at: number) => { readonly size: number; readonly length: number }
  readonly write: (length: number) => Uint8Array
  /** The largest length that it can tell. */
  readonly max: number
}

const incomplete = { size: 0, length: 0 }
const malformed = { size: -1, length: 0 }

const fixed = (size: 1 | 2 | 4, isLittle: boolean): Prefix => ({
  read: (bytes, at) => {
    if (bytes.length - at < size) return incomplete
    let length = 0
    for (let index = 0; index < size; index++)
      length = length * 256 + (bytes[at + (isLittle ? size - 1 - index : index)] ?? 0)
    return { size, length }
  },
  write: (length) => {
    const bytes = new Uint8Array(size)
    for (let index = 0; index < size; index++)
      bytes[isLittle ? index : size - 1 - index] = Math.floor(length / 256 ** index)
    return bytes
  },
  max: 256 ** size - 1
})

/** Of 7 bits to a byte, the lowest first, as in Protocol Buffers. */
const varint: Prefix = {
  read: (bytes, at) => {
    let length = 0
    for (let size = 1; size <= 8; size++) {
      const byte = bytes[at + size - 1]
      if (byte === undefined) return incomplete
      length += (byte & 0x7f) * 128 ** (size - 1)
      if (byte < 0x80) return Number.isSafeInteger(length) ? { size, length } : malformed
    }
    return malformed
  },
  write: (length) => {
    const bytes: Array<number> = []
    let rest = length
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 0x80)
    return Uint8Array.of(...bytes, rest)
  },
  max: Number.MAX_SAFE_INTEGER
}

export const prefixes = {
  uint8: fixed(1, false),
  uint16be: fixed(2, false),
  uint16le: fixed(2, true),
  uint32be: fixed(4, false),
  uint32le: fixed(4, true),
  varint
}

export class Frames implements Decoder {
  readonly #intake: Intake
  readonly #prefix: Prefix
  /** Gets the record, or with `isWhole` its length and the record. The bytes are good until it returns. */
  readonly #read: (bytes: Uint8Array) => Reading
  readonly #isWhole: boolean
  readonly #held = new Held()
  /** How much has to be there before what is held can be looked at again. */
  #needed = 0
  /** How much of a record that is too large is still to come. */
  #skipped = 0
  #offset = 0

  constructor(intake: Intake, prefix: Prefix, read: (bytes: Uint8Array) => Reading, isWhole = false) {
    this.#intake = intake
    this.#prefix = prefix
    this.#read = read
    this.#isWhole = isWhole
  }

  push(chunk: Uint8Array): void {
    let bytes = chunk
    if (this.#held.size > 0) {
      this.#held.add(chunk)
      if (this.#held.size < this.#needed) return
      // What is left of it is held anew below, after all of this has been read.
      bytes = this.#held.take()
    }
    const rest = this.#readAll(bytes)
    if (rest.length > 0) this.#held.add(rest)
  }

  end(): void {
    // One that is too large has been told of.
    if (this.#held.size === 0) return
    this.#intake.record++
    const problem = "the input ended before the record did"
    this.#intake.reject(new RecordCutOff({ problem }), this.#offset, this.#held.take())
  }

  /** What is not complete. */
  #readAll(bytes: Uint8Array): Uint8Array {
    const intake = this.#intake
    let at = Math.min(this.#skipped, bytes.length)
    this.#skipped -= at
    this.#offset += at
    while (at < bytes.length) {
      const { length, size } = this.#prefix.read(bytes, at)
      if (size === 0) {
        this.#needed = 0
        break
      }
      const end = at + size + length
      if (size === -1) {
        intake.record++
        intake.stop(new InvalidSyntax({ problem: "its length is malformed" }), this.#offset, bytes.subarray(at, at + 8))
      }
      if (length > intake.limit) {
        at = this.#skip(bytes, at, end)
        continue
      }
      if (end > bytes.length) {
        this.#needed = end - at
        break
      }
      const record = bytes.subarray(this.#isWhole ? at : at + size, end)
      intake.record++
      const reading = this.#read(record)
      if (isSuccess(reading)) intake.values.push(reading.value)
      else intake.settle(reading, this.#offset, record)
      this.#offset += end - at
      at = end
    }
    return bytes.subarray(at)
  }
  /** Passes over a record that is too large: where in these bytes it ends. */
  #skip(bytes: Uint8Array, at: number, end: number): number {
    const intake = this.#intake
    const there = Math.min(end, bytes.length)
    const offset = this.#offset
    this.#skipped = end - there
    this.#offset += there - at
    intake.record++
    // However much of it is there: nobody waits for the rest.
    intake.settle(intake.tooLarge, offset, nothing)
    return there
  }
}

/** Writes records after their lengths. */
export const framer =
  (prefix: Prefix): ((records: ReadonlyArray<Uint8Array>) => Uint8Array) =>
  (records) =>
    Buffer.concat(
      records.flatMap((record, index) => {
        if (record.length > prefix.max) throw new Unwritable(index, `it is longer than ${prefix.max} bytes`)
        return [prefix.write(record.length), record]
      })
    )
