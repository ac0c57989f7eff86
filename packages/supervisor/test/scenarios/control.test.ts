/** What can be asked of a tree that runs. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, isSpawned, stands, statuses } from "../support/observed.ts"
import { Failure, Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

describe("a rolling restart", () => {
  it.live("restarts one after the other: all but one are ready at any time", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          // How many of them are ready whenever one is about to start.
          const counts: Array<number> = []
          let count: Effect.Effect<unknown> = Effect.void
          const web = <const Name extends string>(name: Name) =>
            Child.process(
              name,
              () =>
                Effect.as(
                  Effect.suspend(() => count),
                  stage.play(`say ${name} sleep`)
                ),
              { ready: Ready.effect(Effect.promise(() => stage.news.hears(name))) }
            )
          const running = yield* Supervisor.start(Supervisor.make("app", [web("web-1"), web("web-2"), web("web-3")]))
          count = Effect.map(running.snapshot, ({ children }) =>
            counts.push(children.filter(({ status }) => status === "ready").length)
          )
          const before = (yield* running.snapshot).children.map(({ pid }) => pid)
          yield* running.rollingRestart(["web-1", "web-2", "web-3"])
          const { children } = yield* running.snapshot
          expect(counts).toEqual([2, 2, 2])
          expect(children.map(({ incarnation, status }) => `${incarnation} ${status}`)).toEqual(
            Array(3).fill("2 ready")
          )
          expect(children.some(({ pid }) => before.includes(pid))).toBe(false)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("ends at the first that does not come up", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const b = troupe.actor("b")
      const running = yield* Effect.flatMap(
        Effect.forkChild(
          Supervisor.start(
            Supervisor.make("app", [
              Child.effect("a", troupe.actor("a").play, steady),
              Child.effect("b", b.play, { ready: b.readiness, decide: () => Effect.succeed("stop") }),
              Child.effect("c", troupe.actor("c").play, steady)
            ])
          ),
          { startImmediately: true }
        ),
        (fiber) => Effect.andThen(b.isReady, Fiber.join(fiber))
      )
      troupe.news()
      const rolling = yield* Effect.forkChild(Effect.flip(running.rollingRestart(["a", "b", "c"])))
      yield* troupe.hears("b starts", 2)
      yield* b.isNeverReady
      expect(yield* Fiber.join(rolling)).toMatchObject({ _tag: "ChildRefused", child: "b", reason: "down" })
      expect(troupe.news()).toEqual(["a stops", "a starts", "b stops", "b starts", "b stops"])
      expect(yield* statuses(running)).toEqual(["a ready", "b stopped", "c ready"])
    })
  )
})

describe("the command of a process", () => {
  it.live("is replaced, for later restarts too", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(
            Supervisor.make("app", [Child.process("a", stage.play("say first sleep"))])
          )
          const [first = 0] = yield* stage.hears("first")
          yield* running.child("a").replace(stage.play("say second sleep"))
          const [second = 0] = yield* stage.hears("second")
          expect(Proc.isAlive(first)).toBe(false)
          Proc.kill(second)
          yield* isSpawned(running, "a", 3)
          yield* stage.hears("second")
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("a child that is added", () => {
  it.live("runs when `add` is done, provides to and takes of the others, and ends with the tree", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const db = Child.process("db", stage.play("say db sleep"), { ready: Ready.effect(Effect.succeed(42)) })
          const running = yield* Supervisor.start(Supervisor.make("app", [db]))
          const more = yield* running.add(
            Child.process("api", ({ db }) => stage.play(`say api-${db} sleep`), { requires: [db] })
          )
          yield* stage.hears("db", "api-42")
          expect(yield* statuses(more)).toEqual(["db ready", "api ready"])
          yield* more.child("api").restart
          yield* stage.hears("api-42")
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("runs in the context of who added it", () =>
    Effect.gen(function* () {
      class Who extends Context.Service<Who, string>()("Who") {}
      const troupe = new Troupe()
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", troupe.actor("a").play, steady)])
      )
      const child = Child.effect(
        "b",
        Effect.flatMap(Who, (who) => Effect.andThen(troupe.act(who), Effect.never)),
        steady
      )
      const more = yield* Effect.provideService(running.add(child), Who, "me")
      yield* more.child("b").restart
      expect(troupe.record).toEqual(["a starts", "me", "me"])
    })
  )

  it.effect("is refused where its name is taken, or what it starts after is not there, and where it is invalid", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", troupe.actor("a").play, steady)])
      )
      const again = running.add(Child.effect("a", troupe.actor("again").play, steady))
      expect(yield* Effect.flip(again)).toMatchObject({ _tag: "ChildRefused", reason: "duplicate" })
      const lost = running.add(Child.effect("b", troupe.actor("b").play, { ...steady, after: ["nobody"] }))
      expect(yield* Effect.flip(lost)).toMatchObject({ _tag: "ChildRefused", reason: "unknown" })
      const invalid = running.add(Child.effect("", troupe.actor("b").play, steady))
      expect(yield* Effect.flip(invalid)).toMatchObject({ _tag: "InvalidTree" })
      expect(troupe.record).toEqual(["a starts"])
    })
  )

  it.effect("is forgotten where it was refused: another one of its name is not mistaken for it", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", troupe.actor("a").play, steady)])
      )
      const wrong = Child.effect("b", troupe.actor("wrong").play, { ...steady, after: ["nobody"] })
      yield* Effect.flip(running.add(wrong))
      expect(yield* statuses(running)).toEqual(["a ready"])
      yield* running.add(Child.effect("b", troupe.actor("right").play, steady))
      expect(troupe.record).toEqual(["a starts", "right starts"])
    })
  )

  it.effect("makes the tree give up as all others do", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const b = troupe.actor("b")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", troupe.actor("a").play, steady)])
      )
      const more = yield* running.add(
        Child.effect("b", b.play, { ...steady, decide: () => Effect.succeed("escalate") })
      )
      yield* b.fails
      expect(yield* Effect.flip(more.await)).toMatchObject({ name: "b", path: ["app", "b"] })
      expect(troupe.record).toEqual(["a starts", "b starts", "b fails", "a stops"])
    })
  )
})

describe("a child that is removed", () => {
  it.live("is stopped, leaves nothing, and leaves its name to others", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("keeps", Effect.never, steady),
          Child.process("a", stage.play("fork { setsid say escaped sleep } sleep"))
        ])
      )
      yield* stage.hears("escaped")
      yield* running.remove("a")
      expect(stage.left()).toEqual([])
      expect(yield* statuses(running)).toEqual(["keeps ready"])
      expect(yield* Effect.flip(running.child("a").start)).toMatchObject({ reason: "unknown" })
      yield* running.add(Child.effect("a", Effect.never, steady))
      expect(yield* statuses(running)).toEqual(["keeps ready", "a ready"])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("is refused where others start after it", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.effect("a", troupe.actor("a").play, steady),
          Child.effect("b", troupe.actor("b").play, { ...steady, after: ["a"] })
        ])
      )
      expect(yield* Effect.flip(running.remove("a"))).toMatchObject({ _tag: "ChildRefused", reason: "needed" })
      yield* running.remove("b")
      yield* running.remove("a")
      expect(yield* statuses(running)).toEqual([])
      expect(troupe.record).toEqual(["a starts", "b starts", "b stops", "a stops"])
    })
  )
})

describe("`await` of a child", () => {
  it.effect("tells how it ended when it stays down, and not before", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const running = yield* Supervisor.start(Supervisor.make("app", [Child.effect("a", a.play, steady)]))
      const awaiting = yield* Effect.forkChild(running.child("a").await)
      yield* a.fails
      yield* stands(running, "a", "ready", 2)
      expect(awaiting.pollUnsafe()).toBeUndefined()
      yield* a.ends("the value")
      expect(yield* Fiber.join(awaiting)).toEqual({ _tag: "Completed", value: "the value" })
    })
  )

  it.effect("tells the failure of one that is not started again", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const running = yield* Supervisor.start(
        Supervisor.make("app", [Child.effect("a", a.play, { ...steady, restart: Restart.never() })])
      )
      yield* a.fails
      expect(yield* running.child("a").await).toEqual({ _tag: "Failed", error: new Failure({ actor: "a", life: 1 }) })
      expect(yield* statuses(running)).toEqual(["a failed"])
    })
  )
})

describe("a reload", () => {
  it.effect("is what the option says, and refused without it, and fails with its failure", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const troupe = new Troupe()
      const running = yield* Supervisor.start(
        Supervisor.make("app", [
          Child.process("a", stage.play("sleep"), {
            reload: ({ pid }) => troupe.act(`reloads ${Proc.isAlive(pid)}`)
          }),
          Child.process("b", stage.play("sleep")),
          Child.process("c", stage.play("sleep"), { reload: () => Effect.fail(new Error("no")) })
        ])
      )
      yield* running.child("a").reload
      expect(troupe.record).toEqual(["reloads true"])
      expect(yield* Effect.flip(running.child("b").reload)).toMatchObject({ reason: "unsupported" })
      expect(yield* Effect.flip(running.child("c").reload)).toMatchObject({ _tag: "ReloadFailed", child: "c" })
      yield* running.child("a").stop
      expect(yield* Effect.flip(running.child("a").reload)).toMatchObject({ reason: "down" })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

describe("Supervisor.layer", () => {
  const company = () => {
    const troupe = new Troupe()
    const [a, b] = [troupe.actor("a"), troupe.actor("b")] as const
    const tree = Supervisor.make("app", [
      Child.effect("a", a.play, { ready: a.readiness }),
      Child.effect("b", b.play, {
        ...steady,
        after: ["a"],
        restart: Restart.never(),
        decide: () => Effect.succeed("escalate")
      })
    ])
    return { a, b, tree, troupe }
  }

  it.effect("is there when all is ready, and ends the tree with itself", () =>
    Effect.gen(function* () {
      const { a, tree, troupe } = company()
      const use = Effect.provide(troupe.act("used"), Supervisor.layer(tree))
      const fiber = yield* Effect.forkChild(use)
      yield* troupe.hears("a starts")
      yield* a.isReady
      yield* Fiber.join(fiber)
      expect(troupe.record).toEqual(["a starts", "b starts", "used", "b stops", "a stops"])
    })
  )

  it.effect("interrupts who uses it when the tree has ended, unless it is told not to", () =>
    Effect.gen(function* () {
      for (const onEnd of ["interrupt", "ignore"] as const) {
        const { a, b, tree, troupe } = company()
        const using = Effect.onInterrupt(Effect.andThen(troupe.act("used"), Effect.never), () =>
          troupe.act("interrupted")
        )
        const fiber = yield* Effect.forkChild(Effect.provide(using, Supervisor.layer(tree, { onEnd })))
        yield* troupe.hears("a starts")
        yield* a.isReady
        yield* troupe.hears("used")
        yield* b.fails
        if (onEnd === "interrupt") yield* Fiber.await(fiber)
        else yield* troupe.hears("a stops")
        expect(troupe.count("interrupted")).toBe(onEnd === "interrupt" ? 1 : 0)
        yield* Fiber.interrupt(fiber)
      }
    })
  )

  it.effect("fails with what the tree fails with", () =>
    Effect.gen(function* () {
      const { a, tree, troupe } = company()
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.provide(troupe.act("used"), Supervisor.layer(tree))))
      for (let life = 1; life <= 6; life++) {
        yield* troupe.hears("a starts", life)
        yield* a.fails
      }
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "GaveUp", name: "a", attempts: 6 })
      expect(troupe.count("used")).toBe(0)
    })
  )
})

describe("a tree that a child of another tree runs", () => {
  it.live("is ended with that child, and started again with it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const inner = Supervisor.make("inner", [Child.process("a", stage.play("fork { setsid say up sleep } sleep"))])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(
            Supervisor.make("app", [
              Child.effect("host", Supervisor.run(inner), steady),
              Child.process("other", stage.play("say up sleep"))
            ])
          )
          const before = yield* stage.hears("up", "up")
          yield* running.child("host").restart
          const [again = 0] = yield* stage.hears("up")
          const { pid: other } = yield* childAt(running, "other")
          expect(before.filter((pid) => Proc.isAlive(pid))).toEqual([other])
          yield* running.child("host").stop
          expect(Proc.isAlive(again)).toBe(false)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("gives up as the typed failure of that child", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const b = troupe.actor("b")
      const inner = Supervisor.make("inner", [
        Child.effect("b", b.play, { ...steady, decide: () => Effect.succeed("escalate") })
      ])
      const tree = Supervisor.make("app", [
        Child.effect("host", Supervisor.run(inner), { ...steady, decide: () => Effect.succeed("escalate") })
      ])
      const running = yield* Supervisor.start(tree)
      yield* troupe.hears("b starts")
      yield* b.fails
      expect(yield* Effect.flip(running.await)).toMatchObject({
        name: "host",
        path: ["app", "host"],
        exit: { _tag: "Failed", error: { _tag: "GaveUp", name: "b", path: ["inner", "b"] } }
      })
    })
  )
})
