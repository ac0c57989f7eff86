/** What a pipeline is said to have failed with, in the cases that are easily told wrong. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Pipeline, type StageFailed } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { it } from "vitest"
import { folder, onEveryWay, onKeeper, sh } from "../support/setup.ts"

const yes = Pipeline.from("yes", Command.make("yes", [], { stderr: "null" }))
const cat = Command.make("cat")
const lines = (bytes: Stream.Stream<Uint8Array>) => Stream.splitLines(Stream.decodeText(bytes))

const outcomes = (error: StageFailed): string =>
  Object.values(error.report.stages)
    .map(({ name, outcome }) => `${name} ${outcome}`)
    .join(", ")

const nothingLeft = Effect.map(Nursery.processes, (processes) => expect(processes).toEqual([]))

it("needs no nursery where there is no process", async () => {
  const numbers = Pipeline.fromStream(Stream.range(1, 4)).pipe(
    Pipeline.fanOut("fan", { ways: 2 }, (part) => part.pipe(Pipeline.map("half", (n) => n / 2))),
    Pipeline.tee("copy", (copy) => copy.pipe(Pipeline.batch("two", { size: 2 })))
  )
  expect((await Effect.runPromise(Pipeline.collect(numbers))).toSorted()).toEqual([0.5, 1, 1.5, 2])
})

onEveryWay("causes", (it) => {
  it.effect("takes what has interrupted itself for no end, wherever it is", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const interrupted = yield* Effect.forkChild(Effect.never)
      yield* Fiber.interrupt(interrupted)
      const cases: ReadonlyArray<Pipeline.Pipeline<Uint8Array>> = [
        Pipeline.fromStream(Stream.concat(Stream.make(new Uint8Array(10)), Stream.fromEffect(Effect.interrupt))),
        Pipeline.fromStream(Stream.fromEffect(Fiber.join(interrupted)))
      ]
      for (const [index, pipeline] of cases.entries()) {
        const path = join(at, `${index}`)
        const commit = Pipeline.process("commit", sh(`cat >/dev/null; echo >${path}`))
        const inStage = pipeline.pipe(Pipeline.transform("same", (bytes) => bytes))
        for (const whole of [pipeline.pipe(commit), inStage.pipe(commit)]) {
          const exit = yield* Effect.exit(Pipeline.run(whole))
          expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
          expect(existsSync(path)).toBe(false)
        }
      }
      const stage = yes.pipe(
        Pipeline.mapEffect("leave", () => Effect.interrupt),
        Pipeline.run,
        Effect.exit
      )
      const exit = yield* stage
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      yield* nothingLeft
    })
  )

  it.effect("fails with whatever a stage fails with", () =>
    Effect.gen(function* () {
      const failing = <E>(error: E) =>
        yes.pipe(
          Pipeline.mapEffect("fail", () => Effect.fail(error)),
          Pipeline.run,
          Effect.flip
        )
      const circle: { self?: unknown } = {}
      circle.self = circle
      const cases: ReadonlyArray<readonly [error: unknown, message: string]> = [
        [undefined, '"fail": undefined'],
        [null, '"fail": null'],
        ["text", '"fail": text'],
        [{ count: 1n }, '"fail": {"count":1n}'],
        [circle, '"fail": {"self":[Circular]}']
      ]
      for (const [error, message] of cases) {
        const failed = yield* failing(error)
        if (failed.stage !== "fail") throw failed
        expect(failed.error).toBe(error)
        expect(failed.message).toBe(message)
      }
    })
  )

  it.effect("blames the stage of this program where what failed before does not count", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("ignored", sh("echo text; exit 3")).pipe(
        Pipeline.transform("all", (bytes) => Stream.concat(bytes, Stream.fail("at the end" as const))),
        Pipeline.policy("last"),
        Pipeline.run
      )
      const error = yield* Effect.flip(pipeline)
      expect(error).toMatchObject({ stage: "all", error: "at the end", report: { firstCause: "ignored" } })
    })
  )

  it.effect("limits the time of a part of a pipeline", () =>
    Effect.gen(function* () {
      const silent = Pipeline.from("silent", Command.make("sleep", ["600"])).pipe(Pipeline.timeLimit("100 millis"))
      const merged = Pipeline.merge([silent, Pipeline.from("text")]).pipe(Pipeline.run, Effect.flip)
      expect(yield* merged).toMatchObject({
        _tag: "TimeLimit",
        report: { stages: { silent: { bytesOut: undefined } } }
      })
      const never = Pipeline.fanIn(
        [Pipeline.from("text"), Pipeline.fromStream(Stream.never).pipe(Pipeline.timeLimit(50))],
        "sequence"
      )
      expect((yield* Effect.flip(Pipeline.run(never)))._tag).toBe("TimeLimit")
      // One that is done in time limits nothing.
      const done = Pipeline.from("done").pipe(
        Pipeline.map("same", (chunk) => chunk),
        Pipeline.timeLimit("1 minute")
      )
      const late = Pipeline.from("late").pipe(Pipeline.mapEffect("late", (chunk) => Effect.as(Effect.sleep(20), chunk)))
      expect((yield* Pipeline.collect(Pipeline.merge([done, late]))).length).toBe(2)
      yield* nothingLeft
    })
  )

  it.effect("tells what was stopped, however it is run", () =>
    Effect.gen(function* () {
      const pipeline = yes.pipe(
        Pipeline.transform("lines", lines),
        Pipeline.mapEffect("check", () => Effect.fail("wrong")),
        Pipeline.filter("all", () => true)
      )
      const expected = "yes stopped, lines stopped, check failed, all stopped"
      expect(outcomes(yield* Effect.flip(Pipeline.run(pipeline)))).toBe(expected)
      expect(outcomes(yield* Effect.flip(Pipeline.collect(pipeline)))).toBe(expected)
      expect(outcomes(yield* Effect.flip(Stream.runDrain(Pipeline.toStream(pipeline))))).toBe(expected)
      const late = Pipeline.from("late", sh("echo text; exec sleep 600")).pipe(
        Pipeline.process("cat", cat),
        Pipeline.transform("lines", lines),
        Pipeline.filter("all", () => true),
        Pipeline.timeLimit("1 second")
      )
      const error = yield* Effect.flip(Pipeline.collect(late))
      // Where starting them took all of the time, they were not even started.
      expect(error.report.stages["all"]?.outcome).toMatch(/^(stopped|unstarted)$/)
    })
  )
})

onKeeper("causes", (it) => {
  it.effect("says what could not be written to a process, not what that was stopped by", () =>
    Effect.gen(function* () {
      // As code without types may do.
      const noBytes = Pipeline.fromStream(Stream.make<Array<unknown>>(undefined)) as Pipeline.Pipeline<unknown>
      const pipeline = (noBytes as Pipeline.Pipeline<Uint8Array>).pipe(Pipeline.process("cat", cat), Pipeline.run)
      const error = yield* Effect.flip(pipeline)
      expect(error).toMatchObject({ stage: "cat", error: { _tag: "StreamError", operation: "write" } })
      // It is stopped, or has seen the end of its stdin before.
      expect(error.report.stages["cat"]).toMatchObject({ outcome: "failed", error: { _tag: "StreamError" } })
      yield* nothingLeft
    })
  )
})
