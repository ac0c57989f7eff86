/**
 * How long a child is believed to be alive: until probes fail in a row, or it has not been heard of.
 *
 * @internal
 */
import type { Process } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { Unresponsive } from "../../ChildError.ts"
import type { Running } from "../spec.ts"
import { attempt } from "./poll.ts"
import { describe } from "./problem.ts"

export interface Rhythm {
  readonly every: Duration.Duration
  readonly timeout: Duration.Duration
  readonly failures: number
}

/** Asks at intervals, and fails after so many bad answers in a row. */
export const probing = Effect.fnUntraced(function* <R>(
  name: string,
  rhythm: Rhythm,
  running: Running,
  probe: Effect.Effect<unknown, unknown, R>
): Effect.fn.Return<never, Unresponsive, R> {
  let failed = 0
  while (true) {
    yield* Effect.sleep(rhythm.every)
    // Whatever is wrong with the probe, it did not find the child well.
    const exit = yield* Effect.exit(attempt(probe, rhythm.timeout))
    failed = Exit.isSuccess(exit) ? 0 : failed + 1
    if (Exit.isSuccess(exit) || failed < rhythm.failures) continue
    const last = describe(Cause.squash(exit.cause))
    const problem = failed === 1 ? last : `${failed} times in a row, the last answer was: ${last}`
    return yield* new Unresponsive({ child: running.child, check: name, problem })
  }
})

/** Hears `WATCHDOG=` of `sd_notify(3)`: `1` that it is well, `trigger` that it is not; `WATCHDOG_USEC=` changes the interval. */
export const watchdog = Effect.fnUntraced(function* (
  interval: Duration.Duration,
  running: Running
): Effect.fn.Return<never, Unresponsive> {
  const dead = (problem: string) => new Unresponsive({ child: running.child, check: "watchdog", problem })
  let millis = Duration.toMillis(interval)
  let heard = yield* Clock.currentTimeMillis
  const hear = Effect.fnUntraced(function* ({ fields, sender }: Process.Notification) {
    if (sender === "stranger") return
    const now = yield* Clock.currentTimeMillis
    const micros = Number(fields["WATCHDOG_USEC"])
    if (Number.isFinite(micros) && micros > 0) {
      millis = micros / 1000
      heard = now
    }
    if (fields["WATCHDOG"] === "1") heard = now
    if (fields["WATCHDOG"] === "trigger") return yield* dead("it asked to be ended")
  })
  const silence = Effect.gen(function* () {
    for (let now = yield* Clock.currentTimeMillis; now < heard + millis; now = yield* Clock.currentTimeMillis) {
      yield* Effect.sleep(heard + millis - now)
    }
    return yield* dead(`not heard of for ${Duration.format(Duration.millis(millis))}`)
  })
  return yield* Effect.raceFirst(silence, Effect.andThen(Stream.runForEach(running.notifications, hear), Effect.never))
})
