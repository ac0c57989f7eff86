/**
 * Pools of worker processes: long-lived programs in any language that answer requests, one record for each, in their order.
 *
 * A worker reads requests from its stdin and writes answers to its stdout, as NDJSON unless something else is asked for; a program for that
 * is a page in any language. {@link make} starts some of them and gives each request to one that has room.
 *
 * **Details**
 *
 * - Requests and answers have Schemas. Something that is no answer, or one that nobody asked for, is the end of its worker: which answer
 *   belongs to which request is not known any more.
 * - Workers run under a supervisor. One that ends, for whatever reason, is replaced as its restart policy says; when that gives up the
 *   pool does.
 * - `"at-least-once"`: requests that a worker had which has failed are tried again, by a Schedule, each in a worker of its own. Those that
 *   fail to the end are `RequestFailed`. A worker may have done some of them, and they are done again.
 * - `"at-most-once"`: they are `RequestFailed` at once, for it is not known whether they have been done. A worker has one request at a time, so
 *   that it is one.
 * - Nothing is lost: each request has an answer or a `RequestFailed`.
 * - Workers that are programs on Effect may serve an `RpcGroup` instead: {@link rpc}.
 *
 * **Gotchas**
 *
 * - What a worker prints is an answer. One whose program prints other things needs the transport `"socketpair"`, which is its descriptor 3.
 * - A worker that buffers its output answers late: it has to flush after each answer.
 */
import type { Command, Fd, Nursery, Stdio } from "@nursery/process"
import type { ChildExit, GaveUp, Restart, Supervisor } from "@nursery/supervisor"
import type * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as Codec from "./Codec.ts"
import * as internal from "./internal/pool/value.ts"
import type { LifeFailure } from "./internal/pool/worker.ts"
import type { AnyOptions as AnyRpcOptions } from "./internal/rpc/make.ts"
import type { DeadLetter, InvalidPool, RequestFailed, WorkerFailure } from "./WorkerPoolError.ts"

export type { LifeFailure } from "./internal/pool/worker.ts"

/**
 * How often a request may be done.
 *
 * @category models
 */
export type Delivery = "at-most-once" | "at-least-once"

/**
 * What a pool is doing.
 *
 * @category models
 */
export interface Status {
  /** How many workers run. */
  readonly workers: number
  /** How many requests workers have. */
  readonly running: number
  /** How many wait for a worker. */
  readonly waiting: number
}

/**
 * How a stream of requests is answered.
 *
 * @category models
 */
export interface ThroughOptions<Request, out E = never, out R = never> {
  /** Whether answers come as they are there; by default they are in the order of the requests. */
  readonly unordered?: boolean | undefined
  /**
   * Gets the requests that have failed, and why. The Stream goes on without them, at the pace of the Sink. By default the first one is
   * the failure of the Stream.
   */
  readonly deadLetters?: Sink.Sink<unknown, DeadLetter<Request>, unknown, E, R> | undefined
}

/**
 * A pool of workers.
 *
 * @category models
 */
export interface WorkerPool<in out Request, out Response, out D extends Delivery = Delivery> {
  readonly delivery: D
  /** Asks a worker. When it is interrupted before a worker has got it, none does. */
  readonly request: (request: Request) => Effect.Effect<Response, RequestFailed>
  /**
   * Answers a stream of requests. It takes no more of them than the workers have room for, so that its source waits for them.
   */
  readonly through: <E2 = never, R2 = never>(
    options?: ThroughOptions<Request, E2, R2>
  ) => <E, R>(self: Stream.Stream<Request, E, R>) => Stream.Stream<Response, E | E2 | RequestFailed, R | R2>
  readonly status: Effect.Effect<Status>
  /** Waits for the end of the pool, and fails when a worker has given up. */
  readonly gaveUp: Effect.Effect<never, GaveUp<"workers", LifeFailure>>
}

