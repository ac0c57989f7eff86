/**
 * @internal
 */
import * as Signal from "../../Signal.ts"

/** What `wait(2)` would have said, from what Node makes of it. */
export const waitStatus = (code: number | null, signal: NodeJS.Signals | null): number => {
  if (signal !== null && Signal.isSignal(signal)) return Signal.toNumber(signal)
  return ((code ?? 0) & 0xff) << 8
}
