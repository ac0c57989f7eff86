/** Stages that read nothing of what comes to them: what writes it is told, and does not wait for a reader for ever. */
import { expect } from "@effect/vitest"
import { Pipeline, type Report } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { onEveryWay } from "../support/setup.ts"

const quiet = Command.stderr("null")
const yes = Pipeline.from("yes", quiet(Command.make("yes")))
const many = Pipeline.from("many", quiet(Command.make("seq", ["300000"])))
const cat = Command.make("cat")
const letter = new TextEncoder().encode("a")
const lines = (bytes: Stream.Stream<Uint8Array>) => Stream.splitLines(Stream.decodeText(bytes))

const outcomes = ({ stages }: Report<Record<string, "process" | "typed">>): string =>
  Object.values(stages)
    .map(({ name, outcome }) => `${name} ${outcome}`)
    .join(", ")

const nothingLeft = Effect.map(Nursery.processes, (processes) => expect(processes).toEqual([]))

onEveryWay("what nobody reads", (it, way) => {
  /** A socket that is closed may be an error to who writes, where a pipe ends it by SIGPIPE. */
  const lenient = <A, E, R, Stages>(pipeline: Pipeline.Pipeline<A, E, R, Stages>) =>
    pipeline.pipe(Pipeline.policy(way.name === "keeper" ? "pipefail" : () => undefined))
  const ended = way.name === "keeper" ? /^followed$/ : /^(followed|failed)$/

  it.effect("a function that does not look at its input", () =>
    Effect.gen(function* () {
      const ignores = yes.pipe(
        lenient,
        Pipeline.transform("ignores", () => Stream.make(letter)),
        Pipeline.process("cat", cat),
        Pipeline.string
      )
      expect(yield* ignores).toBe("a")
      yield* nothingLeft
    })
  )

  it.effect("none of the records, also when others wait for them", () =>
    Effect.gen(function* () {
      const none = yes.pipe(
        lenient,
        Pipeline.transform("lines", lines),
        Pipeline.filter("all", () => true),
        Pipeline.transform("none", Stream.take(0)),
        Pipeline.collect
      )
      expect(yield* none).toEqual([])
      yield* nothingLeft
    })
  )

  it.effect("a Sink that wants nothing", () =>
    Effect.gen(function* () {
      const { report, value } = yield* yes.pipe(lenient, Pipeline.toSink(Sink.succeed("nothing")))
      expect(value).toBe("nothing")
      expect(report.stages.yes.outcome).toMatch(ended)
      yield* nothingLeft
    })
  )

  it.effect("a copy", () =>
    Effect.gen(function* () {
      const branch = many.pipe(
        Pipeline.tee("copy", (copy) => copy.pipe(Pipeline.transform("ignores", () => Stream.empty))),
        Pipeline.toSink(
          Sink.fold(
            () => 0,
            () => true,
            (sum: number, chunk: Uint8Array) => Effect.succeed(sum + chunk.length)
          )
        )
      )
      const { report, value } = yield* branch
      expect(value).toBe(report.stages.many.bytesOut)
      expect(outcomes(report)).toBe("many succeeded, ignores succeeded, copy succeeded")
      const sink = many.pipe(Pipeline.tee("copy", Sink.succeed(1)), Pipeline.toSink(Sink.count))
      expect((yield* sink).report.stages.copy.outcome).toBe("succeeded")
      yield* nothingLeft
    })
  )

  it.effect("what is copied, while the copy is read", () =>
    Effect.gen(function* () {
      const main = yes.pipe(
        lenient,
        Pipeline.tee("copy", Sink.drain),
        Pipeline.transform("none", () => Stream.empty),
        Pipeline.collect
      )
      expect(yield* main).toEqual([])
      yield* nothingLeft
    })
  )

  it.effect("pipelines whose turn does not come", () =>
    Effect.gen(function* () {
      const inTurn = Pipeline.fanIn([Pipeline.from("text"), yes], "sequence").pipe(
        lenient,
        Pipeline.toSink(Sink.head())
      )
      const { report, value } = yield* inTurn
      expect(Array.from(value.pipe((option) => (option._tag === "Some" ? option.value : [])))).toEqual(
        Array.from(new TextEncoder().encode("text"))
      )
      expect(report.stages.yes.outcome).toMatch(ended)
      yield* nothingLeft
    })
  )

  it.effect("a branch: its records would be lost", () =>
    Effect.gen(function* () {
      const fan = Pipeline.fromStream(Stream.range(1, 100_000)).pipe(
        Pipeline.fanOut("fan", { ways: 2 }, (part, index) =>
          part.pipe(Pipeline.transform("some", (records) => (index === 0 ? Stream.empty : records)))
        ),
        Pipeline.run
      )
      expect(yield* Effect.flip(fan)).toMatchObject({ stage: "fan", error: { _tag: "BranchEnded", branch: 0 } })
    })
  )
})
