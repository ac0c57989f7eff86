/** What the compiler computes of pipelines, and what it refuses. */

import {
  type BranchEnded,
  Codec,
  type DecodeError,
  type EncodeError,
  type FileError,
  type InvalidPipeline,
  Pipeline,
  type ProcessStage,
  type Report,
  type StageFailed,
  type TimeLimit,
  type TypedStage
} from "@nursery/pipeline"
import { Command, type ExitStatus, type Fd, type FdError, type KeeperLost, type Nursery, Stdio } from "@nursery/process"
import { Child } from "@nursery/supervisor"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"

class Dep extends Context.Service<Dep, { a: 1 }>()("Dep") {}
class Wrong extends Data.TaggedError("Wrong")<{ readonly n: number }> {}
declare const enrich: (line: string) => Effect.Effect<{ readonly line: string; readonly length: number }, Wrong, Dep>
declare const lines: (bytes: Stream.Stream<Uint8Array>) => Stream.Stream<string>
declare const readable: Fd.Fd<"readable", "pipe">

const pipeline = Pipeline.from(Stdio.read("events.json.zst")).pipe(
  Pipeline.process("unzip", Command.make("zstd", ["-dc"])),
  Pipeline.process("pick", Command.make`jq -c .events[]`),
  Pipeline.transform("lines", lines),
  Pipeline.mapEffect("enrich", enrich, { concurrency: 8 }),
  Pipeline.filter("long", ({ length }) => length > 10),
  Pipeline.map("bytes", ({ line }) => new TextEncoder().encode(line)),
  Pipeline.process("load", Command.make("clickhouse-client"))
)

type Failures =
  | FileError
  | StageFailed<"unzip", Pipeline.ProcessFailure>
  | StageFailed<"pick", Pipeline.ProcessFailure>
  | StageFailed<"enrich", Wrong>
  | StageFailed<"load", Pipeline.ProcessFailure>

