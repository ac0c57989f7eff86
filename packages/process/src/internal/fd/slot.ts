/**
 * One end of something that the backend holds: where it is, and whether it can still be used.
 *
 * @internal
 */
import type { Socket } from "node:net"
import type * as Deferred from "effect/Deferred"
import type { FdError } from "../../FdError.ts"
import type { KeeperLost } from "../../ProcessError.ts"
import type { Backend } from "../backend.ts"
import type { Held, HeldEnd } from "../held.ts"

export type Kind = "pipe" | "stream" | "message" | "file" | "memory" | "listening" | "terminal"

export type Direction = "readable" | "writable" | "duplex"

/**
 * - `open`: it is held here.
 * - `giving`: a spawn that is under way gives it away, unless it fails.
 * - `given`: a child, or this program, has the only copy.
 * - `closed`: it was let go.
 */
export type State = "open" | "giving" | "given" | "closed"

const problems: Record<Exclude<State, "open">, string> = {
  giving: "it is being given to another process",
  given: "it was given away, and cannot be used again: make another one, or leave out Fd.give where it is used first",
  closed: "its scope has closed, or Fd.close has been called: make it in a scope that lives as long as its users"
}

export class Slot {
  readonly backend: Backend
  readonly kind: Kind
  readonly direction: Direction
  /** For messages: `the reading end of a pipe`. */
  readonly name: string
  held: Held
  end: HeldEnd
  state: State = "open"
  /** A process has got a copy, or this program. */
  used = false
  /** Of a pair: the other end. */
  peer: Slot | undefined
  /** Of a pair: this program's socket, which takes its place. */
  socket: Socket | undefined
  connecting: Deferred.Deferred<Socket, FdError | KeeperLost> | undefined

  constructor(backend: Backend, held: Held, end: HeldEnd, kind: Kind, direction: Direction, name: string) {
    this.backend = backend
    this.held = held
    this.end = end
    this.kind = kind
    this.direction = direction
    this.name = name
  }

  /** Why it cannot be used in this program. */
  get problem(): string | undefined {
    return this.state === "open" || (this.socket !== undefined && this.state !== "closed")
      ? undefined
      : problems[this.state === "giving" || this.state === "closed" ? this.state : "given"]
  }

  /** Why it cannot be used in this nursery. */
  refusal(backend: Backend): string | undefined {
    if (this.backend !== backend) return "it belongs to another nursery: make it in the one that starts the process"
    if (this.connecting !== undefined) return "this program has this end: give the process the other one"
    return this.state === "open" ? undefined : problems[this.state]
  }

  /** A spawn begins that uses it. */
  use(given: boolean): void {
    this.used = true
    if (given) this.state = "giving"
  }

  /** What became of the spawn that was to get it. */
  settle(started: boolean): void {
    if (this.state === "giving") this.state = started ? "given" : "open"
  }

  /** Lets go of it; whoever has a copy keeps that. */
  close(): void {
    const { state } = this
    this.state = "closed"
    this.socket?.destroy()
    if (state === "open" || state === "giving") this.held.drop(this.end)
  }

  /** It is this program's alone now. */
  take(): void {
    if (this.state !== "open") return
    this.state = "given"
    this.held.drop(this.end)
  }
}
