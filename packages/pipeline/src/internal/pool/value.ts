/**
 * A pool as users have it, from options as they give them.
 *
 * @internal
 */
import type { Nursery } from "@nursery/process"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EncodeError } from "../../CodecError.ts"
import type { Delivery, Options, ThroughOptions, WorkerCommand, WorkerPool } from "../../WorkerPool.ts"
import { InvalidPool, RequestFailed, type WorkerFailure } from "../../WorkerPoolError.ts"
import { limitOf } from "../codec/limit.ts"
import { isSuccess, mismatch, type Spec } from "../codec/model.ts"
import * as specs from "../codec/specs.ts"
import { Entry } from "./dispatcher.ts"
import { type PoolGaveUp, type PoolPlan, type RunningPool, start } from "./make.ts"
import { exitOf, through } from "./through.ts"

type Common = Omit<Options<never, never, unknown, unknown, unknown>, "request" | "response">

/** The options with their types forgotten. */
export interface AnyOptions extends Common {
  readonly request: unknown
  readonly response: unknown
  readonly delivery?: Delivery | undefined
  readonly retry?: Schedule.Schedule<unknown, WorkerFailure, never, unknown> | undefined
}

// What its policies need is in the type of `make`, in whose context the pool runs.
const withServices = (options: AnyOptions): Pick<PoolPlan, "retry" | "restart"> => ({
  retry: options.retry as PoolPlan["retry"],
  restart: options.restart as PoolPlan["restart"]
})

const invalid = (option: string, problem: string) => Result.fail(new InvalidPool({ option, problem }))

const countOf = (
  option: string,
  value: number | undefined,
  fallback: number,
  least: number
): Result.Result<number, InvalidPool> => {
  const count = value ?? fallback
  return Number.isSafeInteger(count) && count >= least
    ? Result.succeed(count)
    : invalid(option, `has to be an integer from ${least} on, not ${count}`)
}

const durationOf = (
  option: string,
  input: Duration.Input | undefined
): Result.Result<Duration.Duration | undefined, InvalidPool> => {
  if (input === undefined) return Result.succeed(undefined)
  const duration = Duration.fromInput(input)
  return duration._tag === "Some" && Duration.isPositive(duration.value)
    ? Result.succeed(duration.value)
    : invalid(option, "has to be a duration above zero")
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

const planOf = (command: WorkerCommand, options: AnyOptions): Result.Result<PoolPlan, InvalidPool> =>
  Result.gen(function* () {
    const size = typeof options.size === "number" ? { min: options.size, max: options.size } : options.size
    const max = yield* countOf("size", size.max, 1, 1)
    const min = yield* countOf("size.min", size.min, 1, 0)
    if (min > max) return yield* invalid("size.min", `is ${min}, and size.max is ${max}`)
    const batch = options.batch === undefined ? undefined : yield* countOf("batch", options.batch, 1, 1)
    if (batch !== undefined) yield* listOf("request", options.request)
    const delivery = options.delivery ?? "at-least-once"
    return {
      command,
      transport: options.transport ?? "stdio",
      requests: yield* specOf("request", options.request),
      responses:
        batch === undefined ? yield* specOf("response", options.response) : yield* listOf("response", options.response),
      min,
      max,
      idle: (yield* durationOf("size.idle", "idle" in size ? size.idle : undefined)) ?? Duration.seconds(10),
      window: yield* countOf("inFlight", options.inFlight, delivery === "at-most-once" ? 1 : 16, 1),
      batch,
      limit: limitOf(options.maxRecordSize),
      timeout: yield* durationOf("timeout", options.timeout),
      delivery,
      ...withServices(options),
      intensity: options.intensity
    }
  })

/** What a Schema makes of a request. */
const encoderOf = (plan: PoolPlan, services: Context.Context<never>) => {
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
        return Effect.sync(() => {
          entry.isCancelled = true
        })
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
    const pool = yield* start(plan)
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
