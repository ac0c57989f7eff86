/**
 * A time limit that a process may move (`EXTEND_TIMEOUT_USEC=` of `sd_notify(3)`).
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NotReady, type ReadyStranger, ReadyTimeout } from "../../ChildError.ts"
import type { ReadySpec, Running } from "../spec.ts"

/** Fails where the check is not done in time: with the reason that it has reported itself, or `ReadyTimeout`. */
export const limit = (spec: ReadySpec, after: Duration.Duration): ReadySpec["check"] => {
  if (!Duration.isFinite(after)) return spec.check
  return (running) =>
    Effect.suspend(() => {
      let problem: string | undefined
      let stranger: ReadyStranger | undefined
      const report: Running["report"] = (text, reason) => {
        problem = text
        stranger = reason
        running.report(text, reason)
      }
      const late = Effect.suspend(() => {
        const why = problem === undefined ? {} : { problem }
        const reason = stranger ?? new ReadyTimeout({ ready: spec.name, after, ...why })
        return Effect.fail(new NotReady({ child: running.child, reason }))
      })
      const expired = spec.wants.notify ? extended(after, running) : Effect.sleep(after)
      return Effect.raceFirst(spec.check({ ...running, report }), Effect.andThen(expired, late))
    })
}

/** Each message extends the limit to so long after it, never below what it was at first. */
const extended = Effect.fnUntraced(function* (after: Duration.Duration, running: Running) {
  let end = (yield* Clock.currentTimeMillis) + Duration.toMillis(after)
  const listen = Stream.runForEach(running.notifications, ({ fields, sender }) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const micros = Number(fields["EXTEND_TIMEOUT_USEC"])
      if (sender !== "stranger" && Number.isFinite(micros)) end = Math.max(end, now + micros / 1000)
    })
  )
  const wait = Effect.gen(function* () {
    for (let now = yield* Clock.currentTimeMillis; now < end; now = yield* Clock.currentTimeMillis) {
      yield* Effect.sleep(end - now)
    }
  })
  yield* Effect.raceFirst(wait, Effect.andThen(listen, Effect.never))
})
