/** A helper is killed or stopped while its owner lives: what it served is ended all the same, and who had a handle learns of it. */
import { setImmediate } from "node:timers/promises"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import { KeeperLost } from "../../src/ProcessError.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

const escapee = "fork { setsid fork { say escaped sleep } exit 0 } wait sleep"
const stubborn = "ignore fork { setsid say escaped sleep } sleep"
const soon = Command.stop({ grace: "100 millis" })

/** The helpers of the one nursery in this process. */
const family = Effect.sync(() => {
  const [only, ...others] = Proc.families()
  expect(others).toEqual([])
  if (only === undefined) throw new Error("there are no helpers")
  return only
})

const startTwo = (stage: Stage.Stage) =>
  Effect.gen(function* () {
    const first = yield* Process.spawn(stage.play(escapee).pipe(soon))
    const second = yield* Process.spawn(stage.play(stubborn).pipe(soon))
    yield* stage.hears("escaped", "escaped")
    return [first, second] as const
  })

/** The reaper of a process is its parent. */
const reaperOf = (process: Process.ProcessBase<unknown>): number => Proc.entryOf(process.pid)?.parent ?? 0

const kill = (...pids: ReadonlyArray<number>) => Effect.sync(() => pids.forEach(Proc.kill))

/** What the handle of a lost process says. */
const expectLost = (process: Process.ProcessBase<unknown>, ...helpers: ReadonlyArray<"keeper" | "reaper">) =>
  Effect.gen(function* () {
    const errors = [yield* Effect.flip(process.exit), yield* Effect.flip(process.success)]
    for (const error of errors) {
      expect(error).toBeInstanceOf(KeeperLost)
      expect(helpers).toContain(error instanceof KeeperLost ? error.helper : undefined)
    }
    expect(yield* process.isRunning).toBe(false)
    expect(yield* process.signal("SIGTERM", { to: "tree" })).toBe(false)
  })

/** The nursery works, with these helpers or others. */
const expectWorks = Effect.gen(function* () {
  const exit = yield* Effect.scoped(Effect.flatMap(Process.spawn(Command.make("true")), ({ exit }) => exit))
  expect(exit.status).toMatchObject({ _tag: "Exited", code: 0 })
})

/** It is dead, and the event loop has gone round since: it has seen the end of the socket. */
const noticed = (pid: number) =>
  Effect.promise(async () => {
    await until("see a helper leave", () => Proc.entryOf(pid) === undefined)
    await setImmediate()
    await setImmediate()
  })

const provide = Effect.provide(Nursery.layer)

