/** Processes and helpers are killed, and the tree is asked for this and that: each child is there exactly once in the end. */
import { isDeepStrictEqual } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Random from "../../../process/test/support/random.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import { until } from "../../../process/test/support/within.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import type { Snapshot } from "../../src/SupervisorEvent.ts"
import { allIn, childAt, stands } from "../support/observed.ts"

const STEPS = Random.isCampaign ? 3_000 : 150

const boundless = { restarts: 1_000_000, within: "1 second" } as const

const pidsOf = ({ children }: Snapshot): ReadonlyArray<number> =>
  children.flatMap(({ pid, tree }) => [
    ...(pid === undefined ? [] : [pid]),
    ...(tree === undefined ? [] : pidsOf(tree))
  ])

const sorted = (pids: ReadonlyArray<number>) => pids.toSorted((a, b) => a - b)

describe("each child is there once, and nothing is left at the end", () => {
  for (const [where, nursery] of Object.entries({
    "by a keeper": Nursery.layer,
    "without one": Nursery.layerPortable
  })) {
    it.live(`after ${STEPS} kills and requests at random, ${where}`, () =>
      Effect.gen(function* () {
        const random = Random.make("chaos")
        const stage = yield* Stage.make
        const scene = stage.play("sleep").pipe(Command.stop({ grace: "100 millis" }))
        const slow = { ready: Ready.effect(Effect.sleep("1 millis")) }
        const group = Supervisor.make(
          "group",
          [Child.process("c", scene, slow), Child.process("d", scene, { requires: ["c"] })],
          { strategy: "one-for-all", intensity: boundless }
        )
        const rest = Supervisor.make(
          "rest",
          [Child.process("e", scene), Child.process("f", scene, { ...slow, after: ["e"] }), Child.process("g", scene)],
          { strategy: "rest-for-one", intensity: boundless }
        )
        const workers = Supervisor.dynamic("workers", () => Child.process("worker", scene), { intensity: boundless })
        const tree = Supervisor.make(
          "app",
          [Child.process("a", scene), Child.process("b", scene, { ...slow, requires: ["a"] }), group, rest, workers],
          { intensity: boundless }
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const running = yield* Supervisor.start(tree)
            const some = running.dynamic("workers")
            const killed = Effect.map(running.snapshot, (snapshot) => {
              const [first, ...others] = pidsOf(snapshot)
              if (first !== undefined) Proc.kill(random.pick([first, ...others]))
            })
            const step = (): Effect.Effect<unknown, unknown> => {
              const child = random.pick(["a", "b", "group", "rest", "workers"] as const)
              const key = `w${random.below(4)}`
              return random.pick([
                killed,
                killed,
                killed,
                running.child(child).restart,
                running.child(child).stop,
                running.child(child).start,
                running.child("group").child(random.pick(["c", "d"] as const)).restart,
                running.child("rest").child(random.pick(["e", "f", "g"] as const)).stop,
                running.child("rest").child(random.pick(["e", "f", "g"] as const)).start,
                running.rollingRestart(["a", "b"]),
                some.start(undefined, { key }),
                some.remove(key),
                some.child(key).restart
              ])
            }
            const asked: Array<Fiber.Fiber<unknown>> = []
            for (let count = 0; count < STEPS; count++) {
              asked.push(yield* Effect.forkChild(Effect.exit(step())))
              if (random.below(2) === 0) yield* Effect.sleep(random.below(4))
            }
            const startAll = Effect.gen(function* () {
              for (const name of ["a", "b", "group", "rest", "workers"] as const) yield* running.child(name).start
              for (const name of ["c", "d"] as const) yield* running.child("group").child(name).start
              for (const name of ["e", "f", "g"] as const) yield* running.child("rest").child(name).start
            })
            // What was asked waits for those who were stopped: everybody gets an answer.
            yield* Effect.ignore(startAll)
            yield* Fiber.awaitAll(asked)
            yield* startAll
            const seen = () => {
              const snapshot = Effect.runSync(running.snapshot)
              return {
                expected: sorted(pidsOf(snapshot)),
                found: sorted(Proc.marked(stage.mark).map(({ pid }) => pid)),
                areReady: allIn(snapshot).every(({ name, status }) => status === "ready" || name.startsWith("w"))
              }
            }
            const isSettled = () => {
              const { areReady, expected, found } = seen()
              return areReady && expected.length >= 7 && isDeepStrictEqual(expected, found)
            }
            // The last of those that were killed may be noticed only now.
            yield* Effect.promise(() => until("see each child once", isSettled, () => JSON.stringify(seen())))
          })
        )
        expect(stage.left()).toEqual([])
      }).pipe(Effect.provide(nursery))
    )
  }

  it.live("after the keeper was killed: all children are started again, under a new one", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(
            Supervisor.make("app", [
              Child.process("a", stage.play("say a sleep")),
              Child.process("b", stage.play("say b sleep"), { requires: ["a"] }),
              Child.process("c", stage.play("fork { setsid say c sleep } sleep"))
            ])
          )
          const before = yield* stage.hears("a", "b", "c")
          const [family] = Proc.families()
          process.kill(family?.keeper ?? 0, "SIGKILL")
          yield* stage.hears("a", "b", "c")
          for (const name of ["a", "b", "c"]) yield* stands(running, name, "ready", 2)
          const { children } = yield* running.snapshot
          expect(children.map(({ status }) => status)).toEqual(["ready", "ready", "ready"])
          expect((yield* childAt(running, "a")).lastExit).toMatchObject({ error: { _tag: "KeeperLost" } })
          expect(before.map((pid) => Proc.isAlive(pid))).toEqual([false, false, false])
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})
