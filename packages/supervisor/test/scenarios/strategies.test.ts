/** Who is restarted with whom, in which order: with processes that are killed, and with some that do not come up again. */
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import type { SupervisorEvent } from "../../src/SupervisorEvent.ts"
import { childAt, stands } from "../support/observed.ts"
import { Failure, Troupe } from "../support/troupe.ts"

/** Ends, and the starts that follow, until a child is ready in a life: `a-` and `a+`. */
const moves = (events: Stream.Stream<SupervisorEvent>, child: string, incarnation: number) =>
  events.pipe(
    Stream.takeUntil(
      (event) =>
        event._tag === "Changed" &&
        event.child === child &&
        event.status === "ready" &&
        event.incarnation === incarnation
    ),
    Stream.runCollect,
    Effect.map((all) =>
      Array.from(all).flatMap((event) =>
        event._tag === "Exited" ? [`${event.child}-`] : event._tag === "Spawned" ? [`${event.child}+`] : []
      )
    )
  )

const strategies = [
  { strategy: "one-for-one", lives: [1, 2, 1], last: "b", expected: ["b-", "b+"] },
  { strategy: "rest-for-one", lives: [1, 2, 2], last: "c", expected: ["b-", "c-", "b+", "c+"] },
  { strategy: "one-for-all", lives: [2, 2, 2], last: "c", expected: ["b-", "c-", "a-", "a+", "b+", "c+"] }
] as const

describe("the middle one of three processes is killed", () => {
  for (const { expected, last, lives, strategy } of strategies) {
    it.live(`by ${strategy}, restarts of a, b and c`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const process = (name: string) => stage.play(`say ${name} sleep`)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const running = yield* Supervisor.start(
              Supervisor.make(
                "app",
                [
                  Child.process("a", process("a")),
                  Child.process("b", process("b"), { after: ["a"] }),
                  Child.process("c", process("c"), { after: ["b"] })
                ],
                { strategy }
              )
            )
            const before = yield* stage.hears("a", "b", "c")
            Proc.kill(before[1] ?? 0)
            const all = yield* moves(running.events, last, 2)
            expect(all).toEqual(["a+", "b+", "c+", ...expected])
            const names = ["a", "b", "c"].filter((_, index) => lives[index] === 2)
            const after = yield* stage.hears(...names)
            const { children } = yield* running.snapshot
            expect(children.map(({ incarnation, status }) => [incarnation, status])).toEqual(
              lives.map((life) => [life, "ready"])
            )
            // One of each, and those who were not restarted are who they were.
            const expectedPids = lives.map((life, index) =>
              life === 1 ? before[index] : after[names.indexOf("abc"[index] ?? "")]
            )
            expect(children.map(({ pid }) => pid)).toEqual(expectedPids)
            expect(before.map((pid) => Proc.isAlive(pid))).toEqual(lives.map((life) => life === 1))
            expect(children.map(({ restarts }) => restarts)).toEqual([0, 1, 0])
          })
        )
        expect(stage.left()).toEqual([])
      }).pipe(Effect.provide(Nursery.layer))
    )
  }
})