describe("what is computed", () => {
  it("errors, requirements and report of all stages", () => {
    const run = Pipeline.run(pipeline)
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<Failures>()
    expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<Nursery.Nursery | Dep>()
    const program = Effect.map(run, ({ stages }) => {
      expectTypeOf(stages.unzip).toEqualTypeOf<ProcessStage>()
      expectTypeOf(stages.enrich).toEqualTypeOf<TypedStage>()
      expectTypeOf(stages.load.exit).toEqualTypeOf<ExitStatus.ProcessExit | undefined>()
      // @ts-expect-error there is no such stage
      return stages.unknown
    })
    expectTypeOf(program).not.toBeAny()
  })

  it("records, stage by stage", () => {
    const numbers = Pipeline.fromStream(Stream.make(1, 2)).pipe(
      Pipeline.map("text", String),
      Pipeline.batch("two", { size: 2 })
    )
    expectTypeOf(Pipeline.collect(numbers)).toEqualTypeOf<Effect.Effect<Array<ReadonlyArray<string>>>>()
    const some = Pipeline.fromStream(Stream.make<ReadonlyArray<string | number>>(1, "a")).pipe(
      Pipeline.filter("strings", (a) => typeof a === "string")
    )
    expectTypeOf(Pipeline.toStream(some)).toEqualTypeOf<Stream.Stream<string>>()
  })

  it("records, workers and codecs", () => {
    const Event = Schema.Struct({ page: Schema.String })
    const Scored = Schema.Struct({ page: Schema.String, score: Schema.Finite })
    const scored = Pipeline.from(Stdio.read("events.json.zst")).pipe(
      Pipeline.process("unzip", Command.make("zstd", ["-dc"])),
      Pipeline.decode("events", Codec.ndjson(Event)),
      Pipeline.pool("score", Command.make("python3", ["score.py"]), { request: Event, response: Scored, size: 4 }),
      Pipeline.encode("lines", Codec.ndjson(Scored)),
      Pipeline.process("load", Command.make("clickhouse-client", ["--query", "..."]))
    )
    const run = Pipeline.run(scored)
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<
      | FileError
      | StageFailed<"unzip", Pipeline.ProcessFailure>
      | StageFailed<"events", DecodeError>
      | StageFailed<"score", Pipeline.PoolFailure>
      | StageFailed<"lines", EncodeError>
      | StageFailed<"load", Pipeline.ProcessFailure>
    >()
    expectTypeOf<Effect.Services<typeof run>>().toEqualTypeOf<Nursery.Nursery>()
  })

  it("what a supervised child is made of", () => {
    const { ready, run } = Pipeline.supervised(pipeline)
    expectTypeOf<Effect.Error<typeof run>>().toEqualTypeOf<Failures>()
    expectTypeOf(run).toEqualTypeOf(Pipeline.run(pipeline))
    expectTypeOf(Child.effect("import", run, { ready })).not.toBeAny()
    expectTypeOf(pipeline.pipe(Pipeline.endOnFailure)).toEqualTypeOf<typeof pipeline>()
  })

  it("sources, sinks and limits", () => {
    const text = Pipeline.from("text")
    expectTypeOf(text).toEqualTypeOf<Pipeline.Pipeline<Uint8Array>>()
    expectTypeOf(Pipeline.from(readable)).toEqualTypeOf<Pipeline.Pipeline<Uint8Array, FdError | KeeperLost>>()
    expectTypeOf(text.pipe(Pipeline.timeLimit("1 second"))).toEqualTypeOf<Pipeline.Pipeline<Uint8Array, TimeLimit>>()
    const sink = text.pipe(Pipeline.toSink(Sink.count))
    expectTypeOf<Effect.Success<typeof sink>["value"]>().toEqualTypeOf<number>()
    const file = text.pipe(Pipeline.toSink(Stdio.truncate("out")))
    expectTypeOf(file).toEqualTypeOf<Effect.Effect<Report<{}>, FileError>>()
  })

  it("the failures that are left when one is handled", () => {
    const handled = Pipeline.run(pipeline).pipe(
      Pipeline.catchStage("enrich", ({ error }) => {
        expectTypeOf(error).toEqualTypeOf<Wrong>()
        return Effect.succeed(error.n)
      })
    )
    expectTypeOf<Effect.Error<typeof handled>>().toEqualTypeOf<Exclude<Failures, StageFailed<"enrich", Wrong>>>()
    // @ts-expect-error no stage of that name can fail
    Pipeline.run(pipeline).pipe(Pipeline.catchStage("nobody", () => Effect.void))
    // @ts-expect-error nor can that stage
    Pipeline.run(pipeline).pipe(Pipeline.catchStage("long", () => Effect.void))
  })

  it("the report that a policy gets", () => {
    const chosen = pipeline.pipe(
      Pipeline.policy(({ stages }) => (stages.load.outcome === "failed" ? "load" : undefined))
    )
    expectTypeOf(chosen).toEqualTypeOf<typeof pipeline>()
    // @ts-expect-error there is no such stage
    pipeline.pipe(Pipeline.policy(() => "nobody"))
  })

  it("a refusal only where names are known when the program runs", () => {
    const named = (name: string) => Pipeline.run(Pipeline.from("a").pipe(Pipeline.process(name, Command.make("cat"))))
    expectTypeOf<Effect.Error<ReturnType<typeof named>>>().toEqualTypeOf<
      StageFailed<string, Pipeline.ProcessFailure> | InvalidPipeline
    >()
    const unnamed = Pipeline.run(Pipeline.from("", Command.make("cat")))
    expectTypeOf<Effect.Error<typeof unnamed>>().toEqualTypeOf<
      StageFailed<"", Pipeline.ProcessFailure> | InvalidPipeline
    >()
    const fan = Pipeline.fromStream(Stream.range(1, 2)).pipe(Pipeline.fanOut("fan", { ways: 2 }, (part) => part))
    expectTypeOf(Pipeline.collect(fan)).toEqualTypeOf<Effect.Effect<Array<number>, StageFailed<"fan", BranchEnded>>>()
  })

  it("a refusal only of numbers that are not known to be whole and positive", () => {
    const records = Pipeline.fromStream(Stream.make(1, 2))
    const counted = (size: number) => Pipeline.collect(records.pipe(Pipeline.batch("some", { size })))
    expectTypeOf<Effect.Error<ReturnType<typeof counted>>>().toEqualTypeOf<InvalidPipeline>()
    const none = Pipeline.collect(records.pipe(Pipeline.batch("none", { size: 0 })))
    expectTypeOf<Effect.Error<typeof none>>().toEqualTypeOf<InvalidPipeline>()
    const half = Pipeline.collect(records.pipe(Pipeline.batch("half", { size: 0.5 })))
    expectTypeOf<Effect.Error<typeof half>>().toEqualTypeOf<InvalidPipeline>()
    const ways = (ways: number) => Pipeline.collect(records.pipe(Pipeline.fanOut("fan", { ways }, (part) => part)))
    expectTypeOf<Effect.Error<ReturnType<typeof ways>>>().toEqualTypeOf<
      StageFailed<"fan", BranchEnded> | InvalidPipeline
    >()
  })
})

describe("what is refused", () => {
  const text = Pipeline.from("text")
  const cat = Command.make("cat")

  it("two stages of one name", () => {
    // @ts-expect-error two stages are named "a"
    text.pipe(Pipeline.process("a", cat), Pipeline.process("a", cat))
    const process = Pipeline.from("a", cat)
    // @ts-expect-error two stages are named "a"
    process.pipe(Pipeline.map("a", (chunk: Uint8Array) => chunk))
  })

  it("records in the place of bytes", () => {
    // @ts-expect-error numbers are no bytes
    Pipeline.fromStream(Stream.make(1)).pipe(Pipeline.process("a", cat))
    // @ts-expect-error nor do they make a text
    Pipeline.string(Pipeline.fromStream(Stream.make(1)))
  })

  it("a stage after a process that writes elsewhere", () => {
    const gone = text.pipe(Pipeline.process("a", Command.stdout(cat, Stdio.truncate("out"))))
    // @ts-expect-error its stdout is a file
    gone.pipe(Pipeline.process("b", cat))
    // @ts-expect-error its stdout is a file
    Pipeline.string(gone)
    expectTypeOf(Pipeline.run(gone)).not.toBeAny()
  })

  it("a process with an input of its own in the middle", () => {
    // @ts-expect-error it reads the stage before it
    text.pipe(Pipeline.process("a", Command.stdin(cat, Stdio.read("in"))))
    // @ts-expect-error nobody would write to it
    Pipeline.from("a", Command.stdin(cat, "pipe"))
    // @ts-expect-error nobody has the other end
    text.pipe(Pipeline.process("a", Command.fds(cat, { 3: "pipe" })))
    // @ts-expect-error a Sink is given to Pipeline.toSink
    text.pipe(Pipeline.process("a", Command.stdout(cat, Sink.drain)))
  })
})
