/**
 * How bytes come from a descriptor to their receiver: registration with the event loop, and the memory that is read into.
 *
 * @internal
 */
import { Socket } from "node:net"
import { close, errnoOf } from "./descriptor.ts"
import type { VirtualEnd } from "./virtual.ts"

export interface Receiver {
  /** Whether the receiver keeps the chunks that it gets; if not, their memory is used again. */
  readonly keeps: boolean
  /** Whether to go on. */
  bytes(chunk: Uint8Array): boolean
  ended(): void
  failed(errno: string): void
}

/** Nothing is read and no event loop is held open before `start` and after `stop`; both may be called again and again. */
export interface Flow {
  start(): void
  stop(): void
  close(): void
  /** Whether a reading in progress holds the event loop open: it does, unless told otherwise. */
  ref(): void
  unref(): void
  /** Passes on what was read ahead and returns the descriptor, to be read at once; negative where it cannot be. */
  prepare(): number
}

/** The flow of whatever this program holds of a pipe. */
export const flowOf = (handle: number | Socket | VirtualEnd, receiver: Receiver): Flow => {
  if (typeof handle === "number") return new PipeFlow(handle, receiver)
  return handle instanceof Socket ? new SocketFlow(handle, receiver) : handle.flow(receiver)
}

// What one read takes at most: the kernel's pipes hold as much by default.
const readSize = 64 * 1024
// A chunk below this is copied and its memory used again. One above is given away with its memory: the collector of garbage frees
// young buffers of this size fast, where larger ones that several chunks share grow old and cost it full rounds.
const copyBelow = readSize / 2

/** Bytes of a pipe, read by the event loop straight into memory of our own. */
export class PipeFlow implements Flow {
  readonly #fd: number
  readonly #receiver: Receiver
  #socket: Socket | undefined
  #buffer: Uint8Array | undefined
  #closed = false
  #referenced = true

  constructor(fd: number, receiver: Receiver) {
    this.#fd = fd
    this.#receiver = receiver
  }

  start(): void {
    if (this.#closed) return
    if (this.#socket === undefined) this.#open()
    this.#socket?.resume()
  }

  stop(): void {
    this.#socket?.pause()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#socket === undefined) close(this.#fd)
    else this.#socket.destroy()
    this.#buffer = undefined
  }

  ref(): void {
    this.#referenced = true
    this.#socket?.ref()
  }

  unref(): void {
    this.#referenced = false
    this.#socket?.unref()
  }

  prepare(): number {
    return this.#closed ? -1 : this.#fd
  }

  #open(): void {
    try {
      const socket = new Socket({
        fd: this.#fd,
        readable: true,
        writable: false,
        onread: { buffer: () => this.#room(), callback: (count) => this.#take(count) }
      })
      socket.on("end", () => this.#receiver.ended())
      socket.on("error", (cause) => this.#receiver.failed(errnoOf(cause)))
      if (!this.#referenced) socket.unref()
      this.#socket = socket
    } catch (cause) {
      this.#receiver.failed(errnoOf(cause))
    }
  }

  /** Where the next read goes to. */
  #room(): Uint8Array {
    this.#buffer ??= Buffer.allocUnsafeSlow(readSize)
    return this.#buffer
  }

  #take(count: number): boolean {
    const buffer = this.#room()
    const chunk = buffer.subarray(0, count)
    if (!this.#receiver.keeps) return this.#receiver.bytes(chunk)
    if (count < copyBelow) return this.#receiver.bytes(new Uint8Array(chunk))
    this.#buffer = undefined
    return this.#receiver.bytes(chunk)
  }
}

/**
 * Bytes of a socket that somebody else made, and that may be written too.
 *
 * Node reads some bytes ahead into the socket; they are taken from there. The socket is never set flowing: Node would then throw
 * away what nobody has read when a child of its own exits.
 */
export class SocketFlow implements Flow {
  readonly #socket: Socket
  readonly #receiver: Receiver
  #flowing = false
  #referenced = true

  constructor(socket: Socket, receiver: Receiver) {
    this.#socket = socket
    this.#receiver = receiver
    socket.on("readable", () => this.#take())
    socket.on("end", () => receiver.ended())
    socket.on("error", (cause) => receiver.failed(errnoOf(cause)))
    socket.on("close", () => receiver.ended())
    socket.unref()
  }

  start(): void {
    if (this.#flowing) return
    // It may have ended before anybody listened to it: Node sees the end by itself where there is nothing else to read.
    if (this.#socket.readableEnded || this.#socket.destroyed) {
      this.#receiver.ended()
      return
    }
    this.#flowing = true
    if (this.#referenced) this.#socket.ref()
    this.#take()
  }

  stop(): void {
    this.#flowing = false
    this.#socket.unref()
  }

  close(): void {
    this.#socket.destroy()
  }

  ref(): void {
    this.#referenced = true
    if (this.#flowing) this.#socket.ref()
  }

  unref(): void {
    this.#referenced = false
    this.#socket.unref()
  }

  prepare(): number {
    for (let chunk = this.#read(); chunk !== undefined; chunk = this.#read()) this.#receiver.bytes(chunk)
    return this.#socket.destroyed ? -1 : descriptorOf(this.#socket)
  }

  #read(): Uint8Array | undefined {
    const chunk: unknown = this.#socket.read()
    return chunk instanceof Uint8Array ? chunk : undefined
  }

  #take(): void {
    while (this.#flowing) {
      const chunk = this.#read()
      if (chunk === undefined) return
      if (!this.#receiver.bytes(chunk)) this.stop()
    }
  }
}

/** Node does not tell the descriptor of a socket; its handle has had it as `fd` in all versions. -1: it could not be told. */
const descriptorOf = (socket: Socket): number => {
  const handle: unknown = Reflect.get(socket, "_handle")
  return typeof handle === "object" && handle !== null && "fd" in handle && typeof handle.fd === "number"
    ? handle.fd
    : -1
}
