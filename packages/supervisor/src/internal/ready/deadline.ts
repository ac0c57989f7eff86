/**
 * A time limit that a process may move (`EXTEND_TIMEOUT_USEC=` of `sd_notify(3)`).
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { NotReady, ReadyTimeout } from "../../ChildError.ts"
import type { ReadySpec, Running } from "../spec.ts"

/** Fails with the reason `ReadyTimeout` where the check is not done in time. */
export const limit = (spec: ReadySpec, after: Duration.Duration): ReadySpec["check"] => {
  if (!Duration.isFinite(after)) return spec.check
  return (running) =>
    Effect.suspend(() => {
      let problem: string | undefined
      const report = (text: string) => {
        problem = text
        running.report(text)
      }
      const late = Effect.suspend(() =>
        Effect.fail(
          new NotReady({
            child: running.child,
            reason: new ReadyTimeout({ ready: spec.name, after, ...(problem === undefined ? {} : { problem }) })
          })
        )
      )
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
