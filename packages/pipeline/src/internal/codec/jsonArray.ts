/**
 * The elements of one JSON array, each of which is a record: they are found by their brackets and quotes, and only then read.
 *
 * @internal
 */
import { InvalidSyntax, RecordCutOff } from "../../CodecError.ts"
import { type Decoder, Held, type Intake, nothing, type Reading } from "./model.ts"
import * as Text from "./text.ts"

const quote = 34
const comma = 44
const openBracket = 91
const backslash = 92
const closeBracket = 93
const openBrace = 123
const closeBrace = 125

const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 10 || byte === 13 || byte === 9

const byteOrderMark = [0xef, 0xbb, 0xbf]

const missing = Text.failed(new InvalidSyntax({ problem: "an element is missing" }))

export class Elements implements Decoder {
  readonly #intake: Intake
  readonly #read: (text: string) => Reading
  #where: "before" | "inside" | "after" = "before"
  /** Where the chunk begins, and where the element does. */
  #chunkOffset = 0
  #offset = 0
  /** The first byte of the element has been there. */
  #hasBegun = false
  /** How many arrays and objects of the element are open. */
  #depth = 0
  #isInString = false
  #isEscaped = false
  /** There has been a comma, so that one more element has to come. */
  #isDue = false
  /** The element is too large, and goes on. */
  #isSkipping = false
  readonly #held = new Held()

  constructor(intake: Intake, read: (text: string) => Reading) {
    this.#intake = intake
    this.#read = read
  }

  push(chunk: Uint8Array): void {
    let index = 0
    if (this.#where === "before") index = this.#findArray(chunk)
    if (this.#where === "inside") index = this.#readElements(chunk, index)
    if (this.#where === "after") this.#checkRest(chunk, index)
    this.#chunkOffset += chunk.length
  }

  end(): void {
    // One that is too large has been told of.
    if (this.#where === "after" || this.#isSkipping) return
    this.#intake.record++
    const problem =
      this.#where === "before" ? "the input ended before the array" : "the input ended inside of the array"
    const offset = this.#hasBegun ? this.#offset : this.#chunkOffset
    this.#intake.reject(new RecordCutOff({ problem }), offset, this.#held.take())
  }

  /** The index of what comes after the opening bracket. */
  #findArray(chunk: Uint8Array): number {
    for (const [index, byte] of chunk.entries()) {
      if (byte === openBracket) {
        this.#where = "inside"
        return index + 1
      }
      if (!isBlank(byte) && byteOrderMark[this.#chunkOffset + index] !== byte) {
        this.#stop("the input does not begin with a [", chunk, index)
      }
    }
    return chunk.length
  }

  /** The index of what comes after the array. */
  #readElements(chunk: Uint8Array, from: number): number {
    let start = from
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index]
      if (this.#isInString) this.#inString(byte)
      else if (this.#depth === 0 && (byte === comma || byte === closeBracket)) {
        this.#endElement(this.#hasBegun ? chunk.subarray(start, index) : nothing, byte === comma, index)
        if (byte === closeBracket) return index + 1
      } else if (!this.#hasBegun) {
        if (isBlank(byte)) continue
        this.#hasBegun = true
        this.#offset = this.#chunkOffset + index
        start = index
        this.#look(byte, chunk, start, index)
      } else this.#look(byte, chunk, start, index)
    }
    if (this.#hasBegun) this.#hold(chunk.subarray(start))
    return chunk.length
  }

  /** A byte of the element outside of its strings. */
  #look(byte: number | undefined, chunk: Uint8Array, start: number, index: number): void {
    if (byte === quote) this.#isInString = true
    else if (byte === openBracket || byte === openBrace) this.#depth++
    else if (byte === closeBracket || byte === closeBrace) {
      if (this.#depth === 0) {
        // It may be too large already, which would have been told where the chunk ended before this.
        this.#hold(chunk.subarray(start, index))
        this.#stop("a } comes where none has been opened", chunk, index)
      }
      this.#depth--
    }
  }

  #inString(byte: number | undefined): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === backslash) this.#isEscaped = true
    else if (byte === quote) this.#isInString = false
  }

  #endElement(last: Uint8Array, isComma: boolean, index: number): void {
    if (this.#hasBegun) this.#readElement(last)
    else if (isComma || this.#isDue) {
      this.#intake.record++
      this.#intake.settle(missing, this.#chunkOffset + index, nothing)
    }
    this.#hasBegun = false
    this.#isDue = isComma
    if (!isComma) this.#where = "after"
  }

  #readElement(last: Uint8Array): void {
    if (this.#isSkipping) {
      this.#isSkipping = false
      return
    }
    const intake = this.#intake
    let bytes = last
    if (this.#held.size > 0) {
      this.#held.add(last)
      bytes = this.#held.take()
    }
    intake.record++
    intake.settle(bytes.length > intake.limit ? intake.tooLarge : this.#readBytes(bytes), this.#offset, bytes)
  }

  #readBytes(bytes: Uint8Array): Reading {
    const text = Text.textOf(bytes)
    return text === undefined ? Text.invalidUtf8 : this.#read(text)
  }

  #hold(bytes: Uint8Array): void {
    if (this.#isSkipping) return
    const { limit } = this.#intake
    if (this.#held.size + bytes.length <= limit) {
      this.#held.add(bytes)
      return
    }
    this.#held.add(bytes.subarray(0, limit - this.#held.size))
    this.#intake.record++
    this.#isSkipping = true
    this.#intake.settle(this.#intake.tooLarge, this.#offset, this.#held.take())
  }

  #checkRest(chunk: Uint8Array, from: number): void {
    for (let index = from; index < chunk.length; index++) {
      if (!isBlank(chunk[index])) this.#stop("something comes after the array", chunk, index)
    }
  }

  #stop(problem: string, chunk: Uint8Array, index: number): never {
    // One that is too large has been counted.
    if (!this.#isSkipping) this.#intake.record++
    return this.#intake.stop(
      new InvalidSyntax({ problem }),
      this.#chunkOffset + index,
      chunk.subarray(index, index + 1)
    )
  }
}

/** What joins encoded elements to one array. */
export const joiner = (): ((texts: ReadonlyArray<string>) => string) => {
  let isFirst = true
  return (texts) => {
    if (texts.length === 0) return ""
    const lead = isFirst ? "" : ",\n"
    isFirst = false
    return lead + texts.join(",\n")
  }
}
