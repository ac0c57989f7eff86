/** Children that are started at run time, with arguments and keys. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, stands } from "../support/observed.ts"
import { type Actor, Failure, Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

const company = (restarts: number) => {
  const troupe = new Troupe()
  const actors = new Map<string, Actor>()
  const workers = Supervisor.dynamic(
    "workers",
    (name: string) => {
      const actor = troupe.actor(name)
      actors.set(name, actor)
      return Child.effect("worker", actor.play, steady)
    },
    { intensity: { restarts, within: "1 minute" } }
  )
  const of = (name: string): Actor => {
    const actor = actors.get(name)
    if (actor === undefined) throw new Error(`nobody has started ${name}`)
    return actor
  }
  return { of, troupe, workers }
}

describe("a dynamic supervisor", () => {
  it.effect("starts hundreds, each with its arguments and its key", () =>
    Effect.gen(function* () {
      const { troupe, workers } = company(0)
      const running = yield* Supervisor.start(Supervisor.make("app", [workers]))
      const keys = yield* Effect.all(
        Array.from({ length: 300 }, (_, index) => running.dynamic("workers").start(`worker ${index}`)),
        { concurrency: "unbounded" }
      )
      expect(new Set(keys).size).toBe(300)
      const { tree } = yield* childAt(running, "workers")
      expect(tree?.children.map(({ name, status }) => [name, status])).toEqual(keys.map((key) => [key, "ready"]))
      expect(troupe.record.length).toBe(300)
      yield* running.child("workers").stop
      // In reverse: the last that was started is the first that is stopped.
      const stopped = troupe.record.slice(300)
      expect(stopped).toEqual(Array.from({ length: 300 }, (_, index) => `worker ${299 - index} stops`))
    })
  )

  it.effect("restarts the one that fails, and nobody else", () =>
    Effect.gen(function* () {
      const { of, troupe, workers } = company(3)
      const running = yield* Supervisor.start(Supervisor.make("app", [workers]))
      for (const name of ["a", "b", "c"]) yield* running.dynamic("workers").start(name, { key: name })
      yield* of("b").fails
      yield* stands(running, "b", "ready", 2)
      expect(troupe.record).toEqual(["a starts", "b starts", "c starts", "b fails", "b starts"])
    })
  )

  it.effect("gives up with its own name, and the key of the child in the path", () =>
    Effect.gen(function* () {
      const { of, troupe, workers } = company(1)
      const tree = Supervisor.make("app", [workers], { intensity: { restarts: 0, within: "1 minute" } })
      const running = yield* Supervisor.start(tree)
      for (const name of ["a", "b", "c"]) yield* running.dynamic("workers").start(name, { key: `key of ${name}` })
      yield* of("b").fails
      yield* troupe.hears("b starts", 2)
      troupe.news()
      yield* of("b").fails
      const gaveUp = yield* Effect.flip(running.await)
      expect(gaveUp).toMatchObject({
        name: "workers",
        path: ["app", "workers", "key of b"],
        exit: { _tag: "Failed", error: new Failure({ actor: "b", life: 2 }) }
      })
      expect(troupe.news()).toEqual(["b fails", "c stops", "a stops"])
    })
  )

  it.effect("that is restarted begins anew, without children", () =>
    Effect.gen(function* () {
      const { of, troupe, workers } = company(0)
      const running = yield* Supervisor.start(Supervisor.make("app", [workers]))
      for (const name of ["a", "b"]) yield* running.dynamic("workers").start(name, { key: name })
      yield* of("a").fails
      yield* stands(running, "workers", "ready", 2)
      expect((yield* childAt(running, "workers")).tree?.children).toEqual([])
      // The keys are free again.
      yield* running.dynamic("workers").start("a", { key: "a" })
      expect(troupe.record).toEqual(["a starts", "b starts", "a fails", "b stops", "a starts"])
    })
  )

  it.effect("refuses a key that is taken, and one that is not there", () =>
    Effect.gen(function* () {
      const { troupe, workers } = company(0)
      const running = yield* Supervisor.start(Supervisor.make("app", [workers]))
      const some = running.dynamic("workers")
      yield* some.start("a", { key: "a" })
      expect(yield* Effect.flip(some.start("b", { key: "a" }))).toMatchObject({ reason: "duplicate" })
      expect(yield* Effect.flip(some.child("b").restart)).toMatchObject({ reason: "unknown" })
      expect(yield* Effect.flip(some.remove("b"))).toMatchObject({ reason: "unknown" })
      yield* some.remove("a")
      expect(yield* Effect.flip(some.child("a").start)).toMatchObject({ reason: "unknown" })
      yield* some.start("b", { key: "a" })
      yield* running.child("workers").stop
      expect(yield* Effect.flip(some.start("c"))).toMatchObject({ reason: "down" })
      expect(troupe.record).toEqual(["a starts", "a stops", "b starts", "b stops"])
    })
  )

  it.effect("tells who waits for a start that it failed", () =>
    Effect.gen(function* () {
      const { of, troupe, workers } = company(0)
      const never = Supervisor.dynamic("never", () =>
        Child.effect("one", Effect.fail("no"), { ready: Ready.effect(Effect.never), restart: Restart.never() })
      )
      const running = yield* Supervisor.start(Supervisor.make("app", [workers, never]))
      yield* running.dynamic("workers").start("a")
      expect(of("a").alive).toBe(1)
      expect(yield* Effect.flip(running.dynamic("never").start(undefined))).toMatchObject({ _tag: "ChildRefused" })
      expect(troupe.record).toEqual(["a starts"])
    })
  )

  it.live("has processes, too: 100 of them are started, killed, restarted and ended", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const workers = Supervisor.dynamic(
        "workers",
        (index: number) => Child.process("worker", stage.play(`say worker-${index} sleep`)),
        { intensity: { restarts: 100, within: "1 minute" } }
      )
      const names = Array.from({ length: 100 }, (_, index) => `worker-${index}`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(Supervisor.make("app", [workers]))
          const starting = yield* Effect.forkChild(
            Effect.all(
              names.map((key, index) => running.dynamic("workers").start(index, { key })),
              { concurrency: "unbounded" }
            )
          )
          const first = yield* stage.hears(...names)
          expect(yield* Fiber.join(starting)).toEqual(names)
          for (const pid of first) Proc.kill(pid)
          const second = yield* stage.hears(...names)
          yield* Effect.forEach(names, (name) => stands(running, name, "ready", 2), { discard: true })
          const { tree } = yield* childAt(running, "workers")
          expect(tree?.children.map(({ pid }) => pid)).toEqual(second)
          expect(new Set([...first, ...second]).size).toBe(200)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})
