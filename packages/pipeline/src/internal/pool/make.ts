/**
 * A pool: its workers under a supervisor, and what becomes of requests when workers fail.
 *
 * @internal
 */
import { Fd, type Nursery } from "@nursery/process"
import { Child, type ChildExit, type GaveUp, Ready, Restart, Supervisor } from "@nursery/supervisor"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { WorkerCommand } from "../../WorkerPool.ts"
import { InvalidPool, PoolClosed, type WorkerFailure } from "../../WorkerPoolError.ts"
import { Dispatcher, type Entry } from "./dispatcher.ts"
import { type LifeFailure, life, type WorkerPlan } from "./worker.ts"

/** A pool as data, with its types forgotten. */
export interface PoolPlan {
  readonly command: WorkerCommand
  readonly transport: "stdio" | "socketpair"
  readonly min: number
  readonly max: number
  /** How long a worker has nothing to do before it is ended. */
  readonly idle: Duration.Duration
  readonly window: number
  /** How many of them a worker that had all has left when it gets more; by default as soon as it has room. */
  readonly low?: number | undefined
  readonly batch: number | undefined
  readonly delivery: "at-most-once" | "at-least-once"
  readonly retry: Schedule.Schedule<unknown, WorkerFailure> | undefined
  /** How long a suspect waits for a worker of its own: where requests may take for ever, there may never be one. */
  readonly patience: Duration.Duration | undefined
  readonly restart: Restart.Restart<ChildExit<LifeFailure>> | undefined
  readonly intensity: Supervisor.Intensity | undefined
}

/** Why a pool ends. */
export type PoolGaveUp = GaveUp<"workers", LifeFailure>

export interface RunningPool {
  readonly dispatcher: Dispatcher
  /** How many workers there are, or are about to be. */
  readonly size: () => number
  readonly gaveUp: Effect.Effect<never, PoolGaveUp>
}

/** Nearly at once, then slower, and at least once a second. */
const defaultRestart = Restart.always({
  schedule: Schedule.min([Schedule.exponential("10 millis"), Schedule.spaced("1 second")]),
  healthyAfter: "10 seconds"
})

const defaultRetry = Schedule.exponential("10 millis").pipe(Schedule.upTo({ times: 3 }))

/** Brings requests back that a worker had which has failed. */
const retrying = (plan: PoolPlan, dispatcher: Dispatcher) => (entry: Entry, failure: WorkerFailure) =>
  Effect.gen(function* () {
    entry.step ??= yield* Schedule.toStep(plan.retry ?? defaultRetry)
    const delay = yield* entry.step(yield* Clock.currentTimeMillis, failure).pipe(
      Effect.map(([, delay]) => Option.some(delay)),
      Effect.catchIf(Cause.isDone, () => Effect.succeed(Option.none<Duration.Duration>()))
    )
    if (Option.isSome(delay) && Duration.isPositive(delay.value)) yield* Effect.sleep(delay.value)
    if (!dispatcher.isBack(entry)) return
    if (Option.isNone(delay)) entry.fail(failure)
    else {
      entry.isSuspect = true
      const { attempts } = entry
      dispatcher.submit([entry])
      if (plan.patience === undefined) return
      yield* Effect.sleep(plan.patience)
      if (entry.attempts === attempts) dispatcher.share(entry)
    }
  })

/** Pairs of sockets cannot be made here, ever: what would make no worker start. */
const needPairs = Effect.scoped(Fd.socketpair()).pipe(
  Effect.catchTag("FdError", (error) =>
    error.reason._tag === "Unsupported"
      ? Effect.fail(new InvalidPool({ option: "transport", problem: `cannot be a pair of sockets: ${error.message}` }))
      : Effect.void
  ),
  // Whatever else may go away by itself.
  Effect.catchTag("KeeperLost", () => Effect.void)
)