describe("with a living owner, SIGKILL of", () => {
  /** Which helpers, and whom they take with them. */
  const losses: ReadonlyArray<readonly [what: string, who: (family: Proc.Family) => ReadonlyArray<number>]> = [
    ["the keeper", ({ keeper }) => [keeper]],
    ["guard and keeper", ({ guard, keeper }) => [guard, keeper]],
    ["keeper and guard", ({ guard, keeper }) => [keeper, guard]],
    ["the keeper and a reaper", ({ keeper, reapers }) => [keeper, ...reapers.slice(0, 1)]],
    ["the reapers and the keeper", ({ keeper, reapers }) => [...reapers, keeper]]
  ]

  for (const [what, who] of losses) {
    it.live(`${what} ends everything, fails every handle, and the next spawn starts a new keeper`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        yield* Effect.scoped(
          Effect.gen(function* () {
            const processes = yield* startTwo(stage)
            const before = yield* family
            yield* kill(...who(before))
            for (const process of processes) {
              // A keeper that is killed after a reaper may have told of that before.
              yield* expectLost(process, "keeper", ...(what.startsWith("the reapers") ? ["reaper" as const] : []))
              yield* process.ended
            }
            expect(stage.left()).toEqual([])
            // All handles may have been lost with their reapers, before that: a spawn would still be sent to it.
            yield* noticed(before.keeper)
            yield* expectWorks
            const after = yield* family
            expect(after.keeper).not.toBe(before.keeper)
          })
        )
        expect(stage.left()).toEqual([])
      }).pipe(provide)
    )
  }

  it.live("a reaper fails its own handle alone, and its orphans are ended", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const other = yield* Stage.make
      const [survivor] = yield* startTwo(other)
      const process = yield* Process.spawn(stage.play(escapee))
      yield* stage.hears("escaped")
      const before = yield* family
      yield* kill(reaperOf(process))
      yield* expectLost(process, "reaper")
      yield* process.ended
      expect(Proc.marked(stage.mark)).toEqual([])
      expect(stage.canary.isHeld()).toBe(false)
      expect(yield* survivor.isRunning).toBe(true)
      expect((yield* survivor.stop()).status).toMatchObject({ _tag: "Signaled", signal: "SIGTERM" })
      yield* expectWorks
      expect((yield* family).keeper).toBe(before.keeper)
    }).pipe(Effect.scoped, provide)
  )

  it.live("a waiting reaper is no loss", () =>
    Effect.gen(function* () {
      // They are forked after the keeper has answered: one that has served waits for the next.
      yield* expectWorks
      const { keeper, reapers } = yield* family
      expect(reapers.length).toBeGreaterThan(0)
      yield* kill(...reapers)
      yield* Effect.all(
        Array.from({ length: 8 }, () => expectWorks),
        { concurrency: 8 }
      )
      expect((yield* family).keeper).toBe(keeper)
    }).pipe(provide)
  )

  it.live("the reaper of level `group` fails the handles of that level alone", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const tree = yield* Process.spawn(stage.play("say tree sleep"))
      const group = yield* Process.spawn(stage.play(escapee).pipe(Command.containment("group")))
      yield* stage.hears("tree", "escaped")
      const { groupReaper } = yield* family
      yield* kill(groupReaper ?? 0)
      yield* expectLost(group, "reaper")
      yield* group.ended
      expect(Proc.marked(stage.mark).map(({ pid }) => pid)).toEqual([tree.pid])
      const exit = yield* Effect.scoped(
        Effect.flatMap(Process.spawn(Command.make("true").pipe(Command.containment("group"))), ({ exit }) => exit)
      )
      expect(exit.status).toMatchObject({ _tag: "Exited", code: 0 })
      expect(yield* tree.isRunning).toBe(true)
    }).pipe(Effect.scoped, provide)
  )

  it.live("the guard loses nothing: what runs goes on, and the next spawn has a guard again", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const other = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(stage.play("say ready sleep"))
          yield* stage.hears("ready")
          const { guard, keeper } = yield* family
          yield* kill(guard)
          yield* Effect.promise(() => until("collect the guard", () => Proc.entryOf(guard) === undefined))
          const second = yield* Process.spawn(other.play(escapee))
          yield* other.hears("escaped")
          expect((yield* family).guard).not.toBe(guard)
          expect(yield* process.isRunning).toBe(true)
          expect(yield* process.signal("SIGTERM")).toBe(true)
          expect((yield* process.exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGTERM" })
          yield* process.ended
          expect(yield* second.isRunning).toBe(true)
          expect(Proc.isAlive(keeper)).toBe(true)
        })
      )
      expect(stage.left()).toEqual([])
      expect(other.left()).toEqual([])
    }).pipe(provide)
  )

  it.live("its own reaper by a child does not save the child", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(
            stage.play("fork { setsid say escaped sleep } hold say ready term murder sleep")
          )
          yield* stage.hears("ready", "escaped")
          yield* process.signal("SIGTERM")
          yield* expectLost(process, "reaper")
          yield* process.ended
          expect(stage.left()).toEqual([])
        })
      )
    }).pipe(provide)
  )
})

describe("with a living owner, SIGSTOP of", () => {
  const stop = (pid: number) => Effect.sync(() => process.kill(pid, "SIGSTOP"))

  it.live("a reaper is seen by the keeper, which takes over", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play(stubborn))
      yield* stage.hears("escaped")
      yield* stop(reaperOf(process))
      yield* expectLost(process, "reaper")
      yield* process.ended
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, provide)
  )

  it.live("its own reaper by a child does not save the child", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("fork { setsid say escaped sleep } hold say ready term freeze sleep")
      )
      yield* stage.hears("ready", "escaped")
      yield* process.signal("SIGTERM")
      yield* process.ended
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, provide)
  )

  it.live("the keeper is seen by the guard, which kills it after two seconds", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const processes = yield* startTwo(stage)
      const before = yield* family
      yield* stop(before.keeper)
      for (const process of processes) {
        yield* expectLost(process, "keeper")
        yield* process.ended
      }
      expect(stage.left()).toEqual([])
      yield* expectWorks
    }).pipe(Effect.scoped, provide)
  )
})
