/** Pipelines of simulated processes, in virtual time. */
import { expect, layer } from "@effect/vitest"
import { Codec, Pipeline, type StageFailed, type TimeLimit } from "@nursery/pipeline"
import { Command } from "@nursery/process"
import { Program, TestNursery } from "@nursery/testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import { TestClock } from "effect/testing"

const programs = TestNursery.layer({
  lines: Program.steps(Program.stdout("one\ntwo\n"), Program.exits(0)),
  cat: Program.cat,
  half: Program.steps(Program.stdout("half of"), Program.exits(3)),
  late: Program.exits(1, { after: "3 seconds" }),
  later: Program.exits(2, { after: "4 seconds" }),
  runs: Program.runs
})

const named = <const Name extends string>(name: Name) => Pipeline.from(name, Command.make(name))
const cat = Pipeline.process("cat", Command.make("cat"))

const outcomes = ({ report }: StageFailed | TimeLimit): string =>
  Object.values(report.stages)
    .map(({ name, outcome }) => `${name} ${outcome}`)
    .join(", ")

layer(programs)("simulated processes", (it) => {
  it.effect("are joined, fed and read", () =>
    Effect.gen(function* () {
      expect(yield* named("lines").pipe(cat, Pipeline.decode("decode", Codec.lines()), Pipeline.collect)).toEqual([
        "one",
        "two"
      ])
      expect(yield* Pipeline.from("text").pipe(cat, Pipeline.string)).toBe("text")
      const { report } = yield* named("lines").pipe(cat, Pipeline.toSink(Sink.drain))
      expect(report.stages.cat).toMatchObject({ outcome: "succeeded", bytesOut: 8 })
    })
  )

  it.effect("fail, the first one first", () =>
    Effect.gen(function* () {
      const half = named("half").pipe(cat, Pipeline.decode("decode", Codec.lines()), Pipeline.collect)
      expect(outcomes(yield* Effect.flip(half))).toBe("half failed, cat succeeded, decode stopped")
      const order = named("later").pipe(Pipeline.process("late", Command.make("late")), Pipeline.run, Effect.flip)
      const fiber = yield* Effect.forkChild(order)
      yield* TestClock.adjust("10 seconds")
      expect(outcomes(yield* Fiber.join(fiber))).toBe("later followed, late failed")
    })
  )

  it.effect("are ended with the others", () =>
    Effect.gen(function* () {
      const missing = named("runs").pipe(Pipeline.process("no", Command.make("no-such-program")), Pipeline.run)
      expect(outcomes(yield* Effect.flip(missing))).toBe("runs stopped, no failed")
      const limited = named("runs").pipe(cat, Pipeline.timeLimit("5 minutes"), Pipeline.run, Effect.flip)
      const fiber = yield* Effect.forkChild(limited)
      yield* TestClock.adjust("5 minutes")
      expect(outcomes(yield* Fiber.join(fiber))).toBe("runs stopped, cat stopped")
      expect(yield* TestNursery.alive).toEqual([])
    })
  )
})
