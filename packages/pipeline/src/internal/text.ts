/**
 * Texts of messages.
 *
 * @internal
 */
import { format } from "effect/Formatter"

/** What an error says, whatever it is. */
export const describe = (error: unknown): string => {
  if (error instanceof Error) return error.message === "" ? error.name : error.message
  return typeof error === "string" ? error : format(error)
}
