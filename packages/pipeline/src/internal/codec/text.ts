/**
 * Text and JSON, as records of bytes hold them.
 *
 * @internal
 */
import { isAscii } from "node:buffer"
import * as Exit from "effect/Exit"
import { type DecodeReason, InvalidSyntax, InvalidUtf8 } from "../../CodecError.ts"
import type { Reading } from "./model.ts"

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

export const newline = 10
export const carriageReturn = 13

/** The byte order mark, as text. */
export const mark = "\ufeff"

/** How many bytes it has. */
export const markSize = 3

export const hasMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

/** The same memory, as what Node has fast functions for. */
const buffered = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** The bytes as text; `undefined` where they are no UTF-8. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  if (isAscii(bytes)) return buffered(bytes).toString("latin1")
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** The bytes as text where each is one character, else `undefined`. */
export const asciiOf = (bytes: Uint8Array): string | undefined =>
  isAscii(bytes) ? buffered(bytes).toString("latin1") : undefined

export const bytesOf = (text: string): Uint8Array => encoder.encode(text)

export const failed = (reason: DecodeReason): Exit.Exit<never, DecodeReason> => Exit.fail(reason)

export const invalidUtf8 = failed(new InvalidUtf8())

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Reads one JSON value, and then what the Schema makes of it. */
export const jsonReader =
  (decode: (value: unknown) => Reading): ((text: string) => Reading) =>
  (text) => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      return failed(new InvalidSyntax({ problem: messageOf(cause) }))
    }
    return decode(value)
  }

/** A value as JSON; throws where it has none. */
export const jsonOf = (value: unknown): string => {
  const text = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`${typeof value} has no form in JSON`)
  return text
}
