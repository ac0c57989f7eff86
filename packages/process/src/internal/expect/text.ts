/**
 * Text that has come and was not taken yet, and the search in it. No Effect, no time.
 *
 * @internal
 */

/** What the end of the output is called where it is waited for. */
export const end: unique symbol = Symbol.for("~@nursery/process/Expect/end")

export type Pattern = string | RegExp | typeof end

/** Where a pattern was found. */
export interface Found {
  /** Which of the patterns. */
  readonly index: number
  readonly from: number
  readonly to: number
  readonly captures: ReadonlyArray<string | undefined>
  readonly groups: { readonly [name: string]: string | undefined }
}

const nothing: Pick<Found, "captures" | "groups"> = { captures: [], groups: {} }

/** Without the flags that make a pattern remember where it was. */
const fresh = (pattern: Pattern): Pattern =>
  pattern instanceof RegExp ? new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, "")) : pattern

/** Patterns, ready to be searched for again and again. */
export const prepare = (patterns: ReadonlyArray<Pattern>): ReadonlyArray<Pattern> => patterns.map(fresh)

export const describe = (pattern: Pattern): string =>
  pattern === end ? "the end of the output" : typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern)

const find = (pattern: Pattern, index: number, text: string): Found | undefined => {
  if (typeof pattern === "string") {
    const from = text.indexOf(pattern)
    return from === -1 ? undefined : { index, from, to: from + pattern.length, ...nothing }
  }
  const match = pattern === end ? null : pattern.exec(text)
  if (match === null) return undefined
  const [all, ...captures] = match
  return { index, from: match.index, to: match.index + all.length, captures, groups: { ...match.groups } }
}

export class Text {
  #text = ""
  #bytes = 0
  #ended = false
  // One for the whole stream: a character may be cut anywhere.
  readonly #decoder = new TextDecoder()

  /** How much memory it takes, in bytes of UTF-8. */
  get size(): number {
    return this.#bytes
  }

  get length(): number {
    return this.#text.length
  }

  append(chunk: Uint8Array): void {
    this.#text += this.#decoder.decode(chunk, { stream: true })
    this.#bytes += chunk.length
  }

  /** Nothing follows. `isEnd`: because it was all, and not because something went wrong. */
  end(isEnd: boolean): void {
    this.#ended = isEnd
    this.#text += this.#decoder.decode()
  }

  /** The pattern that is found first in the text; of those at the same place, the one that was given first. */
  search(patterns: ReadonlyArray<Pattern>): Found | undefined {
    let first: Found | undefined
    for (const [index, pattern] of patterns.entries()) {
      const found = find(pattern, index, this.#text)
      if (found !== undefined && (first === undefined || found.from < first.from)) first = found
    }
    const index = first === undefined && this.#ended ? patterns.indexOf(end) : -1
    const { length } = this.#text
    return index === -1 ? first : { index, from: length, to: length, ...nothing }
  }

  /** Takes that much away from its front. */
  take(length: number): string {
    const taken = this.#text.slice(0, length)
    this.#text = this.#text.slice(length)
    this.#bytes = Buffer.byteLength(this.#text)
    return taken
  }

  /** The end of it. */
  last(length: number): string {
    return this.#text.slice(-length)
  }
}
