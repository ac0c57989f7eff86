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
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as Codec from "./Codec.ts"
import * as internal from "./internal/pool/value.ts"
import type { LifeFailure } from "./internal/pool/worker.ts"
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
   * When a worker is started again that has ended. By default always: soon, then at least once a second.
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
