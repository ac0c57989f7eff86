/**
 * A pool as users have it, from options as they give them.
 *
 * @internal
 */
import type { Nursery } from "@nursery/process"
import * as ByteSize from "effect/ByteSize"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EncodeError, Unrepresentable } from "../../CodecError.ts"
import type { Options, ThroughOptions, WorkerCommand, WorkerPool } from "../../WorkerPool.ts"
import { type InvalidPool, RequestFailed } from "../../WorkerPoolError.ts"
import { limitOf } from "../codec/limit.ts"
import { isSuccess, mismatch, type Spec } from "../codec/model.ts"
import * as specs from "../codec/specs.ts"
import { Entry } from "./dispatcher.ts"
import { type PoolGaveUp, type PoolPlan, type RunningPool, start } from "./make.ts"
import { countOf, durationOf, invalid, type PoolOptions, poolOf } from "./options.ts"
import { exitOf, through } from "./through.ts"
import { type RecordsPlan, records } from "./worker.ts"

/** A pool whose requests and answers are records. */
interface RecordPool extends PoolPlan {
  readonly requests: Spec
  readonly responses: Spec
  readonly limit: number
  readonly timeout: Duration.Duration | undefined
}

type Common = Omit<Options<never, never, unknown, unknown, unknown>, "request" | "response" | "restart">

/** The options with their types forgotten. */
export interface AnyOptions extends Common, PoolOptions {
  readonly request: unknown
  readonly response: unknown
}

const isCodec = (format: unknown): format is { readonly spec: Spec } =>
  Predicate.hasProperty(format, "~@nursery/pipeline/Codec")

/** A Schema stands for NDJSON. */
const specOf = (option: string, format: unknown): Result.Result<Spec, InvalidPool> => {
  if (Schema.isSchema(format)) return Result.succeed(specs.ndjson(format, undefined))
  if (!isCodec(format)) return invalid(option, "has to be a Schema or a codec")
  const { spec } = format
  if (!spec.isFramed)
    return invalid(option, `cannot be ${spec.format}: the end of a record has to be known when it is there`)
  return Result.succeed(spec)
}

const listOf = (option: string, format: unknown): Result.Result<Spec, InvalidPool> =>
  Schema.isSchema(format)
    ? Result.succeed(specs.ndjson(Schema.Array(format), undefined))
    : invalid("batch", `needs a Schema as ${option}`)

const sizeOf = (input: ByteSize.Input | undefined): Result.Result<number, InvalidPool> => {
  if (input === undefined) return Result.succeed(limitOf(undefined))
  const size = ByteSize.fromInput(input)
  return size._tag === "Some" && limitOf(size.value) > 0
    ? Result.succeed(limitOf(size.value))
    : invalid("maxRecordSize", "has to be a size above zero")
}

const planOf = (command: WorkerCommand, options: AnyOptions): Result.Result<RecordPool, InvalidPool> =>
  Result.gen(function* () {
    const batch = options.batch === undefined ? undefined : yield* countOf("batch", options.batch, 1, 1)
    if (batch !== undefined) yield* listOf("request", options.request)
    const pool = yield* poolOf(command, options, "at-least-once")
    return {
      ...pool,
      // It answers one after the other: what it gets sooner it does not begin sooner.
      low: pool.window >> 1,
      batch,
      requests: yield* specOf("request", options.request),
      responses:
        batch === undefined ? yield* specOf("response", options.response) : yield* listOf("response", options.response),
      limit: yield* sizeOf(options.maxRecordSize),
      timeout: yield* durationOf("timeout", options.timeout)
    }
  })

/** A format has no form for a request. */
const unwritable =
  ({ requests }: RecordPool): RecordsPlan["unwritable"] =>
  (message, cause) => {
    const reason = new Unrepresentable({ problem: cause.message })
    for (const entry of message) entry.fail(new EncodeError({ reason, format: requests.format, record: 1 }))
  }

const recordsOf = (plan: RecordPool): RecordsPlan => ({
  encoder: plan.requests.encoder(),
  responses: plan.responses,
  limit: plan.limit,
  isBatched: plan.batch !== undefined,
  timeout: plan.timeout,
  unwritable: unwritable(plan)
})

/** What a Schema makes of a request. */
const encoderOf = (plan: RecordPool, services: Context.Context<never>) => {
  const { encode } = plan.requests.encoder()
  return (request: unknown): Effect.Effect<unknown, RequestFailed> => {
    const encoding = encode(request)
    if (isSuccess(encoding)) return Exit.succeed(encoding.value)
    return encoding.pipe(
      Effect.mapError((issue) => {
        const reason = new EncodeError({ reason: mismatch(issue), format: plan.requests.format, record: 1 })
        return new RequestFailed({ reason, attempts: 0 })
      }),
      // The services that the Schema needs are in the type of `make`.
      Effect.provideContext(services as Context.Context<unknown>)
    )
  }
}

const requesting =
  ({ dispatcher }: RunningPool, encode: (request: unknown) => Effect.Effect<unknown, RequestFailed>) =>
  (request: unknown): Effect.Effect<unknown, RequestFailed> =>
    Effect.flatMap(encode(request), (encoded) =>
      Effect.callback<unknown, RequestFailed>((resume) => {
        const entry = new Entry(encoded, (outcome) => resume(exitOf(outcome)))
        dispatcher.submit([entry])
        return Effect.sync(() => dispatcher.cancel(entry))
      })
    )

// The types of the requests and answers, and of what goes wrong, are those of the options.
const typed = (pool: { readonly [K in keyof WorkerPool<unknown, unknown>]: unknown }): never => pool as never

export const make = (
  command: WorkerCommand,
  options: AnyOptions
): Effect.Effect<never, InvalidPool | PoolGaveUp, Nursery.Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    const plan = yield* Effect.fromResult(planOf(command, options))
    const services = yield* Effect.context<never>()
    const pool = yield* start(plan, (dispatcher) => records(dispatcher, recordsOf(plan)))
    const encode = encoderOf(plan, services)
    const { dispatcher } = pool
    const answering = (given: AnyThrough | undefined) =>
      through({
        dispatcher,
        encode,
        // Twice what the workers have, so that there is something for them while answers wait for an earlier one.
        capacity: 2 * plan.max * plan.window * (plan.batch ?? 1),
        isOrdered: given?.unordered !== true,
        deadLetters: given?.deadLetters
      })
    return typed({
      delivery: plan.delivery,
      request: requesting(pool, encode),
      through: (given?: AnyThrough) => (self: AnyStream) => Stream.pipeThroughChannel(self, answering(given)),
      status: Effect.sync(() => dispatcher.status),
      gaveUp: pool.gaveUp
    })
  })

type AnyThrough = ThroughOptions<unknown, unknown, unknown>
type AnyStream = Stream.Stream<unknown, unknown, unknown>
