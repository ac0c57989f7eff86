/**
 * This program's ends of a child's descriptors, as the Streams and Sinks of a handle.
 *
 * A descriptor that was not configured, or that this program has no end of, gives an empty Stream and a Sink that drops what it
 * gets, as the contract says.
 *
 * @internal
 */

import { Socket } from "node:net"
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

type Handle = OpenedFd["handle"]

interface End {
  readonly reader: Reader | undefined
  readonly writer: Target<PlatformError.PlatformError> | undefined
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
      end.writer?.close()
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
      end.writer?.close()
      end.reader?.close()
      end.socket?.destroy()
    }
  }

  /** Whether there is something to let go of. */
  get isOpen(): boolean {
    for (const end of this.#ends.values()) if (end.reader?.isOpen === true || end.writer?.isOpen === true) return true
    return false
  }

  #connect({ handle, kind, target }: OpenedFd): End {
    const socket = handle instanceof Socket ? handle : undefined
    // A socket that goes both ways has two users, and is closed by the last of them.
    let users = kind === "duplex" ? 2 : 1
    const leave = socket === undefined ? undefined : () => void (--users === 0 && socket.destroy())
    const writer = kind === "pipeOut" ? undefined : this.#writer(target, handle, leave)
    const reader = kind === "pipeIn" ? undefined : this.#reader(target, handle, leave)
    return {
      reader,
      writer,
      stream: reader === undefined ? Stream.empty : this.#transduced(target, reader.stream),
      sink: writer === undefined ? Sink.drain : encoded(writer.sink, this.#inputOf(target).encoding),
      socket
    }
  }

  #inputOf(target: number): Input {
    return this.#resolved.descriptors.get(target)?.input ?? this.#resolved.stdin
  }

  #transduced(target: number, stream: Bytes): Bytes {
    const sink = this.#resolved.descriptors.get(target)?.output?.sink
    return sink === undefined ? stream : Stream.transduce(stream, sink)
  }

  #writer(target: number, handle: Handle, leave: (() => void) | undefined): Target<PlatformError.PlatformError> {
    const method = `fromWritable(${nameOf(target)})`
    return new Target({
      handle,
      endOnDone: this.#inputOf(target).endOnDone,
      onError: (errno) => fromCause(method, codeError(errno, `write ${errno}`, "write"), this.#resolved.command),
      release:
        typeof handle === "number"
          ? undefined
          : () => {
              // The child reads end of file while it may still write.
              handle.end()
              leave?.()
            }
    })
  }

  #reader(target: number, handle: Handle, leave: (() => void) | undefined): Reader {
    const method = `fromReadable(${nameOf(target)})`
    return new Reader({
      handle,
      onError: (cause) => fromCause(method, cause, this.#resolved.command),
      release: leave
    })
  }
}
