/**
 * Records that end with a line break: what lines, NDJSON and CSV have in common.
 *
 * What of a chunk is complete is read from one text; what comes after its last line break is held until the rest of it comes. Only a
 * record that reaches over chunks, and those of a chunk that is no UTF-8, are taken out one by one.
 *
 * @internal
 */
import { RecordCutOff } from "../../CodecError.ts"
import { type Decoder, Held, type Intake, isSuccess, problemOf, type Reading } from "./model.ts"
import * as Text from "./text.ts"

export abstract class Delimited implements Decoder {
  protected readonly intake: Intake
  /** Where what is held begins, or else what comes next. */
  #offset = 0
  readonly #held = new Held()
  /** Inside of a record that is too large. */
  #isSkipping = false

  constructor(intake: Intake) {
    this.intake = intake
  }

  /** The line break that ends the record which `from` is in, or -1 where it goes on in the next chunk. */
  protected abstract endOf(chunk: Uint8Array, from: number): number
  /** Reads the records of a chunk, the first of which begins at `from`, and gives back where the one begins that is not complete. */
  protected abstract readAll(chunk: Uint8Array, from: number, offset: number): number
  /** Reads one record; `undefined` for what is none. */
  protected abstract read(text: string, offset: number): Reading | undefined

  push(chunk: Uint8Array): void {
    let start = 0
    while (start < chunk.length && (this.#isSkipping || this.#held.size > 0)) {
      start = this.#isSkipping ? this.#skip(chunk, start) : this.#goOn(chunk, start)
    }
    if (start === chunk.length) return
    const rest = this.readAll(chunk, start, this.#offset)
    this.#offset += rest - start
    if (rest < chunk.length) this.#hold(chunk.subarray(rest))
  }

  end(): void {
    if (this.#held.size > 0) this.readOne(this.#held.take(), this.#offset, true)
  }

  /** Reads one record from its bytes, which come without the line break. */
  protected readOne(line: Uint8Array, at: number, isLast = false): void {
    const start = at === 0 && Text.hasMark(line) ? Text.markSize : 0
    const end = !isLast && line[line.length - 1] === Text.carriageReturn ? line.length - 1 : line.length
    const bytes = line.subarray(start, end)
    const offset = at + start
    const reading = bytes.length > this.intake.limit ? this.intake.tooLarge : this.#readBytes(bytes, offset)
    if (reading !== undefined) this.take(isLast ? ofLast(reading) : reading, offset, bytes)
  }

  /** What came of a record. */
  protected take(reading: Reading, offset: number, bytes: Uint8Array): void {
    this.intake.record++
    this.intake.settle(reading, offset, bytes)
  }

  #readBytes(bytes: Uint8Array, offset: number): Reading | undefined {
    const text = Text.textOf(bytes)
    return text === undefined ? Text.invalidUtf8 : this.read(text, offset)
  }

  #goOn(chunk: Uint8Array, start: number): number {
    const end = this.endOf(chunk, start)
    if (end === -1) {
      this.#hold(chunk.subarray(start))
      return chunk.length
    }
    this.#held.add(chunk.subarray(start, end))
    const line = this.#held.take()
    this.readOne(line, this.#offset)
    this.#offset += line.length + 1
    return end + 1
  }

  #hold(bytes: Uint8Array): void {
    const { limit } = this.intake
    const size = this.#held.size + bytes.length
    // There may be a mark before it, and half of a line break after it.
    const most = limit + Text.markSize + 1
    if (size <= most) {
      this.#held.add(bytes)
      return
    }
    this.#held.add(bytes.subarray(0, most + 1 - this.#held.size))
    this.readOne(this.#held.take(), this.#offset)
    this.#offset += size
    this.#isSkipping = true
  }

  #skip(chunk: Uint8Array, start: number): number {
    const end = this.endOf(chunk, start)
    const rest = end === -1 ? chunk.length : end + 1
    this.#offset += rest - start
    this.#isSkipping = end === -1
    return rest
  }
}

/** The last record has no line break: where it is not written as it should, that comes from its end missing. */
const ofLast = (reading: Reading): Reading => {
  const reason = problemOf(reading)
  const isCutOff = reason?._tag === "InvalidSyntax" || reason?._tag === "InvalidUtf8"
  if (!isCutOff) return reading
  return Text.failed(
    new RecordCutOff({ problem: `the input ended, without a line break, inside of it: ${reason.message}` })
  )
}

/** Records of one line each. */
export class Lines extends Delimited {
  readonly #read: (text: string) => Reading
  readonly #ignoresEmpty: boolean

  constructor(intake: Intake, read: (text: string) => Reading, ignoresEmpty: boolean) {
    super(intake)
    this.#read = read
    this.#ignoresEmpty = ignoresEmpty
  }

  protected endOf(chunk: Uint8Array, from: number): number {
    return chunk.indexOf(Text.newline, from)
  }

  protected read(text: string): Reading | undefined {
    return this.#ignoresEmpty && text === "" ? undefined : this.#read(text)
  }

  protected readAll(chunk: Uint8Array, from: number, offset: number): number {
    const end = chunk.lastIndexOf(Text.newline) + 1
    if (end <= from) return from
    const block = chunk.subarray(from, end)
    const text = Text.textOf(block)
    if (text === undefined) this.#readEach(block, offset)
    else this.#readText(text, block.length, offset)
    return end
  }

  #readText(text: string, size: number, offset: number): void {
    const { intake } = this
    const { values } = intake
    // Within it a record cannot be too large, however many bytes each character has.
    const safe = Math.floor(intake.limit / 3)
    let start = offset === 0 && text.startsWith(Text.mark) ? 1 : 0
    while (start < text.length) {
      const newline = text.indexOf("\n", start)
      const end = newline > start && text.charCodeAt(newline - 1) === Text.carriageReturn ? newline - 1 : newline
      if (end > start || !this.#ignoresEmpty) {
        const line = text.slice(start, end)
        intake.record++
        const isFit = line.length <= safe || Buffer.byteLength(line) <= intake.limit
        const reading = isFit ? this.#read(line) : intake.tooLarge
        if (isSuccess(reading)) values.push(reading.value)
        else {
          const before = text.length === size ? start : Buffer.byteLength(text.slice(0, start))
          intake.settle(reading, offset + before, Text.bytesOf(line))
        }
      }
      start = newline + 1
    }
  }

  #readEach(block: Uint8Array, offset: number): void {
    let start = 0
    while (start < block.length) {
      const end = block.indexOf(Text.newline, start)
      this.readOne(block.subarray(start, end), offset + start)
      start = end + 1
    }
  }
}
