/**
 * What this program does itself with a descriptor that the backend holds: bytes from it, and bytes to it.
 *
 * Pipes, files and memory are opened anew through the keeper's table of descriptors. A socket cannot be opened like that: this
 * program gets an end of a pair by a connection to the keeper, whose other end takes the place of the pair's other end. That is
 * possible only as long as nobody has that one yet.
 *
 * @internal
 */
import * as Fs from "node:fs"
import type { Socket } from "node:net"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { DescriptorGone, FdError, type FdReason, PathUnusable } from "../../FdError.ts"
import type { KeeperLost } from "../../ProcessError.ts"
import { Unsupported } from "../../ProcessError.ts"
import { errnoOf } from "../streams/descriptor.ts"
import { Source } from "../streams/source.ts"
import { Target } from "../streams/target.ts"
import { hold } from "./make.ts"
import type { Direction, Kind, Slot } from "./slot.ts"
import type { Value } from "./value.ts"

type Failure = FdError | KeeperLost

const fail = (reason: FdReason, operation: string, errno?: string): FdError =>
  new FdError({ reason, operation, step: "use", ...(errno === undefined ? undefined : { errno }) })

const errorOf = (slot: Slot, what: "read" | "write") => (errno: string) =>
  fail(new PathUnusable({ path: slot.name, errno }), `${what} ${slot.name}`, errno)

const check = (slot: Slot, operation: string): Effect.Effect<void, Failure> =>
  Effect.suspend((): Effect.Effect<void, Failure> => {
    if (slot.held.lost !== undefined) return Effect.fail(slot.held.lost)
    const problem = slot.problem
    return problem === undefined ? Effect.void : Effect.fail(fail(new DescriptorGone({ problem }), operation))
  })

/** Opens it in this program, which closes it. */
const open = (fd: Value<Direction, Kind>, flags: number, what: "read" | "write"): Effect.Effect<number, Failure> => {
  const { slot } = fd
  return Effect.andThen(
    check(slot, `${what} ${slot.name}`),
    Effect.try({
      try: () => {
        const opened = slot.held.open(slot.end, flags)
        slot.used = true
        if (fd.isGift) slot.take()
        return opened
      },
      // ENXIO of open(2): a pipe that nobody reads.
      catch: (cause) => {
        const errno = errnoOf(cause)
        return errorOf(slot, what)(errno === "ENXIO" ? "EPIPE" : errno)
      }
    })
  )
}

const tooLate =
  "a process has got an end of this pair already: open this end with Fd.readable or Fd.writable before the other is given to a process"

/** This program's socket of a pair, whose other end is then at the keeper. Both directions share one. */
const connect = (slot: Slot, operation: string): Effect.Effect<Socket, Failure> =>
  Effect.suspend((): Effect.Effect<Socket, Failure> => {
    if (slot.connecting !== undefined) return Effect.andThen(check(slot, operation), Deferred.await(slot.connecting))
    const { peer } = slot
    if (peer === undefined || peer.used || peer.connecting !== undefined || slot.used) {
      return Effect.andThen(
        check(slot, operation),
        Effect.fail(fail(new DescriptorGone({ problem: tooLate }), operation))
      )
    }
    const connecting = Deferred.makeUnsafe<Socket, Failure>()
    slot.connecting = connecting
    const made = Effect.andThen(check(slot, operation), replace(slot, peer, operation))
    // Once begun it is finished: another fiber may wait for it.
    return Effect.uninterruptible(Effect.onExit(made, (exit) => Deferred.done(connecting, exit)))
  })

/** Has a connection take the place of the pair. */
const replace = (slot: Slot, peer: Slot, operation: string): Effect.Effect<Socket, Failure> =>
  Effect.flatMap(hold(slot.backend, { kind: "connection" }, operation), (held) => {
    const { socket } = held
    if (socket === undefined || slot.state !== "open" || peer.state !== "open" || peer.used) {
      socket?.destroy()
      held.drop()
      return Effect.fail(fail(new DescriptorGone({ problem: tooLate }), operation))
    }
    slot.held.drop()
    // All that is left of this end is the socket.
    slot.state = "given"
    slot.socket = socket
    peer.held = held
    peer.end = 0
    return Effect.succeed(socket)
  })

const isRegular = (descriptor: number): Effect.Effect<boolean> => Effect.sync(() => Fs.fstatSync(descriptor).isFile())

const closing = (descriptor: number): Effect.Effect<void> => Effect.sync(() => Fs.closeSync(descriptor))

