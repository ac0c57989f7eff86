/** When probes are made, and how long is waited: in virtual time. */
import { describe, expect, it } from "@effect/vitest"
import type { Process } from "@nursery/process"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { attempt, backOff, poll } from "../../src/internal/ready/poll.ts"
import { Problem } from "../../src/internal/ready/problem.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import { check, observe, watch } from "./setup.ts"

/** Notes when it is asked, and does what is next in a list; the last of it again and again. */
const script = <A = never, E = never>(...answers: ReadonlyArray<Effect.Effect<A, E>>) => {
  const times: Array<number> = []
  const probe = Effect.gen(function* () {
    times.push(yield* Clock.currentTimeMillis)
    return yield* answers[Math.min(times.length, answers.length) - 1] ?? Effect.die("an empty script")
  })
  return { times, probe }
}

const no = Effect.fail(new Problem({ problem: "no" }))

describe("a probe", () => {
  it.effect("is repeated after 10 milliseconds, then twice as long each time, up to 500", () =>
    Effect.gen(function* () {
      const { probe, times } = script(no, no, no, no, no, no, no, no, no, Effect.succeed("up"))
      const polling = yield* Effect.forkChild(poll("x", backOff, observe(undefined).running, probe))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(polling)).toBe("up")
      expect(times).toEqual([0, 10, 30, 70, 150, 310, 630, 1130, 1630, 2130])
    })
  )

  it.effect("is repeated by a schedule, and fails the child where that ends", () =>
    Effect.gen(function* () {
      const { probe, times } = script(no)
      const child = observe(undefined)
      const schedule = Schedule.upTo(Schedule.spaced("1 second"), { times: 2 })
      const polling = yield* Effect.forkChild(Effect.flip(poll("x", schedule, child.running, probe)))
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(polling)).reason).toMatchObject({
        _tag: "ReadyTimeout",
        ready: "x",
        after: Duration.seconds(2),
        problem: "no"
      })
      expect(times).toEqual([0, 1000, 2000])
      expect(child.problems).toEqual(["no", "no", "no"])
    })
  )

  it.effect("is not repeated after a failure that time does not repair", () =>
    Effect.gen(function* () {
      const { probe, times } = script<never, Problem | "broken">(no, Effect.fail("broken" as const), no)
      const polling = yield* Effect.forkChild(Effect.flip(poll("x", backOff, observe(undefined).running, probe)))
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(polling)).toBe("broken")
      expect(times).toEqual([0, 10])
    })
  )

  it.effect("has its own time limit", () =>
    Effect.gen(function* () {
      const trying = yield* Effect.forkChild(Effect.flip(attempt(Effect.never, Duration.seconds(5))))
      yield* TestClock.adjust("4999 millis")
      expect(trying.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect((yield* Fiber.join(trying)).problem).toBe("no answer within 5s")
    })
  )
})

const timeoutOf = <A, E, R>(ready: Ready.Ready<A, E, R, never>, notifications?: Stream.Stream<Process.Notification>) =>
  Effect.forkChild(Effect.exit(check(ready, observe(undefined, notifications))), { startImmediately: true })

describe("a time limit", () => {
  it.effect("fails what is not ready then, and not before", () =>
    Effect.gen(function* () {
      const checking = yield* timeoutOf(Ready.effect(Effect.never).pipe(Ready.timeout("30 seconds")))
      yield* TestClock.adjust("29999 millis")
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(yield* Effect.flip(Effect.flatten(Fiber.join(checking)))).toMatchObject({
        _tag: "NotReady",
        child: "server",
        reason: { _tag: "ReadyTimeout", ready: "effect", after: Duration.seconds(30) }
      })
    })
  )

  it.effect("does not touch what is ready in time", () =>
    Effect.gen(function* () {
      const slow = Ready.effect(Effect.as(Effect.sleep("10 seconds"), 5)).pipe(
        Ready.map((five) => five + 1),
        Ready.timeout("30 seconds")
      )
      const checking = yield* timeoutOf(slow)
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.flatten(Fiber.join(checking))).toBe(6)
    })
  )

  it.effect("may be none", () =>
    Effect.gen(function* () {
      const checking = yield* timeoutOf(Ready.effect(Effect.never).pipe(Ready.timeout("Infinity")))
      yield* TestClock.adjust("1000 days")
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(checking)
    })
  )

  it.effect("is extended by a process that asks for it, again and again, and by no stranger", () =>
    Effect.gen(function* () {
      const said = yield* PubSub.unbounded<Process.Notification>()
      const extend = (seconds: number, sender: Process.Notification["sender"] = "member") =>
        PubSub.publish(said, {
          pid: 1,
          fields: { EXTEND_TIMEOUT_USEC: String(seconds * 1e6) },
          sender,
          truncated: false
        })
      const ready = Ready.notify.pipe(Ready.timeout("10 seconds"))
      const checking = yield* timeoutOf(ready, Stream.fromPubSub(said))
      // Below the limit that there is, it changes nothing.
      yield* extend(1)
      yield* TestClock.adjust("9 seconds")
      yield* extend(5)
      yield* TestClock.adjust("4 seconds")
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* extend(5)
      yield* extend(100, "stranger")
      yield* TestClock.adjust("4999 millis")
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(yield* Effect.flip(Effect.flatten(Fiber.join(checking)))).toMatchObject({
        reason: { _tag: "ReadyTimeout", ready: "notify" }
      })
    })
  )
})

