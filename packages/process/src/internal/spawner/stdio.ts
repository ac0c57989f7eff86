/**
 * This program's ends of a child's descriptors, as the Streams and Sinks of a handle.
 *
 * A descriptor that was not configured, or that this program has no end of, gives an empty Stream and a Sink that drops what it
 * gets, as the contract says.
 *
 * @internal
 */

import type { Socket } from "node:net"
import type * as PlatformError from "effect/PlatformError"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { OpenedFd } from "../backend.ts"
import { Target } from "../streams/target.ts"
import { codeError, fromCause } from "./errors.ts"
import type { Input, Resolved } from "./options.ts"
import { Reader } from "./reader.ts"

type Bytes = Stream.Stream<Uint8Array, PlatformError.PlatformError>
type Writable = Sink.Sink<void, Uint8Array, never, PlatformError.PlatformError>

interface End {
  readonly reader: Reader | undefined
  readonly target: Target<PlatformError.PlatformError> | undefined
  readonly stream: Bytes
  readonly sink: Writable
  readonly socket: Socket | undefined
}

const names = ["stdin", "stdout", "stderr"]

const nameOf = (target: number): string => names[target] ?? `fd${target}`

/** Strings, which only untyped code can send, in the encoding of the options. */
const encoded = (sink: Writable, encoding: BufferEncoding): Writable => {
  const bytes = (chunk: unknown) => (chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk), encoding))
  return Sink.mapInputArray(sink, ([first, ...rest]: readonly [unknown, ...Array<unknown>]) => [
    bytes(first),
    ...rest.map(bytes)
  ])
}

export class Stdio {
  readonly #resolved: Resolved
  readonly #ends = new Map<number, End>()

  constructor(resolved: Resolved, opened: ReadonlyArray<OpenedFd>) {
    this.#resolved = resolved
    for (const fd of opened) this.#ends.set(fd.target, this.#connect(fd))
  }

  stream(target: number): Bytes {
    return this.#ends.get(target)?.stream ?? Stream.empty
  }

  sink(target: number): Writable {
    return this.#ends.get(target)?.sink ?? Sink.drain
  }

  /** Whether what happens on the descriptors keeps the event loop alive. */
  hold(on: boolean): void {
    for (const end of this.#ends.values()) end.reader?.hold(on)
  }

  /** Nothing of the child is left: takes over what it has written, and lets go of what can be written no more. */
  childGone(): void {
    for (const end of this.#ends.values()) {
      end.target?.close()
      end.reader?.writersGone()
    }
  }

  /** Lets go of the pipes, whoever holds their other ends. A socket to nobody ends by itself, once it has been read. */
  closePipes(): void {
    for (const end of this.#ends.values()) if (end.socket === undefined) end.reader?.close()
  }

  /** Lets go of everything, whoever holds the other ends. */
  close(): void {
    for (const end of this.#ends.values()) {
      end.target?.close()
      end.reader?.close()
      end.socket?.destroy()
    }
  }

  /** Whether there is something to let go of. */
  get isOpen(): boolean {
    for (const end of this.#ends.values()) if (end.reader?.isOpen === true || end.target?.isOpen === true) return true
    return false
  }

  #connect({ target, kind, handle }: OpenedFd): End {
    const descriptor = this.#resolved.descriptors.get(target)
    const { command } = this.#resolved
    const subject = command
    const socket = typeof handle === "number" ? undefined : handle
    // A socket has two users, and is closed by the last of them.
    let users = kind === "duplex" ? 2 : 1
    const leave = socket === undefined ? undefined : () => void (--users === 0 && socket.destroy())
    const writes = kind !== "pipeOut"
    const reads = kind !== "pipeIn"
    const input: Input = descriptor?.input ?? this.#resolved.stdin
    const writer = writes
      ? new Target({
          handle,
          endOnDone: input.endOnDone,
          onError: (errno) =>
            fromCause(`fromWritable(${nameOf(target)})`, codeError(errno, `write ${errno}`, "write"), subject),
          release:
            socket === undefined
              ? undefined
              : () => {
                  // The child reads end of file while it may still write.
                  socket.end()
                  leave?.()
                }
        })
      : undefined
    const reader = reads
      ? new Reader({
          handle,
          onError: (cause) => fromCause(`fromReadable(${nameOf(target)})`, cause, subject),
          release: leave
        })
      : undefined
    const sink = descriptor?.output?.sink
    return {
      reader,
      target: writer,
      stream:
        reader === undefined
          ? Stream.empty
          : sink === undefined
            ? reader.stream
            : Stream.transduce(reader.stream, sink),
      sink: writer === undefined ? Sink.drain : encoded(writer.sink, input.encoding),
      socket
    }
  }
}