/** Starts the workers, and returns when the first `min` of them run. They end with the scope. */
export const start = (
  plan: PoolPlan,
  talkOf: (dispatcher: Dispatcher) => WorkerPlan["talk"]
): Effect.Effect<RunningPool, InvalidPool | PoolGaveUp, Nursery.Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    if (plan.transport === "socketpair") yield* needPairs
    /** Requests that a worker had which has failed. */
    const failed = yield* Queue.unbounded<readonly [Entry, WorkerFailure]>()
    const wanted = yield* Queue.sliding<void>(1)
    const running = Deferred.makeUnsafe<void>()
    /** Those that have run, whatever became of them. */
    const begun = new Set<string>()
    const clock = yield* Clock.Clock
    const dispatcher = new Dispatcher({
      window: plan.window,
      low: plan.low,
      batch: plan.batch,
      now: () => clock.currentTimeMillisUnsafe(),
      onBacklog: () => {
        if (size < plan.max) Queue.offerUnsafe(wanted, undefined)
      }
    })
    const retry = retrying(plan, dispatcher)
    let size = 0
    let names = 0

    const worker: WorkerPlan = {
      command: plan.command,
      transport: plan.transport,
      talk: talkOf(dispatcher),
      opened: ({ key }) => {
        if (begun.size >= plan.min) return
        begun.add(key)
        if (begun.size === plan.min) Deferred.doneUnsafe(running, Effect.void)
      },
      lost: (entries, failure) => {
        for (const entry of entries) {
          if (failure instanceof PoolClosed || plan.delivery === "at-most-once" || entry.isPartial) entry.fail(failure)
          else {
            dispatcher.delay(entry)
            Queue.offerUnsafe(failed, [entry, failure])
          }
        }
      }
    }
    const template = (key: string) =>
      Child.effect("worker", life(dispatcher, key, worker), {
        ready: Ready.immediate,
        restart: plan.restart ?? defaultRestart
      })
    const workers = Supervisor.dynamic("workers", template, {
      decide: () => Effect.succeed("escalate" as const),
      intensity: plan.intensity
    })
    const tree = yield* Supervisor.start(Supervisor.make("pool", [workers])).pipe(
      Effect.catchTag("InvalidTree", ({ message }) => new InvalidPool({ option: "restart", problem: message }))
    )
    const open = tree.dynamic("workers")
    // One that ends without giving up is ended by the scope.
    const gaveUp = Effect.andThen(tree.await, Effect.never)

    const close = (problem: string): Effect.Effect<void> =>
      Effect.sync(() => dispatcher.close(new PoolClosed({ problem })))
    yield* Effect.addFinalizer(() => close("the pool of workers has been closed"))
    yield* gaveUp.pipe(
      Effect.catch((error) => close(`the pool of workers has given up: ${error.message}`)),
      Effect.forkScoped
    )
    yield* Queue.take(failed).pipe(
      Effect.flatMap(([entry, failure]) => Effect.forkScoped(retry(entry, failure))),
      Effect.forever({ disableYield: true }),
      Effect.forkScoped
    )

    /** One more worker. A refusal means that the pool is about to give up. */
    const add = Effect.suspend(() => {
      size++
      names++
      return Effect.ignore(open.start(`worker ${names}`, { key: `worker ${names}` }))
    })
    while (size < plan.min) yield* add
    if (plan.max > plan.min) {
      yield* Effect.forkScoped(growing(dispatcher, wanted, add, () => size < plan.max))
      yield* Effect.forkScoped(
        shrinking(plan, dispatcher, (key) =>
          Effect.ensuring(
            Effect.ignore(open.remove(key)),
            // It counts until nothing of it is left: there are never more than there may be.
            Effect.sync(() => {
              size--
              if (dispatcher.backlog > 0) Queue.offerUnsafe(wanted, undefined)
            })
          )
        )
      )
    }
    if (plan.min > 0) yield* Effect.raceFirst(Deferred.await(running), gaveUp)
    return { dispatcher, size: () => size, gaveUp }
  })

/** Adds a worker whenever those that run have no room, one after the other. */
const growing = (
  dispatcher: Dispatcher,
  wanted: Queue.Dequeue<void>,
  add: Effect.Effect<void>,
  mayGrow: () => boolean
): Effect.Effect<never> =>
  Queue.take(wanted).pipe(
    Effect.flatMap(() => Effect.suspend(() => (dispatcher.backlog > 0 && mayGrow() ? add : Effect.void))),
    Effect.forever
  )

/** Ends workers that have had nothing to do for long. */
const shrinking = (
  plan: PoolPlan,
  dispatcher: Dispatcher,
  remove: (key: string) => Effect.Effect<void>
): Effect.Effect<never, never, Scope.Scope> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    for (const slot of dispatcher.idle(now - Duration.toMillis(plan.idle), plan.min)) {
      yield* Effect.forkScoped(remove(slot.key))
    }
    yield* Effect.sleep(Duration.max(Duration.times(plan.idle, 0.5), Duration.millis(1)))
  }).pipe(Effect.forever)
