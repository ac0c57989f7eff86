/**
 * The worker side of a pool (`WorkerPool`), for programs on Effect; and where the same is for Python and for a POSIX shell.
 */
import { Socket } from "node:net"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Codec from "./Codec.ts"
import type { DecodeError, EncodeError } from "./CodecError.ts"
import { sides } from "./internal/sides.ts"

/**
 * What a worker reads and writes: as the pool has it.
 *
 * @category models
 */
export interface ServeOptions<Request, Response, RequestR, ResponseR> {
  /** A Schema, for NDJSON, or a codec. */
  readonly request:
    | Codec.Codec<Request, RequestR, unknown>
    | Schema.ConstraintCodec<Request, unknown, RequestR, unknown>
  /** A Schema, for NDJSON, or a codec. */
  readonly response:
    | Codec.Codec<Response, unknown, ResponseR>
    | Schema.ConstraintCodec<Response, unknown, unknown, ResponseR>
  /** `"stdio"` by default; for a pool over pairs of sockets, which are the worker's descriptor 3, `"socketpair"`. */
  readonly transport?: "stdio" | "socketpair" | undefined
  /** How many requests are answered at a time; their answers are in order all the same. 1 by default. */
  readonly concurrency?: number | undefined
}

type Format<A, DecodeR, EncodeR> =
  | Codec.Codec<A, DecodeR, EncodeR>
  | Schema.ConstraintCodec<A, unknown, DecodeR, EncodeR>

const isCodec = <A, DecodeR, EncodeR>(
  format: Format<A, DecodeR, EncodeR>
): format is Codec.Codec<A, DecodeR, EncodeR> => !Schema.isSchema(format)

/** A Schema stands for NDJSON. */
const codecOf = <A, DecodeR, EncodeR>(format: Format<A, DecodeR, EncodeR>): Codec.Codec<A, DecodeR, EncodeR> =>
  isCodec(format) ? format : Codec.ndjson(format)

