/** Trees as layers, and trees and children that cannot be run. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Child, GaveUp, InvalidTree, Ready, Restart, Supervisor } from "../../src/index.ts"

/** A tree of one service, which lives until it is told to end, and notes when it does. */
const service = Effect.gen(function* () {
  const ends = yield* Deferred.make<void, "broken">()
  const gone = yield* Deferred.make<void>()
  const record: Array<string> = []
  const life = Effect.onExit(Deferred.await(ends), (exit) => {
    record.push(Exit.isSuccess(exit) ? "done" : "ended")
    return Deferred.succeed(gone, undefined)
  })
  const child = Child.effect("service", life, { ready: Ready.immediate, restart: Restart.never(), significant: true })
  return { ends, gone, record, tree: Supervisor.make("app", [child]) }
})

describe("a tree as a layer", () => {
  it.effect("is ready when it is there, and ends with it", () =>
    Effect.gen(function* () {
      const { record, tree } = yield* service
      const seen = Effect.sync(() => [...record])
      expect(yield* seen.pipe(Effect.provide(Supervisor.layer(tree)))).toEqual([])
      expect(record).toEqual(["ended"])
    })
  )

  it.effect("interrupts its users when it ends first", () =>
    Effect.gen(function* () {
      const { ends, record, tree } = yield* service
      const used = yield* Deferred.make<void>()
      const use = Effect.andThen(Deferred.succeed(used, undefined), Effect.never)
      const user = yield* Effect.forkChild(Effect.provide(use, Supervisor.layer(tree)))
      yield* Deferred.await(used)
      yield* Deferred.succeed(ends, undefined)
      const exit = yield* Fiber.await(user)
      expect(Exit.hasInterrupts(exit)).toBe(true)
      expect(record).toEqual(["done"])
    })
  )

  it.effect("leaves them alone where they ask for it", () =>
    Effect.gen(function* () {
      const { ends, gone, record, tree } = yield* service
      const use = Effect.gen(function* () {
        yield* Deferred.succeed(ends, undefined)
        yield* Deferred.await(gone)
        return [...record]
      })
      const layer = Supervisor.layer(tree, { onEnd: "ignore" })
      expect(yield* Effect.provide(use, layer)).toEqual(["done"])
    })
  )

  it.effect("fails where it gives up before it is ready", () =>
    Effect.gen(function* () {
      const child = Child.effect("job", Effect.fail("broken"), { restart: Restart.never() })
      const layer = Supervisor.layer(Supervisor.make("app", [child]))
      const error = yield* Effect.flip(Effect.provide(Effect.void, layer))
      expect(error).toBeInstanceOf(GaveUp)
      expect(error.message).toBe("job gave up after 1 attempt: broken")
    })
  )
})

describe("what cannot be run", () => {
  const never = Child.effect("x", Effect.never, { ready: Ready.immediate })
  const invalid = Child.effect("bad", Effect.void, { stopTimeout: -1 })

  it.effect("is told before anything of the tree runs", () =>
    Effect.gen(function* () {
      let started = false
      const first = Child.effect(
        "first",
        Effect.sync(() => (started = true))
      )
      const tree = Supervisor.make("app", [first, invalid])
      for (const run of [Effect.asVoid(Supervisor.run(tree)), Effect.asVoid(Effect.scoped(Supervisor.start(tree)))]) {
        const error = yield* Effect.flip(run)
        expect(error).toBeInstanceOf(InvalidTree)
        expect(error.message).toBe("app/bad: stopTimeout is negative: -1")
      }
      expect(started).toBe(false)
    })
  )

  it.effect("is not added, and does no harm", () =>
    Effect.gen(function* () {
      const pool = Supervisor.dynamic("pool", () => invalid)
      const running = yield* Supervisor.start(Supervisor.make("app", [never, pool]))
      expect((yield* Effect.flip(running.add(invalid))).message).toBe("app/bad: stopTimeout is negative: -1")
      const error = yield* Effect.flip(running.dynamic("pool").start({}, { key: "one" }))
      expect(error.message).toBe("app/pool/one: stopTimeout is negative: -1")
      expect((yield* running.snapshot).children.map(({ status }) => status)).toEqual(["ready", "ready"])
    })
  )

  it.effect("is a template that throws: a defect of who asks", () =>
    Effect.gen(function* () {
      const pool = Supervisor.dynamic("pool", (): typeof never => {
        throw new Error("no child")
      })
      const running = yield* Supervisor.start(Supervisor.make("app", [pool]))
      const exit = yield* Effect.exit(running.dynamic("pool").start({}))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({ message: "no child" })
      expect((yield* running.snapshot).state).toBe("ready")
    })
  )

  it.effect("is something that is no tree, from untyped code", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Supervisor.run({ ...never, children: [] }))
      expect(error).toEqual(new InvalidTree({ path: ["x"], problem: "is no supervisor" }))
    })
  )
})