/**
 * What requests, or answers, are: a Schema, for NDJSON, or a codec.
 *
 * @category models
 */
export type Format<A, DecodeR, EncodeR> =
  | Codec.Codec<A, DecodeR, EncodeR>
  | Schema.ConstraintCodec<A, unknown, DecodeR, EncodeR>

/**
 * How many workers there are: a number, or as many as there is work for.
 *
 * @category models
 */
export type Size =
  | number
  | {
      /** Of them there are always so many; 1 by default. */
      readonly min?: number | undefined
      readonly max: number
      /** How long a worker has nothing to do until it is ended; 10 seconds by default. */
      readonly idle?: Duration.Input | undefined
    }

/**
 * The command of a worker. Its stdin and stdout are the pool's, unless that uses a pair of sockets.
 *
 * @category models
 */
export type WorkerCommand = Command.Command<
  "null" | "pipe",
  "inherit" | "pipe" | "null",
  Stdio.PlainOutput | Fd.Fd<"writable" | "duplex">,
  { readonly [descriptor: number]: "null" | "inherit" | Stdio.File | Fd.Fd }
>

/**
 * Options of all pools.
 *
 * @category models
 */
export interface Options<Request, Response, RequestR, ResponseR, RestartR> {
  /** A request, and how it is written. */
  readonly request: Format<Request, unknown, RequestR>
  /** An answer, and how it is written. */
  readonly response: Format<Response, ResponseR, unknown>
  readonly size: Size
  /** What a worker reads and writes: its stdin and stdout, or a pair of sockets that is its descriptor 3. */
  readonly transport?: "stdio" | "socketpair" | undefined
  /**
   * How many records a worker is sent before it has answered the first: 1 with `"at-most-once"`, else 16. More of them keep a quick worker
   * busy; those behind a slow request wait for it.
   */
  readonly inFlight?: number | undefined
  /**
   * Up to so many requests are sent as one record, a list, and answered by a list of as many answers; for workers that are quicker with
   * several. Only where request and response are Schemas.
   */
  readonly batch?: number | undefined
  /** How long a worker may take for a record, from when it has answered the one before. It is killed then. */
  readonly timeout?: Duration.Input | undefined
  /**
   * When a worker is started again that has ended. By default always: soon, then at least once a second. `Restart.never()` ends the pool
   * with the first worker that ends.
   */
  readonly restart?: Restart.Restart<ChildExit<LifeFailure>, never, RestartR> | undefined
  /** How many restarts of all workers are too many; by default only those count that have no schedule. */
  readonly intensity?: Supervisor.Intensity | undefined
  /** How large an answer may be; 1 MiB by default. */
  readonly maxRecordSize?: ByteSize.Input | undefined
}

/**
 * Requests that a worker had which has failed are not tried again.
 *
 * @category models
 */
export interface AtMostOnce {
  readonly delivery: "at-most-once"
  readonly retry?: never
}

/**
 * Requests that a worker had which has failed are tried again.
 *
 * @category models
 */
export interface AtLeastOnce<out RetryR> {
  readonly delivery?: "at-least-once" | undefined
  /** When, and how often: 3 times where nothing is said. Its input is why the worker failed. */
  readonly retry?: Schedule.Schedule<unknown, WorkerFailure, never, RetryR> | undefined
}

/**
 * Starts a pool, and returns when its workers run. They end with the scope.
 *
 * **Details**
 *
 * Fails with `InvalidPool` where the options are none, and with `GaveUp` when a worker cannot be started.
 *
 * **Example** (Three workers)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { WorkerPool } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const worker = Command.make("sh", ["-c", "while read -r n; do echo $((n * n)); done"])
 * const program = Effect.gen(function*() {
 *   const pool = yield* WorkerPool.make(worker, { request: Schema.Int, response: Schema.Int, size: 3 })
 *   return yield* Stream.range(1, 5).pipe(pool.through(), Stream.runCollect)
 * }).pipe(Effect.scoped)
 *
 * assert.deepEqual(await Effect.runPromise(Effect.provide(program, Nursery.layer)), [1, 4, 9, 16, 25])
 * ```
 *
 * @category constructors
 */
