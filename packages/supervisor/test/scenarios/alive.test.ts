/** A child that is an Effect can run and be of no use: its liveness check finds out. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Child from "../../src/Child.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, happens, stands, statuses } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const rhythm = { every: "10 seconds", timeout: "5 seconds", failures: 2 } as const

/** An Effect that lives on, and a probe of it that says what it is told to. */
const company = () => {
  const troupe = new Troupe()
  const a = troupe.actor("a")
  const state = { isWell: true, probes: 0 }
  const probe = Effect.suspend(() => {
    state.probes++
    return state.isWell ? Effect.void : Effect.fail(new Error("no heartbeat"))
  })
  return { a, probe, state, troupe }
}

describe("an Effect that is watched", () => {
  it.effect("is restarted when its probe has failed so often in a row, and watched anew", () =>
    Effect.gen(function* () {
      const { a, probe, state, troupe } = company()
      const child = Child.effect("a", a.play, { ready: a.readiness, liveness: Liveness.effect(probe, rhythm) })
      const running = yield* Supervisor.launch(Supervisor.make("app", [child]))
      yield* TestClock.adjust("1 minute")
      // It is not looked at before it is ready.
      expect(state.probes).toBe(0)
      yield* a.isReady
      yield* running.ready
      for (let minutes = 0; minutes < 10; minutes++) yield* TestClock.adjust("1 minute")
      expect(state.probes).toBe(60)
      expect(troupe.record).toEqual(["a starts"])

      state.isWell = false
      yield* TestClock.adjust("10 seconds")
      expect(yield* statuses(running)).toEqual(["a ready"])
      yield* TestClock.adjust("10 seconds")
      yield* stands(running, "a", "starting", 2)
      expect(troupe.record).toEqual(["a starts", "a stops", "a starts"])
      expect((yield* childAt(running, "a")).lastExit).toMatchObject({
        _tag: "Failed",
        error: { _tag: "Unresponsive", child: "a", check: "effect", problem: expect.stringContaining("no heartbeat") }
      })
      yield* TestClock.adjust("1 hour")
      expect(state.probes).toBe(62)
      yield* a.isReady
      yield* TestClock.adjust("20 seconds")
      yield* stands(running, "a", "starting", 3)
      expect(yield* happens(running, (event): event is typeof event => event._tag === "Exited")).toMatchObject({
        expected: false
      })
    })
  )

  it.effect("gives up with what its check found, where it is not restarted by a decision", () =>
    Effect.gen(function* () {
      const { a, probe, state } = company()
      state.isWell = false
      const child = Child.effect("a", a.play, {
        ready: Ready.immediate,
        liveness: Liveness.effect(Effect.andThen(probe, Effect.never), rhythm),
        decide: (exit) =>
          Effect.succeed(exit._tag === "Failed" && exit.error._tag === "Unresponsive" ? "escalate" : "restart")
      })
      const running = yield* Supervisor.start(Supervisor.make("app", [child]))
      yield* TestClock.adjust("20 seconds")
      expect((yield* Effect.flip(running.await)).exit).toMatchObject({ error: { _tag: "Unresponsive" } })
      expect(a.alive).toBe(0)
    })
  )

  it.effect("is left alone after its `stopTimeout` where it does not let itself be interrupted", () =>
    Effect.gen(function* () {
      const { probe, state, troupe } = company()
      const stuck = Effect.andThen(troupe.act("starts"), Effect.uninterruptible(Effect.never))
      const child = Child.effect("a", stuck, {
        ready: Ready.immediate,
        liveness: Liveness.effect(probe, rhythm),
        stopTimeout: "3 seconds"
      })
      // Not in the scope of the test: what is stuck would hold its end as well.
      const running = yield* Supervisor.start(Supervisor.make("app", [child]))
      state.isWell = false
      yield* TestClock.adjust("22 seconds")
      expect(troupe.record).toEqual(["starts"])
      state.isWell = true
      yield* TestClock.adjust("1 second")
      yield* happens(running, (event): event is typeof event => event._tag === "Abandoned")
      yield* stands(running, "a", "ready", 2)
      expect((yield* childAt(running, "a")).lastExit).toMatchObject({ error: { _tag: "Unresponsive" } })
      // The end of the tree waits for no longer than that, either.
      const stop = yield* Effect.forkChild(running.child("a").stop, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Effect.yieldNow
      expect(stop.pollUnsafe()).toBeDefined()
    })
  )

  it.effect("is not held for dead while it is being stopped", () =>
    Effect.gen(function* () {
      const { a, probe, state } = company()
      const child = Child.effect("a", a.play, {
        ready: Ready.immediate,
        liveness: Liveness.effect(probe, rhythm),
        restart: Restart.always()
      })
      const running = yield* Supervisor.start(Supervisor.make("app", [child]))
      state.isWell = false
      yield* running.child("a").stop
      yield* TestClock.adjust("1 hour")
      expect(state.probes).toBe(0)
      expect(yield* statuses(running)).toEqual(["a stopped"])
    })
  )
})
