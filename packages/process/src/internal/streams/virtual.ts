/**
 * This program's end of a pipe that no kernel knows, because the process at its other end is simulated. It has no descriptor and
 * takes no part in the event loop: bytes move when the simulation says so.
 *
 * @internal
 */
import type { Outcome } from "./descriptor.ts"
import type { Flow, Receiver } from "./flow.ts"

export interface VirtualEnd {
  /** What is read goes to the receiver, from the flow's `start` on. For an end that is only written: nothing ever does. */
  readonly flow: (receiver: Receiver) => Flow
  /** As `tryWrite` of a nonblocking descriptor; `"EPIPE"` where nobody can read it any more. */
  readonly write: (chunks: ReadonlyArray<Uint8Array>) => Outcome
  /** Calls the listener when a write that would have blocked may be tried again. Returns what removes it. */
  readonly onWritable: (listener: () => void) => () => void
  /** No more is written: the process reads the end of file. The flow has a `close` of its own. */
  readonly end: () => void
}
