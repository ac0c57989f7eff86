/** Whatever way a scope closes, everything that was started in it is dead and waited for when the close returns. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Escapees from "../support/escapees.ts"
import * as Stage from "../support/stage.ts"

const soon = Command.stop({ grace: "100 millis" })

/** Starts one of each kind of escapee, and waits until all have escaped. */
const startAll = (stage: Stage.Stage) =>
  Effect.gen(function* () {
    const plays = Object.values(Escapees.all).map((words) => stage.play(words).pipe(soon))
    for (const play of plays) yield* Process.spawn(play)
    yield* stage.hears(...plays.map(() => "escaped"))
  })

describe("a scope closes", () => {
  for (const [how, words] of Object.entries(Escapees.all)) {
    it.live(`and ends ${how}`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Process.spawn(stage.play(words).pipe(soon))
            yield* stage.hears("escaped")
            expect(stage.left().length).toBeGreaterThan(1)
          })
        )
        expect(stage.left()).toEqual([])
      }).pipe(Effect.provide(Nursery.layer))
    )
  }

  it.live("by success", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const exit = yield* Effect.exit(Effect.scoped(Effect.as(startAll(stage), "value")))
      expect(stage.left()).toEqual([])
      expect(exit).toEqual(Exit.succeed("value"))
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("by a typed failure", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const exit = yield* Effect.exit(Effect.scoped(Effect.andThen(startAll(stage), Effect.fail("failure"))))
      expect(stage.left()).toEqual([])
      expect(exit).toEqual(Exit.fail("failure"))
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("by a defect", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const defect = new Error("defect")
      const exit = yield* Effect.exit(Effect.scoped(Effect.andThen(startAll(stage), Effect.die(defect))))
      expect(stage.left()).toEqual([])
      expect(exit).toEqual(Exit.die(defect))
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("by interruption", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.gen(function* () {
            yield* startAll(stage)
            yield* Deferred.succeed(started, undefined)
            return yield* Effect.never
          })
        )
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(stage.left()).toEqual([])
      const exit = yield* Fiber.await(fiber)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    }).pipe(Effect.provide(Nursery.layer))
  )
})
