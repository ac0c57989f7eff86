/** Thousands of short lives, one after the other: at the end descriptors and processes are as they were. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Proc from "../support/proc.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"

const COUNT = Random.isCampaign ? 10_000 : 1_200
const GROUP_COUNT = COUNT / 4
const AT_ONCE = 16

/** More idle reapers than this are let go by the keeper; those of one burst may still be on their way. */
const MOST_REAPERS = 32 + AT_ONCE

/** The reserve for level tree, and what a few spawns at that level have used of it: no more for many processes of level group. */
const RESERVE = 8

const lives = (stage: Stage.Stage) => {
  const silent = stage.play("exit 3").pipe(Command.stdout("null"), Command.stderr("null"))
  const piped = stage.play("write hello fork { exit 0 } exit 3").pipe(Command.stdin("pipe"), Command.stdout("pipe"))
  const failing = stage.command("/no/such/program", []).pipe(Command.stdout("pipe"))
  const status = Effect.map(Process.exitStatus(silent), (exit) => exit._tag === "Exited" && exit.code === 3)
  const text = Effect.map(Effect.flip(Process.string(piped)), (error) => error._tag === "ExitError")
  const error = Effect.map(Effect.flip(Process.exitStatus(failing)), (error) => error._tag === "SpawnError")
  return [status, status, text, status, error]
}

const tables = (family: Proc.Family | undefined) => ({
  owner: Proc.descriptors(),
  keeper: Proc.descriptors(family?.keeper),
  guard: Proc.descriptors(family?.guard),
  helpers: Proc.families().map(({ guard, keeper }) => ({ guard, keeper }))
})

describe("after thousands of short lives", () => {
  it.live(`of level tree (${COUNT}), all tables are as before`, () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const all = lives(stage)
      yield* Effect.all(all, { concurrency: AT_ONCE })
      // Answered after everything that was said before it.
      yield* Process.exitStatus(Command.make("true", [], { stdout: "null" }))
      const [family] = Proc.families()
      const before = tables(family)
      const results = yield* Effect.all(
        Array.from({ length: COUNT }, (_, index) => all[index % all.length] ?? Effect.succeed(false)),
        { concurrency: AT_ONCE }
      )
      expect(results.filter((result) => !result).length).toBe(0)
      expect(stage.left()).toEqual([])
      expect(yield* Nursery.processes).toEqual([])
      // Answered after everything that was said before it.
      yield* Process.exitStatus(Command.make("true", [], { stdout: "null" }))
      expect(tables(family)).toEqual(before)
      expect(Proc.families()[0]?.reapers.length).toBeLessThanOrEqual(MOST_REAPERS)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live(`of level group (${GROUP_COUNT}), all tables are as before, and one reaper has done it`, () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const one = Process.exitStatus(
        Command.make("true", [], { stdout: "null", stderr: "null", containment: "group", env: stage.environment })
      )
      yield* one
      // Answered after everything that was said before it.
      yield* Process.exitStatus(Command.make("true", [], { stdout: "null" }))
      const [family] = Proc.families()
      const before = tables(family)
      const results = yield* Effect.all(
        Array.from({ length: GROUP_COUNT }, () => one),
        { concurrency: AT_ONCE }
      )
      expect(results.filter((exit) => exit._tag !== "Exited" || exit.code !== 0)).toEqual([])
      expect(stage.left()).toEqual([])
      yield* one
      expect(tables(family)).toEqual(before)
      const [after] = Proc.families()
      expect(after?.groupReaper).toBe(family?.groupReaper)
      expect(after?.reapers.length).toBeLessThanOrEqual(RESERVE)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("of handles that nobody asks anything, no zombie is left", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const spawn = Process.spawn(stage.play("fork { setsid exit 0 } exit 0"))
      yield* Effect.scoped(
        Effect.all(
          Array.from({ length: 200 }, () => spawn),
          { concurrency: AT_ONCE, discard: true }
        )
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})