describe("several checks", () => {
  it.effect("are made at the same time, and are ready when all are", () =>
    Effect.gen(function* () {
      const all = Ready.all([
        Ready.effect(Effect.as(Effect.sleep("2 seconds"), "a")),
        Ready.effect(Effect.as(Effect.sleep("3 seconds"), 1))
      ])
      expect(all.spec.name).toBe("effect and effect")
      const checking = yield* timeoutOf(all)
      yield* TestClock.adjust("2999 millis")
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(yield* Effect.flatten(Fiber.join(checking))).toEqual(["a", 1])
    })
  )

  it.effect("fail as the first of them that does", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        check(Ready.all([Ready.effect(Effect.never), Ready.effect(Effect.fail("broken" as const))]), observe(undefined))
      )
      expect(error).toBe("broken")
    })
  )
})

const fine = Effect.void
const watching = (liveness: Liveness.Liveness, notifications?: Stream.Stream<Process.Notification>) =>
  Effect.forkChild(Effect.flip(watch(liveness, observe(undefined, notifications))), { startImmediately: true })

describe("liveness", () => {
  it.effect("is probed 10 seconds after the last probe, and lost after 3 failures in a row", () =>
    Effect.gen(function* () {
      const { probe, times } = script<void, Problem>(fine, no, no, fine, no, no, no)
      const dead = yield* watching(Liveness.effect(probe))
      yield* TestClock.adjust("5 minutes")
      expect((yield* Fiber.join(dead)).message).toBe(
        '"server" runs but does not respond: effect, 3 times in a row, the last answer was: no'
      )
      expect(times).toEqual([10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000])
    })
  )

  it.effect("counts what hangs and what dies as failures", () =>
    Effect.gen(function* () {
      const { probe, times } = script<void, never>(Effect.never, Effect.die(new Error("a bug")))
      const dead = yield* watching(Liveness.effect(probe, { every: "1 second", timeout: "2 seconds", failures: 2 }))
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(dead)).problem).toBe("2 times in a row, the last answer was: a bug")
      expect(times).toEqual([1000, 4000])
    })
  )

  it.effect("is lost when a watchdog is not heard of in its interval, however long it was before", () =>
    Effect.gen(function* () {
      const said = yield* Queue.unbounded<Process.Notification>()
      const say = (fields: Record<string, string>, sender: Process.Notification["sender"] = "member") =>
        Queue.offer(said, { pid: 1, fields, sender, truncated: false })
      const child = observe(undefined, Stream.fromQueue(said))
      const dead = yield* Effect.forkChild(Effect.flip(watch(Liveness.watchdog("3 seconds"), child)), {
        startImmediately: true
      })
      for (let times = 0; times < 5; times++) {
        yield* TestClock.adjust("2 seconds")
        yield* say({ WATCHDOG: "1" })
      }
      yield* TestClock.adjust("2 seconds")
      yield* say({ WATCHDOG: "1" }, "stranger")
      yield* say({ STATUS: "well" })
      yield* TestClock.adjust("999 millis")
      expect(dead.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect((yield* Fiber.join(dead)).message).toBe(
        '"server" runs but does not respond: watchdog, not heard of for 3s'
      )
    })
  )

  it.effect("is lost when a watchdog says so, and its interval can be changed", () =>
    Effect.gen(function* () {
      const said = yield* Queue.unbounded<Process.Notification>()
      const say = (fields: Record<string, string>) =>
        Queue.offer(said, { pid: 1, fields, sender: "member", truncated: false })
      const child = observe(undefined, Stream.fromQueue(said))
      const dead = yield* Effect.forkChild(Effect.flip(watch(Liveness.watchdog("3 seconds"), child)), {
        startImmediately: true
      })
      yield* say({ WATCHDOG_USEC: "60000000" })
      yield* TestClock.adjust("59 seconds")
      expect(dead.pollUnsafe()).toBeUndefined()
      yield* say({ WATCHDOG: "trigger" })
      expect((yield* Fiber.join(dead)).problem).toBe("it asked to be ended")
    })
  )
})
