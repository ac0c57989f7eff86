/**
 * Messages of sd_notify(3), as the keeper tells them.
 *
 * @internal
 */
import type { RawNotification } from "@nursery/process/Backend"

/** Variables by their names. */
export type Fields = { readonly [name: string]: string | number }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** What is longer loses its end. */
const longest = 4096

export const make = (pid: number, sender: RawNotification["sender"], fields: Fields): RawNotification => {
  const bytes = encoder.encode(
    Object.entries(fields)
      .map(([name, value]) => `${name}=${value}`)
      .join("\n")
  )
  return { pid, sender, cut: bytes.length > longest, text: decoder.decode(bytes.subarray(0, longest)) }
}