/** What a worker is asked by, and answers to. */
interface Line {
  readonly input: AsyncIterable<Uint8Array>
  /** Waits until there is room for more. Who does not read any more ends the process, by an error that nobody handles. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  readonly close: () => void
}

const writer =
  (to: NodeJS.WritableStream, write: (bytes: Uint8Array) => boolean): Line["write"] =>
  (bytes) =>
    Effect.callback((resume) => {
      if (write(bytes)) resume(Effect.void)
      else to.once("drain", () => resume(Effect.void))
    })

const overSocket = (): Line => {
  const socket = new Socket({ fd: 3 })
  return { input: socket, write: writer(socket, (bytes) => socket.write(bytes)), close: () => socket.end() }
}

/** What else is printed goes to stderr as long as this is open. */
const overStdio = (): Line => {
  const { stderr, stdin, stdout } = process
  const { write } = stdout
  stdout.write = stderr.write.bind(stderr)
  return {
    input: stdin,
    write: writer(stdout, (bytes) => write.call(stdout, bytes)),
    close: () => {
      stdout.write = write
    }
  }
}

/** The end of the input. What is left then is no request, but the beginning of one. */
const ended: unique symbol = Symbol("ended")

const isEnd = (error: unknown): error is typeof ended => error === ended

/**
 * Answers requests until there are no more. A failure is for the program to end with: the pool tries the request again, or tells of it.
 *
 * **Details**
 *
 * What the program prints meanwhile, its logs as well, goes to stderr where its stdout has the answers. For a pool with `batch`, request
 * and response are `Schema.Array` of what they are there: `handle` gets a list, and gives one as long.
 *
 * **Example** (A worker that squares numbers)
 *
 * ```ts no-run
 * import { Worker } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const square = (n: number) => Effect.succeed(n * n)
 * await Effect.runPromise(Worker.serve({ request: Schema.Finite, response: Schema.Finite }, square))
 * ```
 *
 * @category serving
 */
export const serve = <Request, Response, RequestR, ResponseR, E, R>(
  options: ServeOptions<Request, Response, RequestR, ResponseR>,
  handle: (request: Request) => Effect.Effect<Response, E, R>
): Effect.Effect<void, E | DecodeError | EncodeError, R | RequestR | ResponseR> =>
  Effect.acquireUseRelease(
    Effect.sync(options.transport === "socketpair" ? overSocket : overStdio),
    ({ input, write }) =>
      Stream.fromAsyncIterable(input, (cause) => cause).pipe(
        Stream.orDie,
        Stream.concat(Stream.fail(ended)),
        Codec.decode(codecOf(options.request)),
        Stream.mapEffect((request) => handle(request), { concurrency: options.concurrency ?? 1 }),
        // An answer does not wait for those after it.
        Stream.rechunk(1),
        Codec.encode(codecOf(options.response)),
        Stream.runForEach(write),
        Effect.catchIf(isEnd, () => Effect.void)
      ),
    ({ close }) => Effect.sync(close)
  )

/**
 * How an `RpcGroup` is served: what `RpcServer.make` is told.
 *
 * @category models
 */
export interface RpcServeOptions {
  /** How many calls are handled at a time. The pool gives a worker no more than its `inFlight`. */
  readonly concurrency?: number | "unbounded" | undefined
  /**
   * Whether the defect of a handler is of its call alone: `true` by default. With `false` it ends the worker, and all the calls that this
   * has fail.
   */
  readonly disableFatalDefects?: boolean | undefined
  readonly disableTracing?: boolean | undefined
  readonly spanPrefix?: string | undefined
  readonly spanAttributes?: Record<string, unknown> | undefined
}

/**
 * Serves an `RpcGroup` to the pool that has started this program by `WorkerPool.rpc`, until the pool ends. Calls that are being handled then
 * are interrupted.
 *
 * **Details**
 *
 * It is `RpcServer.make` on descriptor 3, so what the program prints is its own. The defect of a handler is that of its call.
 *
 * **Gotchas**
 *
 * A worker is stopped as its command says, by SIGTERM where nothing is said. A program that is run by `NodeRuntime.runMain` interrupts its
 * handlers then; one that is run by `Effect.runPromise` just ends.
 *
 * **Example** (A worker that squares numbers)
 *
 * ```ts no-run
 * import { Worker } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Rpc from "effect/rpc/Rpc"
 * import * as RpcGroup from "effect/rpc/RpcGroup"
 * import * as RpcSerialization from "effect/rpc/RpcSerialization"
 * import * as Schema from "effect/Schema"
 *
 * const Squares = RpcGroup.make(Rpc.make("Square", { payload: { n: Schema.Finite }, success: Schema.Finite }))
 * const handlers = Squares.toLayer({ Square: ({ n }) => Effect.succeed(n * n) })
 *
 * await Effect.runPromise(Worker.rpc(Squares).pipe(Effect.provide([handlers, RpcSerialization.layerNdjson])))
 * ```
 *
 * @category serving
 */
export const rpc = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: RpcServeOptions = {}
): Effect.Effect<
  void,
  never,
  RpcSerialization.RpcSerialization | Rpc.ToHandler<Rpcs> | Rpc.Middleware<Rpcs> | Rpc.ServicesServer<Rpcs>
> =>
  Effect.flatMap(
    Effect.promise(() => import("./internal/rpc/serve.ts")),
    ({ serve }) => serve(group, options, 3)
  )

/**
 * The folder of the module `nursery_worker` for Python 3, for the `PYTHONPATH` of a worker. Its `serve` is given a function.
 *
 * @category other languages
 */
export const pythonPath: string = sides

/**
 * The file that a worker in a POSIX shell sources. Its `nursery_serve` is given the name of a function.
 *
 * @category other languages
 */
export const shellLibrary: string = join(sides, "nursery_worker.sh")