describe("another one does not come up when a group is restarted", () => {
  const steady = { ready: Ready.immediate } as const

  const trio = (strategy: "one-for-all" | "rest-for-one") => {
    const troupe = new Troupe()
    const [a, b, c] = [troupe.actor("a"), troupe.actor("b"), troupe.actor("c")] as const
    const tree = Supervisor.make(
      "app",
      [
        Child.effect("a", a.play, steady),
        Child.effect("b", b.play, { ...steady, after: ["a"] }),
        Child.effect("c", c.play, { ready: c.readiness, after: ["b"] })
      ],
      { strategy, intensity: { restarts: 2, within: "10 seconds" } }
    )
    return { a, b, c, tree, troupe }
  }

  const begun = Effect.fnUntraced(function* (strategy: "one-for-all" | "rest-for-one") {
    const trioOf = trio(strategy)
    const { b, c, tree, troupe } = trioOf
    const starting = yield* Effect.forkScoped(Supervisor.start(tree), { startImmediately: true })
    yield* troupe.hears("c starts")
    yield* c.isReady
    const running = yield* Fiber.join(starting)
    troupe.news()
    yield* b.fails
    yield* troupe.hears("c starts", 2)
    yield* c.isNeverReady
    return { ...trioOf, running }
  })

  it.effect("and all of it is tried again, by one-for-all", () =>
    Effect.gen(function* () {
      const { c, running, troupe } = yield* begun("one-for-all")
      yield* troupe.hears("c starts", 3)
      yield* c.isReady
      yield* stands(running, "c", "ready", 3)
      expect(troupe.news()).toEqual([
        ...["b fails", "c stops", "a stops", "a starts", "b starts", "c starts"],
        ...["c stops", "b stops", "a stops", "a starts", "b starts", "c starts"]
      ])
    })
  )

  it.effect("and it alone is tried again where it is the last, by rest-for-one", () =>
    Effect.gen(function* () {
      const { c, running, troupe } = yield* begun("rest-for-one")
      yield* troupe.hears("c starts", 3)
      yield* c.isReady
      yield* stands(running, "c", "ready", 3)
      expect(troupe.news()).toEqual(["b fails", "c stops", "b starts", "c starts", "c stops", "c starts"])
    })
  )

  it.effect("and each try counts, so that there is an end", () =>
    Effect.gen(function* () {
      const { c, running, troupe } = yield* begun("one-for-all")
      yield* troupe.hears("c starts", 3)
      troupe.news()
      yield* c.isNeverReady
      expect(yield* Effect.flip(running.await)).toMatchObject({
        name: "c",
        exit: { _tag: "Failed", error: new Failure({ actor: "c", life: 3 }) }
      })
      expect(troupe.news()).toEqual(["c stops", "b stops", "a stops"])
    })
  )

  it.live("and is a program that is gone: the tree gives up, and leaves nothing", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      let starts = 0
      const second = () => (++starts === 1 ? stage.play("say c sleep") : stage.command("/no/such/program", []))
      const running = yield* Supervisor.start(
        Supervisor.make(
          "app",
          [
            Child.process("a", stage.play("say a sleep")),
            Child.process("b", stage.play("say b sleep"), { after: ["a"] }),
            Child.process("c", second, { after: ["b"] })
          ],
          { strategy: "one-for-all" }
        )
      )
      const [, b = 0] = yield* stage.hears("a", "b", "c")
      Proc.kill(b)
      expect(yield* Effect.flip(running.await)).toMatchObject({
        name: "c",
        exit: { _tag: "Failed", error: { reason: { _tag: "ProgramNotFound" } } }
      })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("three levels", () => {
  const levels = (stage: Stage.Stage, restarts: number) => {
    const leaves = Supervisor.make(
      "leaves",
      [Child.process("x", stage.play("say x sleep")), Child.process("y", stage.play("say y sleep"), { after: ["x"] })],
      { intensity: { restarts, within: "1 minute" } }
    )
    const middle = Supervisor.make("middle", [leaves, Child.process("m", stage.play("say m sleep"))], {
      intensity: { restarts: 0, within: "1 minute" }
    })
    return Supervisor.make("app", [
      Child.process("first", stage.play("say first sleep")),
      middle,
      Child.process("last", stage.play("say last sleep"))
    ])
  }
  const everybody = ["first", "x", "y", "m", "last"] as const

  it.live("are restarted from the middle down when the middle one gives up", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(levels(stage, 0))
          const [first = 0, x = 0, , , last = 0] = yield* stage.hears(...everybody)
          Proc.kill(x)
          const all = yield* stage.hears("x", "y", "m")
          yield* stands(running, "middle", "ready", 2)
          expect((yield* childAt(running, "middle")).incarnation).toBe(2)
          expect((yield* childAt(running, "middle")).lastExit).toMatchObject({
            error: { name: "leaves", path: ["app", "middle", "leaves"], exit: { error: { name: "x" } } }
          })
          const below = yield* Effect.all([
            childAt(running, "middle", "leaves", "x"),
            childAt(running, "middle", "leaves", "y"),
            childAt(running, "middle", "m")
          ])
          expect(below.map(({ pid }) => pid)).toEqual(all)
          expect([first, last].map((pid) => Proc.isAlive(pid))).toEqual([true, true])
          expect((yield* childAt(running, "first")).incarnation).toBe(1)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("are restarted from the middle down on request", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(levels(stage, 0))
          const before = yield* stage.hears(...everybody)
          yield* running.child("middle").restart
          yield* stage.hears("x", "y", "m")
          expect(before.map((pid) => Proc.isAlive(pid))).toEqual([true, false, false, false, true])
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("lose the lowest only when that is within its own intensity", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const running = yield* Supervisor.start(levels(stage, 1))
      const [first, x = 0, y, m, last] = yield* stage.hears(...everybody)
      Proc.kill(x)
      const [again] = yield* stage.hears("x")
      yield* stands(running, "x", "ready", 2)
      const { children } = yield* running.snapshot
      const inner = children[1]?.tree?.children
      expect([children[0]?.pid, children[2]?.pid, inner?.[1]?.pid]).toEqual([first, last, m])
      expect(inner?.[0]?.tree?.children.map(({ pid }) => pid)).toEqual([again, y])
    }).pipe(Effect.provide(Nursery.layer))
  )
})
