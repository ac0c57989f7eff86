/** Children whose end ends the tree. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { stands, statuses } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

describe("the end of a significant child", () => {
  it.effect("as it should be stops the tree with its value, and its siblings in reverse", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const main = troupe.actor("main")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("a", troupe.actor("a").play, steady),
          Child.effect("main", main.play, { ...steady, significant: true }),
          Child.effect("z", troupe.actor("z").play, steady)
        ])
      )
      troupe.news()
      yield* main.ends("the value")
      expect(yield* running.await).toEqual({ _tag: "Significant", child: "main", value: "the value" })
      expect(troupe.news()).toEqual(["main ends", "z stops", "a stops"])
    })
  )

  it.live("that is a process stops the tree with its exit, and nothing is left", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const outcome = yield* Supervisor.run(
        Supervisor.make("app", [
          Child.process("server", stage.play("fork { setsid sleep } sleep")),
          Child.process("job", stage.play("exit 0"), {
            after: ["server"],
            significant: true,
            restart: Restart.onFailure()
          })
        ])
      )
      expect(outcome).toMatchObject({
        _tag: "Significant",
        child: "job",
        value: { status: { _tag: "Exited", code: 0 } }
      })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("by a failure that is retried ends nothing", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const main = troupe.actor("main")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("main", main.play, { ...steady, significant: true })])
      )
      yield* main.fails
      yield* stands(running, "main", "ready", 2)
      yield* main.ends("at last")
      expect(yield* running.await).toEqual({ _tag: "Significant", child: "main", value: "at last" })
    })
  )

  it.effect("by a failure after which it stays down ends the tree all the same", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const main = troupe.actor("main")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("main", main.play, { ...steady, significant: true, restart: Restart.never() }),
          Child.effect("z", troupe.actor("z").play, steady)
        ])
      )
      yield* main.fails
      expect(yield* running.await).toEqual({ _tag: "Significant", child: "main", value: undefined })
      expect(troupe.record.at(-1)).toBe("z stops")
    })
  )

  it.effect("on request ends nothing", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("main", troupe.actor("main").play, { ...steady, significant: true }),
          Child.effect("z", troupe.actor("z").play, steady)
        ])
      )
      yield* running.child("main").stop
      expect(yield* statuses(running)).toEqual(["main stopped", "z ready"])
    })
  )

  it.effect("of a tree in a tree ends that one, and by it the one above", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const main = troupe.actor("main")
      const inner = Supervisor.make("inner", [Child.effect("main", main.play, { ...steady, significant: true })], {
        significant: true,
        restart: Restart.onFailure()
      })
      const running = yield* Supervisor.start(Supervisor.make("app", [inner]))
      yield* main.ends("deep")
      expect(yield* running.await).toEqual({
        _tag: "Significant",
        child: "inner",
        value: { _tag: "Significant", child: "main", value: "deep" }
      })
    })
  )

  it.effect("of a tree in a tree restarts that one where it is restarted always", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const main = troupe.actor("main")
      const inner = Supervisor.make("inner", [Child.effect("main", main.play, { ...steady, significant: true })])
      const running = yield* Supervisor.start(Supervisor.make("app", [inner]))
      yield* main.ends("once")
      yield* stands(running, "inner", "ready", 2)
      expect(troupe.count("main starts")).toBe(2)
    })
  )
})

describe('autoShutdown "all"', () => {
  it.effect("waits for the last of the significant children", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
      const running = yield* Supervisor.start(
        Supervisor.make(
          "app",
          [
            Child.effect("a", a.play, { ...steady, significant: true }),
            Child.effect("b", b.play, { ...steady, significant: true }),
            Child.effect("c", troupe.actor("c").play, steady)
          ],
          { autoShutdown: "all" }
        )
      )
      yield* a.ends("first")
      yield* stands(running, "a", "completed")
      expect(yield* statuses(running)).toEqual(["a completed", "b ready", "c ready"])
      yield* b.ends("last")
      expect(yield* running.await).toEqual({ _tag: "Significant", child: "b", value: "last" })
      expect(troupe.record.at(-1)).toBe("c stops")
    })
  )
})
