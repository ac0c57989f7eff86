/** What a child provides can be had from outside as well. */
import { describe, expect, it } from "@effect/vitest"
import { Command } from "@nursery/process"
import { Program, TestNursery } from "@nursery/testing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { stands } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

/** `a` provides the number of its life, when it is told that it is ready. */
const launch = Effect.gen(function* () {
  const troupe = new Troupe()
  const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const tree = Supervisor.make("app", [
    Child.effect("a", a.play, { ready: a.readiness, restart: Restart.onFailure() }),
    Child.effect("b", b.play)
  ])
  const running = yield* Scope.provide(Supervisor.launch(tree), scope)
  return { a, b, running, scope, troupe }
})

const waitsFor = <A, E>(provided: Effect.Effect<A, E>) => Effect.forkChild(provided, { startImmediately: true })

describe("what a child provides", () => {
  it.effect("is waited for until it is ready, and is that of its latest life", () =>
    Effect.gen(function* () {
      const { a, running, troupe } = yield* launch
      const { provided } = running.child("a")
      yield* troupe.hears("a starts")
      const first = yield* waitsFor(provided)
      expect(first.pollUnsafe()).toBeUndefined()
      yield* a.isReady
      expect(yield* Fiber.join(first)).toBe(1)
      expect(yield* provided).toBe(1)
      yield* a.fails
      yield* stands(running, "a", "starting", 2)
      yield* troupe.hears("a starts", 2)
      const second = yield* waitsFor(provided)
      expect(second.pollUnsafe()).toBeUndefined()
      yield* a.isReady
      expect(yield* Fiber.join(second)).toBe(2)
      // Also when it has completed.
      yield* a.ends("as it should")
      yield* stands(running, "a", "completed")
      expect(yield* provided).toBe(2)
    })
  )

  it.effect("is the value of an Effect that is ready when it is done", () =>
    Effect.gen(function* () {
      const { b, running, troupe } = yield* launch
      yield* troupe.hears("b starts")
      const waiting = yield* waitsFor(running.child("b").provided)
      yield* b.ends("value")
      expect(yield* Fiber.join(waiting)).toBe("value")
      expect(yield* running.child("b").provided).toBe("value")
    })
  )

  it.effect("is that of a process in a tree below", () =>
    Effect.gen(function* () {
      const web = Child.process("web", Command.make("web"), {
        ready: Ready.effect((process) => Effect.as(Effect.sleep("1 second"), { pid: process.pid }))
      })
      const running = yield* Supervisor.launch(Supervisor.make("app", [Supervisor.make("inner", [web])]))
      const { pid } = yield* TestNursery.awaitStart("web")
      const waiting = yield* waitsFor(running.child("inner").child("web").provided)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(waiting)).toEqual({ pid })
      expect(yield* running.child("inner").provided).toBeUndefined()
    }).pipe(Effect.provide(TestNursery.layer({ web: Program.runs })))
  )

  it.effect("is refused while it stays down, and to those who wait when it goes down, or its tree ends", () =>
    Effect.gen(function* () {
      const { a, running, scope, troupe } = yield* launch
      const { provided, start, stop } = running.child("a")
      const down = { _tag: "ChildRefused", child: "a", reason: "down" }
      yield* troupe.hears("a starts")
      const stopped = yield* waitsFor(Effect.flip(provided))
      yield* stop
      expect(yield* Fiber.join(stopped)).toMatchObject(down)
      expect(yield* Effect.flip(provided)).toMatchObject(down)
      const starting = yield* waitsFor(start)
      yield* stands(running, "a", "starting", 2)
      yield* troupe.hears("a starts", 2)
      yield* a.isReady
      yield* Fiber.join(starting)
      expect(yield* provided).toBe(2)
      yield* a.fails
      yield* stands(running, "a", "starting", 3)
      const ending = yield* waitsFor(Effect.flip(provided))
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(ending)).toMatchObject(down)
    })
  )

  it.effect("is refused of one that is removed, and of one that has completed before it was ready", () =>
    Effect.gen(function* () {
      const { a, running, troupe } = yield* launch
      yield* troupe.hears("a starts")
      yield* a.ends("too early")
      yield* stands(running, "a", "completed")
      expect(yield* Effect.flip(running.child("a").provided)).toMatchObject({ reason: "down" })
      yield* running.remove("a")
      expect(yield* Effect.flip(running.child("a").provided)).toMatchObject({ reason: "unknown" })
    })
  )
})
