/**
 * The options of a pool as users give them, checked.
 *
 * @internal
 */
import { type ChildExit, Restart, type Supervisor } from "@nursery/supervisor"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { Delivery, Size, WorkerCommand } from "../../WorkerPool.ts"
import { InvalidPool, type WorkerFailure } from "../../WorkerPoolError.ts"
import type { PoolPlan } from "./make.ts"
import type { LifeFailure } from "./worker.ts"

/** What all pools are told, with its types forgotten. */
export interface PoolOptions {
  readonly size: Size
  readonly transport?: "stdio" | "socketpair" | undefined
  readonly inFlight?: number | undefined
  readonly delivery?: Delivery | undefined
  readonly retry?: Schedule.Schedule<unknown, WorkerFailure, never, unknown> | undefined
  readonly restart?: Restart.Restart<ChildExit<LifeFailure>, never, unknown> | undefined
  readonly intensity?: Supervisor.Intensity | undefined
}

/** Gives up at the first end: a worker that just stayed down would leave requests that nobody ever answers. */
const noRestart = Restart.always({ schedule: Schedule.recurs(0) })

// What its policies need is in the types of `WorkerPool`, in whose context the pool runs.
const withServices = ({ restart, retry }: PoolOptions): Pick<PoolPlan, "retry" | "restart"> => ({
  retry: retry as PoolPlan["retry"],
  restart: restart?.spec.rule === "never" ? noRestart : (restart as PoolPlan["restart"])
})

export const invalid = (option: string, problem: string) => Result.fail(new InvalidPool({ option, problem }))

export const countOf = (
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

export const durationOf = (
  option: string,
  input: Duration.Input | undefined
): Result.Result<Duration.Duration | undefined, InvalidPool> => {
  if (input === undefined) return Result.succeed(undefined)
  const duration = Duration.fromInput(input)
  return duration._tag === "Some" && Duration.isPositive(duration.value)
    ? Result.succeed(duration.value)
    : invalid(option, "has to be a duration above zero")
}

export const poolOf = (
  command: WorkerCommand,
  options: PoolOptions,
  usual: Delivery
): Result.Result<PoolPlan, InvalidPool> =>
  Result.gen(function* () {
    const size = typeof options.size === "number" ? { min: options.size, max: options.size } : options.size
    const max = yield* countOf("size", size.max, 1, 1)
    const min = yield* countOf("size.min", size.min, 1, 0)
    if (min > max) return yield* invalid("size.min", `is ${min}, and size.max is ${max}`)
    const delivery = options.delivery ?? usual
    return {
      command,
      transport: options.transport ?? "stdio",
      min,
      max,
      idle: (yield* durationOf("size.idle", "idle" in size ? size.idle : undefined)) ?? Duration.seconds(10),
      window: yield* countOf("inFlight", options.inFlight, delivery === "at-most-once" ? 1 : 16, 1),
      batch: undefined,
      patience: undefined,
      delivery,
      ...withServices(options),
      intensity: options.intensity
    }
  })