export const make: {
  <Request, Response, RequestR, ResponseR, RestartR = never>(
    command: WorkerCommand,
    options: Options<Request, Response, RequestR, ResponseR, RestartR> & AtMostOnce
  ): Effect.Effect<
    WorkerPool<Request, Response, "at-most-once">,
    InvalidPool | GaveUp<"workers", LifeFailure>,
    Nursery.Nursery | Scope.Scope | RequestR | ResponseR | RestartR
  >
  <Request, Response, RequestR, ResponseR, RestartR = never, RetryR = never>(
    command: WorkerCommand,
    options: Options<Request, Response, RequestR, ResponseR, RestartR> & AtLeastOnce<RetryR>
  ): Effect.Effect<
    WorkerPool<Request, Response, "at-least-once">,
    InvalidPool | GaveUp<"workers", LifeFailure>,
    Nursery.Nursery | Scope.Scope | RequestR | ResponseR | RestartR | RetryR
  >
} = internal.make

/**
 * A pool of workers that serve an `RpcGroup`.
 *
 * @category models
 */
export interface RpcPool<Rpcs extends Rpc.Any, out D extends Delivery = Delivery> {
  readonly delivery: D
  /** Has a function for each rpc of the group. Beside of what the group says, they fail with `RequestFailed`. */
  readonly client: RpcClient.RpcClient<Rpcs, RequestFailed>
  readonly status: Effect.Effect<Status>
  /** Waits for the end of the pool, and fails when a worker has given up. */
  readonly gaveUp: Effect.Effect<never, GaveUp<"workers", LifeFailure>>
}

/**
 * Options of pools that serve an `RpcGroup`.
 *
 * @category models
 */
export interface RpcOptions<RestartR> {
  readonly size: Size
  /**
   * How many calls a worker has at a time, each stream from its first part to its last: 1 with `"at-most-once"`, else 16. Other calls wait.
   */
  readonly inFlight?: number | undefined
  /**
   * How long a worker may take for the answer to a call, or for the next part of a stream. It is killed then, with all that it has; for a
   * limit of one call there is `Effect.timeout`, which interrupts the handler. A call to a worker that still starts takes that long, too.
   */
  readonly timeout?: Duration.Input | undefined
  /**
   * When a worker is started again that has ended. By default always: soon, then at least once a second. `Restart.never()` ends the pool
   * with the first worker that ends.
   */
  readonly restart?: Restart.Restart<ChildExit<LifeFailure>, never, RestartR> | undefined
  /** How many restarts of all workers are too many; by default only those count that have no schedule. */
  readonly intensity?: Supervisor.Intensity | undefined
  /** As in `RpcClient.make`. */
  readonly spanPrefix?: string | undefined
  /** As in `RpcClient.make`. */
  readonly spanAttributes?: Record<string, unknown> | undefined
  /** As in `RpcClient.make`. */
  readonly disableTracing?: boolean | undefined
}

type RpcServices<Rpcs extends Rpc.Any> =
  | Nursery.Nursery
  | Scope.Scope
  | RpcSerialization.RpcSerialization
  | Rpc.MiddlewareClient<Rpcs>

