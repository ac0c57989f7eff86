/**
 * What a backend can hold for this program, whatever becomes of the processes that have got copies of it.
 *
 * @internal
 */
import type { KeeperLost } from "../ProcessError.ts"

export type SocketType = "stream" | "datagram" | "seqpacket"

/** Where a socket listens, resolved. */
export type HeldAddress =
  | {
      readonly family: "inet" | "inet6"
      /** 4 or 16 bytes in network order. */
      readonly address: ReadonlyArray<number>
      readonly scope: number
      /** 0: of the kernel's choice. */
      readonly port: number
      readonly reusePort: boolean
      readonly onlyV6: boolean
    }
  | {
      readonly family: "path"
      /** Absolute. */
      readonly path: string
      readonly replaceStale: boolean
      /** As they come where nothing is said. */
      readonly mode: number | undefined
      readonly uid: number | undefined
      readonly gid: number | undefined
    }
  | { readonly family: "abstract"; readonly name: string }

export type HeldRequest =
  /** `size`: what it should hold, in bytes; 0 for the kernel's default. */
  | { readonly kind: "pipe"; readonly size: number }
  | { readonly kind: "socketpair"; readonly type: SocketType }
  | {
      readonly kind: "file"
      /** Absolute. */
      readonly path: string
      readonly access: "read" | "write" | "read-write"
      readonly create: boolean
      readonly exclusive: boolean
      readonly truncate: boolean
      readonly append: boolean
      readonly mode: number
    }
  /** `size` may be more than there are bytes. Each user of it begins at the first byte. */
  | { readonly kind: "memory"; readonly bytes: Uint8Array; readonly size: number; readonly sealed: boolean }
  | { readonly kind: "listen"; readonly type: SocketType; readonly backlog: number; readonly at: HeldAddress }
  /** Its modes are those of a new terminal, but for these. */
  | {
      readonly kind: "pty"
      readonly columns: number
      readonly rows: number
      readonly raw: boolean
      readonly echo: boolean
    }
  /** A pair of stream sockets, one of which is this program's. */
  | { readonly kind: "connection" }

/** What the backend was at when it could not make something. */
export type HeldStep =
  | "request"
  | "credentials"
  | "create"
  | "open"
  | "write"
  | "seal"
  | "option"
  | "bind"
  | "stale"
  | "owner"
  | "listen"

export interface HeldFailure {
  readonly step: HeldStep
  /** Linux number. */
  readonly errno: number
}

/** The ends of a pipe (to read, to write) or of a pair; everything else has only the first. */
export type HeldEnd = 0 | 1

/** This program's side of a pty. */
export interface HeldPty {
  /** Of its terminal in `/dev/pts`. */
  readonly number: number
  /** Open, nonblocking ends of pipes, which the receiver closes: what the terminal shows, and what is typed. */
  readonly output: number
  readonly input: number
  resize(columns: number, rows: number, done: (result: HeldFailure | KeeperLost | undefined) => void): void
  /** `done` is called once, when all that its terminal shows has been written to `output`: why there is no more, if that is an error. */
  onHangup(done: (lost: KeeperLost | undefined) => void): void
}

export interface Held {
  /** The one that is bound, 0 where there is none. */
  readonly port: number
  /** Why it is not there any more. */
  readonly lost: KeeperLost | undefined
  /** Of a connection: this program's end. It does not flow, and half-open is allowed. */
  readonly socket: import("node:net").Socket | undefined
  readonly pty?: HeldPty | undefined
  /** Opens it in this program, with a position of its own, by flags of open(2). Throws the error of open(2). */
  open(end: HeldEnd, flags: number): number
  /** Of a memory: nobody can change it any more. */
  seal(done: (result: HeldFailure | KeeperLost | undefined) => void): void
  /** Lets go of one end, or of all; those that have copies keep them. */
  drop(end?: HeldEnd): void
}

/** What came of a request. */
export type Holding =
  | { readonly _tag: "Held"; readonly held: Held }
  | { readonly _tag: "Failed"; readonly failure: HeldFailure }
  | { readonly _tag: "Lost"; readonly error: KeeperLost }
