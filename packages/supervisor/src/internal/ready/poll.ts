/**
 * How probes are repeated: until one succeeds, with a back-off, each attempt with a time limit of its own.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { NotReady, ReadyTimeout } from "../../ChildError.ts"
import type { Running } from "../spec.ts"
import { isProblem, Problem } from "./problem.ts"

/** 10 milliseconds after the first attempt, then twice as long each time, up to 500. */
export const backOff: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("10 millis"),
  Schedule.spaced("500 millis")
])

export const defaultAttemptTimeout = Duration.seconds(5)

/** One attempt, which a server that accepts and is silent cannot hold up. */
export const attempt = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  limit: Duration.Duration
): Effect.Effect<A, E | Problem, R> =>
  Effect.timeoutOrElse(effect, {
    duration: limit,
    orElse: () => Effect.fail(new Problem({ problem: `no answer within ${Duration.format(limit)}` }))
  })

/**
 * Tries until it succeeds, or fails with something else than a `Problem`. A schedule that ends is a time limit.
 */
export const poll = Effect.fnUntraced(function* <A, E, R>(
  name: string,
  schedule: Schedule.Schedule<unknown>,
  running: Running,
  probe: Effect.Effect<A, E | Problem, R>
): Effect.fn.Return<A, Exclude<E, Problem> | NotReady, R> {
  const start = yield* Clock.currentTimeMillis
  return yield* probe.pipe(
    Effect.tapError((error) =>
      Effect.sync(() => {
        if (isProblem(error)) running.report(error.problem)
      })
    ),
    Effect.retry({ schedule, while: isProblem }),
    Effect.catchIf(isProblem, ({ problem }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.fail(
          new NotReady({
            child: running.child,
            reason: new ReadyTimeout({ ready: name, after: Duration.millis(now - start), problem })
          })
        )
      )
    )
  )
})
