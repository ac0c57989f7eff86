/**
 * The worker's side: Effect's own server of an `RpcGroup`, on a descriptor.
 *
 * @internal
 */
import { Socket } from "node:net"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type FromClientEncoded, type FromServerEncoded, ResponseDefectEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { RpcServeOptions } from "../../Worker.ts"

type Receive = Parameters<RpcServer.Protocol["Service"]["run"]>[0]

/** The only client of a worker. */
const POOL = 0

const socketOf = (descriptor: number): Socket => {
  try {
    return new Socket({ fd: descriptor })
  } catch (cause) {
    throw new Error(`descriptor ${descriptor} is no socket: this program is a worker, for WorkerPool.rpc to start`, {
      cause
    })
  }
}

const open = (descriptor: number): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = socketOf(descriptor)
      // That nobody reads any more is seen where requests are read.
      socket.on("error", () => {})
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Waits until there is room for more, or nobody to write to. */
const write = (socket: Socket, bytes: Uint8Array | string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.destroyed || socket.write(bytes)) return resume(Effect.void)
    const done = (): void => {
      socket.off("drain", done).off("close", done)
      resume(Effect.void)
    }
    socket.on("drain", done).on("close", done)
  })

export const serve = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: RpcServeOptions,
  descriptor: number
): Effect.Effect<
  void,
  never,
  RpcSerialization.RpcSerialization | Rpc.ToHandler<Rpcs> | Rpc.Middleware<Rpcs> | Rpc.ServicesServer<Rpcs>
> =>
  Effect.gen(function* () {
    const serialization = yield* RpcSerialization.RpcSerialization
    const parser = serialization.makeUnsafe()
    const socket = yield* open(descriptor)
    const ended = Deferred.makeUnsafe<void>()
    const encodeDefect = Schema.encodeSync(serialization.codecFor(Schema.Defect()))

    const send = (response: FromServerEncoded): Effect.Effect<void> =>
      Effect.suspend(() => {
        const encoded = parser.encode(response)
        return encoded === undefined ? Effect.void : write(socket, encoded)
      })

    /** What cannot be read is told. Where the next request begins is not known then: nothing that follows is one, until the pool ends. */
    let isUnreadable = false
    const read = (bytes: Uint8Array, receive: Receive): Effect.Effect<void> => {
      if (isUnreadable) return Effect.void
      try {
        // What a parser reads is what the pool writes, by the same serialization.
        const messages = parser.decode(bytes) as ReadonlyArray<FromClientEncoded>
        return Effect.forEach(messages, (message) => receive(POOL, message), { discard: true })
      } catch (cause) {
        isUnreadable = true
        return send(ResponseDefectEncoded(encodeDefect(cause)))
      }
    }

    const protocol = yield* RpcServer.Protocol.make((receive) =>
      Effect.gen(function* () {
        const requests: AsyncIterable<Uint8Array> = socket
        yield* Stream.fromAsyncIterable(requests, (cause) => cause).pipe(
          // A pool that has ended in the midst of something has ended all the same.
          Stream.catchCause(() => Stream.empty),
          Stream.runForEach((bytes) => read(bytes, receive)),
          Effect.ensuring(Deferred.succeed(ended, undefined)),
          Effect.forkScoped
        )
        return {
          disconnects: yield* Queue.make<number>(),
          send: (_client, response) => send(response),
          end: () => Effect.void,
          clientIds: Effect.succeed(new Set([POOL])),
          initialMessage: Effect.succeedNone,
          supportsAck: true,
          supportsTransferables: false,
          supportsSpanPropagation: true,
          supportsNotifications: true,
          codecFor: serialization.codecFor
        }
      })
    )

    yield* RpcServer.make(group, { ...options, disableFatalDefects: options.disableFatalDefects ?? true }).pipe(
      Effect.provideService(RpcServer.Protocol, protocol),
      Effect.raceFirst(Deferred.await(ended))
    )
  }).pipe(Effect.scoped)
