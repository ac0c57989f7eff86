/** Stop policies: who gets which signal, and that time is kept by the keeper, whatever the owner does meanwhile. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Owner from "../support/owner.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

const SIGKILL = 9
const SIGUSR2 = 12
const SIGCONT = 18

/** Hears SIGTERM, says so where it is given the time for it, and goes on. */
const deaf = "hold fork { setsid say escaped sleep } say ready term say term sleep"

describe("a stop", () => {
  it.live("ends by SIGKILL what ignores the stop signal", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play(deaf).pipe(Command.stop({ grace: "100 millis" })))
      yield* stage.hears("ready", "escaped")
      const exit = yield* process.stop()
      expect(exit.status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("waits for as long as the grace period allows", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const words = "hold say ready term say term term exit 7"
      const process = yield* Process.spawn(stage.play(words).pipe(Command.stop({ grace: "1 hour" })))
      yield* stage.hears("ready")
      const stopping = yield* Effect.forkChild(process.stop())
      yield* stage.hears("term")
      expect(yield* process.signal("SIGTERM")).toBe(true)
      expect((yield* Fiber.join(stopping)).status).toMatchObject({ _tag: "Exited", code: 7 })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("reaches also what left the group, once the leader has ended", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const words = "fork { setsid hold say ready term say heard exit 0 } say ready sleep"
          yield* Process.spawn(stage.play(words).pipe(Command.stop({ grace: "1 hour" })))
          yield* stage.hears("ready", "ready")
        })
      )
      yield* stage.hears("heard")
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("wakes a stopped process, which so can end in its own way", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("hold say ready raise 19 term exit 5").pipe(Command.stop({ grace: "1 hour" }))
      )
      yield* stage.hears("ready")
      yield* Effect.promise(() => until("see it stopped", () => Proc.entryOf(process.pid)?.state === "T"))
      expect((yield* process.stop()).status).toMatchObject({ _tag: "Exited", code: 5 })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("becomes harsher when it is asked for again, and never milder", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play(deaf).pipe(Command.stop({ grace: "1 hour" })))
      yield* stage.hears("ready", "escaped")
      const first = yield* Effect.forkChild(process.stop())
      yield* stage.hears("term")
      const second = yield* process.stop({ grace: "50 millis" })
      expect(second.status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
      expect((yield* Fiber.join(first)).status).toEqual(second.status)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("goes on while the event loop is blocked", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play(deaf).pipe(Command.stop({ grace: "1 hour" })))
      yield* stage.hears("ready", "escaped")
      yield* Effect.forkChild(process.stop())
      yield* stage.hears("term")
      const stopping = yield* Effect.forkChild(process.stop({ grace: "100 millis" }), { startImmediately: true })
      // What was asked for is on its way at the end of this turn.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const end = performance.now() + 60_000
      let held = true
      // No turn of the event loop passes in here.
      while (held && performance.now() < end) held = stage.canary.isHeld()
      expect(held).toBe(false)
      expect((yield* Fiber.join(stopping)).status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("goes on while the owner is stopped, and nothing is lost when it wakes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      // It stops itself as soon as it has asked for the stop: nobody else can be sure to be in time.
      const owner = yield* Owner.start(stage, "stop.ts", [deaf, "500", "freeze"])
      const [pid = 0] = yield* stage.hears("started", "ready", "escaped")
      owner.kill(SIGUSR2, "owner")
      yield* Effect.promise(() => until("see the owner stopped", () => Proc.entryOf(pid)?.state === "T"))
      yield* Effect.promise(() => until("see everything end", () => !stage.canary.isHeld()))
      expect(Proc.entryOf(pid)?.state).toBe("T")
      owner.kill(SIGCONT, "owner")
      yield* stage.hears("SIGKILL")
      expect(yield* owner.ended).toMatchObject({ status: 0, left: [], collected: [] })
    })
  )
})

describe("the death of the owner", () => {
  it.live("gives every process the time of its stop policy", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "play.ts", ["hold say ready term say bye exit 0"])
      yield* stage.hears("ready", "ready")
      owner.kill(SIGKILL, "owner")
      yield* stage.hears("bye")
      expect(yield* owner.ended).toMatchObject({ status: -SIGKILL, left: [] })
      expect(stage.left()).toEqual([])
    })
  )

  it.live("bounds a stop that has begun, whatever time it was given", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "stop.ts", [deaf, "3600000"])
      yield* stage.hears("started", "ready", "escaped")
      owner.kill(SIGUSR2, "owner")
      yield* stage.hears("term")
      owner.kill(SIGKILL, "owner")
      expect(yield* owner.ended).toMatchObject({ status: -SIGKILL, left: [] })
      expect(stage.left()).toEqual([])
    })
  )
})
