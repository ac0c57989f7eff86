/** A tree that is looked at while it starts. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { listen, stands, statuses } from "../support/observed.ts"
import { Failure, Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

describe("a tree that is launched", () => {
  it.effect("is there before its children are ready, and tells all that happens from the start on", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
      const inner = Supervisor.make("inner", [Child.effect("b", b.play, steady)], { after: ["a"] })
      const running = yield* Supervisor.launch(
        Supervisor.make("app", [Child.effect("a", a.play, { ready: a.readiness }), inner])
      )
      expect(yield* statuses(running)).toEqual(["a starting", "inner waiting"])
      const ready = yield* Effect.forkChild(running.ready, { startImmediately: true })
      yield* troupe.hears("a starts")
      expect(ready.pollUnsafe()).toBeUndefined()
      yield* a.isReady
      yield* Fiber.join(ready)
      // It has been ready: that stays so.
      yield* running.child("a").stop
      yield* running.ready
      const told = yield* Stream.runCollect(
        Stream.takeUntil(running.events, (event) => event._tag === "TreeReady" && event.path.length === 1)
      )
      const lines = told.map((event) =>
        event._tag === "Changed" ? `${[...event.path, event.child].join("/")} ${event.status}` : event._tag
      )
      expect(lines).toEqual([
        "app/a starting",
        "app/a ready",
        "app/inner starting",
        "app/inner/b starting",
        "app/inner/b ready",
        "TreeReady",
        "app/inner ready",
        "TreeReady"
      ])
    })
  )

  it.effect("fails to get ready with what its child gave up with, when the others are gone", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
      const running = yield* Supervisor.launch(
        Supervisor.make("app", [
          Child.effect("a", a.play, steady),
          Child.effect("b", b.play, { ready: b.readiness, restart: Restart.never() })
        ])
      )
      const listening = yield* listen(running)
      yield* stands(running, "b", "starting")
      yield* b.isNeverReady
      const gaveUp = yield* Effect.flip(running.ready)
      expect(gaveUp).toMatchObject({ name: "b", exit: { error: new Failure({ actor: "b", life: 1 }) } })
      expect(a.alive + b.alive).toBe(0)
      expect(yield* Effect.flip(running.await)).toBe(gaveUp)
      expect((yield* Fiber.join(listening)).map(({ _tag }) => _tag)).toContain("TreeEnded")
    })
  )

  it.effect("ends with its scope before it is ready, and whoever waits for that goes on", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const scope = yield* Scope.make()
      const tree = Supervisor.make("app", [Child.effect("a", a.play, { ready: a.readiness })])
      const running = yield* Scope.provide(Supervisor.launch(tree), scope)
      const ready = yield* Effect.forkChild(running.ready, { startImmediately: true })
      yield* troupe.hears("a starts")
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(ready)
      expect(yield* running.await).toEqual({ _tag: "Stopped" })
      expect(troupe.record).toEqual(["a starts", "a stops"])
    })
  )

  it.effect("is refused where it is invalid, and nothing runs", () =>
    Effect.gen(function* () {
      const names: ReadonlyArray<string> = ["a", "a"]
      const tree = Supervisor.make(
        "app",
        names.map((name) => Child.effect(name, Effect.die("runs")))
      )
      expect(yield* Effect.flip(Supervisor.launch(tree))).toMatchObject({ _tag: "InvalidTree" })
    })
  )
})