/**
 * Starts a pool whose workers serve an `RpcGroup` of Effect, and returns its client when they run. They end with the scope.
 *
 * **Details**
 *
 * A worker is a program that runs `Worker.rpc`, on a pair of sockets that is its descriptor 3; its stdin and stdout are its own. What the two
 * write to each other, and how large a message may be, is for the `RpcSerialization` that each of them is given: the same one.
 *
 * The client is that of `RpcClient.make`: effects, streams with back-pressure, typed errors and defects, and interruptions that reach the
 * handler. Beside of that a call fails with `RequestFailed`:
 *
 * - `"at-most-once"`, where nothing is said: when the worker fails that has it, for it is not known what of it has been done.
 * - `"at-least-once"`: when it has failed as often as `retry` allows. Each time it is alone with its worker, where one has nothing else
 *   to do within a second. A stream of which a part has been given away is not begun anew: it fails, after that part.
 *
 * A worker has failed when it ends, when it takes longer than `timeout`, and when it writes what is no answer to any of its calls. It is
 * replaced as its restart policy says.
 *
 * Fails with `InvalidPool` where the options are none, or where there is no keeper, and with `GaveUp` when a worker cannot be started.
 *
 * **Gotchas**
 *
 * - A stream is in flight from its first part to its last. With `inFlight: 1` who makes a call for each part needs another worker for that.
 * - A call with `discard` is over when its handler begins: nobody is told what becomes of it, and its worker may end meanwhile.
 * - An answer that is not what its Schema says is a defect, as in Effect: both sides have the same group.
 *
 * **Example** (Two workers, which are this program as well)
 *
 * ```ts
 * import { Worker, WorkerPool } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Rpc from "effect/rpc/Rpc"
 * import * as RpcGroup from "effect/rpc/RpcGroup"
 * import * as RpcSerialization from "effect/rpc/RpcSerialization"
 * import * as Schema from "effect/Schema"
 * import assert from "node:assert/strict"
 * import { fileURLToPath } from "node:url"
 *
 * const Squares = RpcGroup.make(Rpc.make("Square", { payload: { n: Schema.Finite }, success: Schema.Finite }))
 *
 * const handlers = Squares.toLayer({ Square: ({ n }) => Effect.succeed(n * n) })
 * const worker = Effect.provide(Worker.rpc(Squares), handlers)
 *
 * const main = Effect.gen(function*() {
 *   const command = Command.make(process.execPath, [fileURLToPath(import.meta.url), "worker"])
 *   const { client } = yield* WorkerPool.rpc(command, Squares, { size: 2 })
 *   const squares = yield* Effect.forEach([1, 2, 3], (n) => client.Square({ n }), { concurrency: 2 })
 *   assert.deepEqual(squares, [1, 4, 9])
 * }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
 *
 * const program = process.argv[2] === "worker" ? worker : main
 * await Effect.runPromise(Effect.provide(program, RpcSerialization.layerNdjson))
 * ```
 *
 * @category constructors
 */
export const rpc: {
  <Rpcs extends Rpc.Any, RestartR = never>(
    command: WorkerCommand,
    group: RpcGroup.RpcGroup<Rpcs>,
    options: RpcOptions<RestartR> & Partial<AtMostOnce>
  ): Effect.Effect<
    RpcPool<Rpcs, "at-most-once">,
    InvalidPool | GaveUp<"workers", LifeFailure>,
    RpcServices<Rpcs> | RestartR
  >
  <Rpcs extends Rpc.Any, RestartR = never, RetryR = never>(
    command: WorkerCommand,
    group: RpcGroup.RpcGroup<Rpcs>,
    options: RpcOptions<RestartR> & AtLeastOnce<RetryR> & { readonly delivery: "at-least-once" }
  ): Effect.Effect<
    RpcPool<Rpcs, "at-least-once">,
    InvalidPool | GaveUp<"workers", LifeFailure>,
    RpcServices<Rpcs> | RestartR | RetryR
  >
} = <Rpcs extends Rpc.Any>(
  command: WorkerCommand,
  group: RpcGroup.RpcGroup<Rpcs>,
  options: AnyRpcOptions
): Effect.Effect<RpcPool<Rpcs, never>, InvalidPool | GaveUp<"workers", LifeFailure>, RpcServices<Rpcs>> =>
  // Effect's rpc modules are loaded by those who use them.
  Effect.flatMap(
    Effect.promise(() => import("./internal/rpc/make.ts")),
    ({ make }) => make(command, group, options)
  )