const chunkSize = 64 * 1024

const readSome = (descriptor: number, slot: Slot, at: number): Effect.Effect<Uint8Array, FdError> =>
  Effect.callback<Uint8Array, FdError>((resume) => {
    const buffer = new Uint8Array(chunkSize)
    Fs.read(descriptor, buffer, 0, chunkSize, at, (cause, count) =>
      resume(
        cause === null ? Effect.succeed(buffer.subarray(0, count)) : Effect.fail(errorOf(slot, "read")(errnoOf(cause)))
      )
    )
  })

const regularStream = (descriptor: number, slot: Slot): Stream.Stream<Uint8Array, FdError> =>
  Stream.unfold(0, (at: number) =>
    Effect.map(readSome(descriptor, slot, at), (chunk) =>
      chunk.length === 0 ? undefined : ([chunk, at + chunk.length] as const)
    )
  )

const writeSome = (descriptor: number, slot: Slot, chunk: Uint8Array): Effect.Effect<void, FdError> =>
  Effect.callback<void, FdError>((resume) => {
    const next = (at: number): void => {
      Fs.write(descriptor, chunk, at, chunk.length - at, null, (cause, count) => {
        if (cause !== null) resume(Effect.fail(errorOf(slot, "write")(errnoOf(cause))))
        else if (at + count === chunk.length) resume(Effect.void)
        else next(at + count)
      })
    }
    next(0)
  })

const isForBytes = (kind: Kind): boolean => kind !== "message" && kind !== "listening" && kind !== "terminal"

const unsupported = (slot: Slot, operation: string): FdError =>
  fail(
    new Unsupported({
      feature: `${slot.name} in this program`,
      problem:
        slot.kind === "terminal"
          ? "it is for processes: this program has the output and the input of its pty"
          : "Node has no sockets of this type; give it to a process"
    }),
    operation
  )

/** A Source or a Target of a socket leaves it open: the other direction may still be used. */
const socketSource = (slot: Slot): Effect.Effect<Source<FdError>, Failure> =>
  Effect.map(
    connect(slot, `read ${slot.name}`),
    (handle) => new Source({ handle, name: slot.name, onError: errorOf(slot, "read"), release: () => {} })
  )

const socketTarget = (slot: Slot): Effect.Effect<Target<FdError>, Failure> =>
  Effect.map(
    connect(slot, `write ${slot.name}`),
    (handle) => new Target({ handle, onError: errorOf(slot, "write"), release: () => handle.end() })
  )

export const readable = (fd: Value<Direction, Kind>): Stream.Stream<Uint8Array, Failure> => {
  const { slot } = fd
  const operation = `read ${slot.name}`
  if (!isForBytes(fd.kind)) return Stream.fail(unsupported(slot, operation))
  if (fd.kind === "stream") return Stream.unwrap(Effect.map(socketSource(slot), (source) => source.stream))
  return Stream.unwrap(
    Effect.gen(function* () {
      const handle = yield* open(fd, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK, "read")
      if (yield* isRegular(handle)) {
        yield* Effect.addFinalizer(() => closing(handle))
        return regularStream(handle, slot)
      }
      const source = new Source({ handle, name: slot.name, onError: errorOf(slot, "read") })
      yield* Effect.addFinalizer(() => Effect.sync(() => source.close()))
      return source.stream
    })
  )
}

export const writable = (fd: Value<Direction, Kind>): Sink.Sink<void, Uint8Array, never, Failure> => {
  const { slot } = fd
  const operation = `write ${slot.name}`
  if (!isForBytes(fd.kind)) return Sink.fail(unsupported(slot, operation))
  if (fd.kind === "stream") return Sink.unwrap(Effect.map(socketTarget(slot), (target) => target.sink))
  return Sink.unwrap(
    Effect.gen(function* () {
      // A file may be another process's too: its end is where nothing is written over.
      const place = fd.kind === "file" ? Fs.constants.O_APPEND : 0
      const handle = yield* open(fd, Fs.constants.O_WRONLY | Fs.constants.O_NONBLOCK | place, "write")
      if (yield* isRegular(handle)) {
        yield* Effect.addFinalizer(() => closing(handle))
        const write = (chunk: Uint8Array) => writeSome(handle, slot, chunk)
        return Sink.forEach(write)
      }
      const target = new Target({ handle, onError: errorOf(slot, "write") })
      yield* Effect.addFinalizer(() => Effect.sync(() => target.close()))
      return target.sink
    })
  )
}
