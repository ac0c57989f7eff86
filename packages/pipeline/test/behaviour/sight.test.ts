/** What is to be seen of a pipeline while it runs, and afterwards. */
import { spawnSync } from "node:child_process"
import { expect } from "@effect/vitest"
import { Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Child, Ready, Restart, Supervisor } from "@nursery/supervisor"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { onEveryWay, onKeeper, sh } from "../support/setup.ts"

const quiet = Command.stderr("null")

const pidsOf = (all: ReadonlyArray<{ readonly pid: number }>): ReadonlyArray<number> => all.map(({ pid }) => pid)

onKeeper("progress", (it) => {
  it.effect("tells at the end what has passed", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("numbers", Command.make("seq", ["1000"])).pipe(
        Pipeline.transform("lines", (bytes) => Stream.splitLines(Stream.decodeText(bytes))),
        Pipeline.map("double", (line) => Number(line) * 2)
      )
      const running = yield* Pipeline.start(pipeline, { every: "1 hour" })
      const looks = yield* Stream.runCollect(running.progress)
      const [last] = looks
      expect(looks.length).toBe(1)
      expect(last).toMatchObject({ isOver: true, bottleneck: undefined })
      expect(last?.stages.numbers).toMatchObject({ state: "ended", bytesOut: 3893 })
      expect(last?.stages.double).toMatchObject({ state: "ended", recordsIn: 1000, recordsOut: 1000 })
      expect((yield* running.await).stages.lines.outcome).toBe("succeeded")
    })
  )

  it.effect("finds the stage that the others wait for", () =>
    Effect.gen(function* () {
      const slow = Pipeline.from("yes", quiet(Command.make("yes"))).pipe(
        Pipeline.transform("lines", (bytes) => Stream.splitLines(Stream.decodeText(bytes))),
        Pipeline.mapEffect("slow", (line) => Effect.as(Effect.sleep("1 millis"), line)),
        Pipeline.map("after", (line) => line.length)
      )
      const { progress } = yield* Pipeline.start(slow, { every: "50 millis" })
      yield* Stream.runDrain(Stream.takeUntil(progress, ({ bottleneck }) => bottleneck === "slow"))
    })
  )

  it.effect("names no stage where all of them wait for the source", () =>
    Effect.gen(function* () {
      const slow = Pipeline.fromStream(Stream.fromEffectRepeat(Effect.sleep("10 millis"))).pipe(
        Pipeline.map("first", () => new Uint8Array(1)),
        Pipeline.process("second", Command.make("cat", [], { stdout: "null" }))
      )
      const { progress } = yield* Pipeline.start(slow, { every: "100 millis" })
      yield* Stream.runDrain(Stream.takeUntil(progress, ({ bottleneck }) => bottleneck === undefined))
    })
  )

  it.effect("tells about how much has gone from process to process, as long as they run", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("zeros", quiet(Command.make("cat", ["/dev/zero"]))).pipe(
        Pipeline.process("some", Command.make("head", ["-c", "10000000"])),
        Pipeline.process("rest", sh("cat >/dev/null; exec sleep 600"))
      )
      const { progress } = yield* Pipeline.start(pipeline, { every: "20 millis" })
      const until = Stream.takeUntil(
        progress,
        ({ stages }) =>
          (stages.rest.transferred?.read ?? 0) >= 10_000_000 &&
          stages.some.state === "ended" &&
          stages.zeros.state === "ended"
      )
      const { some, zeros } = (yield* Stream.runCollect(until)).at(-1)?.stages ?? {}
      expect([some?.bytesOut, some?.transferred, zeros?.transferred]).toEqual([undefined, undefined, undefined])
      expect(some?.processorTime).toBeDefined()
    })
  )

  it.effect("fails by its `await`, and by nothing else", () =>
    Effect.gen(function* () {
      const running = yield* Pipeline.start(Pipeline.from("fails", sh("exit 3")))
      const last = yield* Stream.runCollect(running.progress)
      expect(last.at(-1)?.isOver).toBe(true)
      expect(yield* Effect.flip(running.await)).toMatchObject({ stage: "fails" })
    })
  )

  it.effect("ends with its scope", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(Pipeline.start(Pipeline.from("stays", Command.make("sleep", ["600"]))))
      expect(yield* Nursery.processes).toEqual([])
    })
  )

  it.effect("is shown on a terminal, each look in the place of the last one", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const write = (text: string) => written.push(text)
      const pipeline = Pipeline.from("abc").pipe(
        Pipeline.process("count", Command.make("wc", ["-c"], { stdout: "null" }))
      )
      yield* Pipeline.showProgress(yield* Pipeline.start(pipeline, { every: "1 hour" }), { isTTY: true, write })
      expect(written.join("")).toMatch(/^count {2}succeeded +\d+\.\d s\n.*\n$/)
      const two = { await: Effect.never, progress: Stream.make(look(false), look(true)) }
      written.length = 0
      yield* Pipeline.showProgress(two, { isTTY: true, write })
      expect(written[1]).toMatch(/^\u001b\[3A\u001b\[J/)
      written.length = 0
      yield* Pipeline.showProgress(two, { write })
      expect(written).toEqual([`${Pipeline.formatProgress(look(true))}\n`])

      // What does not fit could not be written over.
      written.length = 0
      yield* Pipeline.showProgress(two, { isTTY: true, columns: 12, rows: 3, write })
      expect(written).toEqual(["...\n10.0 s\n", "\u001b[2A\u001b[J...\n10.0 s\n"])
      written.length = 0
      yield* Pipeline.showProgress(two, { isTTY: true, columns: 12, rows: 0, write })
      expect(written[0]).toBe("unzip   run\ndecode  run\n10.0 s\n")
    })
  )
})

// By a child, for a process that asks waits for nothing.
const asking =
  'for i in 1 2 3 4 5 6 7 8 9; do read w </proc/$PPID/wchan; [ "$w" != 0 ] && exit; sleep 0.1; done; exit 1'
const isTold = spawnSync("sh", ["-c", asking]).status === 0

onEveryWay("the process that the others wait for", (it, { name }) => {
  const isKnown = isTold || name === "portable"
  it.effect("is the one that works most", () =>
    Effect.gen(function* () {
      const busy = Pipeline.from("zeros", quiet(Command.make("cat", ["/dev/zero"]))).pipe(
        Pipeline.process("gzip", quiet(Command.make("gzip", ["-9"]))),
        Pipeline.process("sink", Command.make("cat", [], { stdout: "null" }))
      )
      const { progress } = yield* Pipeline.start(busy, { every: "100 millis" })
      const looks = Stream.takeUntil(progress, ({ bottleneck }) => bottleneck === "gzip")
      const last = (yield* Stream.runCollect(looks)).at(-1)
      expect(last?.stages.gzip.processor).toBeGreaterThan(0)
    })
  )

  const named = isKnown ? it.effect : it.effect.skip
  const suffix = isKnown ? "" : " (needs a kernel that tells what a process waits for)"
  named(`is the last one, which does not read and uses no processor${suffix}`, () =>
    Effect.gen(function* () {
      const slow = Pipeline.from("yes", quiet(Command.make("yes"))).pipe(
        Pipeline.process("cat", quiet(Command.make("cat"))),
        Pipeline.process("last", Command.make("sleep", ["600"]))
      )
      const { progress } = yield* Pipeline.start(slow, { every: "100 millis" })
      yield* Stream.runDrain(Stream.takeUntil(progress, ({ bottleneck }) => bottleneck === "last"))
    })
  )

  it.effect("is the first one, which has little to write", () =>
    Effect.gen(function* () {
      const slow = Pipeline.from("source", sh("while :; do echo line; sleep 0.1; done")).pipe(
        Pipeline.process("cat", Command.make("cat")),
        Pipeline.process("sink", Command.make("cat", [], { stdout: "null" }))
      )
      const { progress } = yield* Pipeline.start(slow, { every: "100 millis" })
      yield* Stream.runDrain(Stream.takeUntil(progress, ({ bottleneck }) => bottleneck === "source"))
    })
  )
})

const stage = (name: string, fields: Partial<Pipeline.StageProgress>): Pipeline.StageProgress => ({
  name,
  state: "running",
  bytesIn: undefined,
  bytesOut: undefined,
  recordsIn: undefined,
  recordsOut: undefined,
  bytesPerSecond: undefined,
  recordsPerSecond: undefined,
  processor: undefined,
  outcome: undefined,
  processorTime: undefined,
  transferred: undefined,
  ...fields
})

const look = (isOver: boolean): Pipeline.Progress => ({
  stages: {
    unzip: stage("unzip", { bytesOut: 1500, bytesPerSecond: 150, processor: 0.5 }),
    decode: stage("decode", { recordsOut: 20, recordsPerSecond: 2 })
  },
  bottleneck: "decode",
  elapsed: Duration.seconds(10),
  isOver
})

onKeeper("a pipeline as a child of a supervisor", (it) => {
  it.effect("is restarted as a whole", () =>
    Effect.gen(function* () {
      let lives = 0
      const pipeline = Pipeline.fromStream(Stream.suspend(() => Stream.make(++lives))).pipe(
        Pipeline.map("bytes", (n) => new TextEncoder().encode(`${n}`)),
        Pipeline.process("third", sh('test "$(cat)" = 3'))
      )
      const child = Child.effect("import", Pipeline.run(pipeline), { restart: Restart.onFailure(), significant: true })
      const outcome = yield* Supervisor.run(Supervisor.make("app", [child]))
      expect(outcome).toMatchObject({ child: "import", value: { stages: { third: { outcome: "succeeded" } } } })
      expect(lives).toBe(3)
    })
  )

  it.effect("is ready when all of it has been started, in each of its lives", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("source", Command.make("sleep", ["600"])).pipe(
        Pipeline.process("middle", Command.make("cat")),
        Pipeline.process("load", Command.make("cat"))
      )
      const { ready, run } = Pipeline.supervised(pipeline)
      const child = Child.effect("import", run, { ready })
      // Runs while the pipeline is ready, and looks what runs when it begins.
      const looks = yield* Queue.unbounded<ReadonlyArray<number>>()
      const look = Effect.flatMap(Nursery.processes, (all) => Queue.offer(looks, pidsOf(all)))
      const after = Child.effect("after", Effect.andThen(look, Effect.never), {
        requires: [child],
        ready: Ready.immediate
      })
      yield* Supervisor.start(Supervisor.make("app", [child, after]))
      const before = yield* Queue.take(looks)
      process.kill(before[1] ?? 0, "SIGKILL")
      const again = yield* Queue.take(looks)
      expect([before.length, again.length]).toEqual([3, 3])
      expect(again.filter((pid) => before.includes(pid))).toEqual([])
    })
  )

  it.effect("is not ready, and not tried again, where a program does not exist", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("source", Command.make("sleep", ["600"])).pipe(
        Pipeline.process("load", Command.make("no-such-program"))
      )
      const { ready, run } = Pipeline.supervised(pipeline)
      const app = Supervisor.make("app", [Child.effect("import", run, { ready, restart: Restart.always() })])
      expect(yield* Effect.flip(Effect.scoped(Supervisor.start(app)))).toMatchObject({
        name: "import",
        attempts: 1,
        exit: { error: { stage: "load", error: { _tag: "SpawnError" } } }
      })
      expect(yield* Nursery.processes).toEqual([])
    })
  )
})

onKeeper("a pipeline that is watched", (it) => {
  it.effect("is a text with a line for each stage", () =>
    Effect.sync(() => {
      const [unzip, decode, elapsed] = Pipeline.formatProgress(look(false)).split("\n")
      expect(unzip).toMatch(/^unzip {3}running +1\.46 KiB +150 B\/s +50 %$/)
      expect(decode).toMatch(/^decode {2}running +20 records +2 records\/s +<- slowest$/)
      expect(elapsed).toBe("10.0 s")
    })
  )

  it.effect("has a span for each stage, and that of its process in it", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const pipeline = Pipeline.from("numbers", Command.make("seq", ["10"])).pipe(
        Pipeline.map("same", (chunk: Uint8Array) => chunk),
        Pipeline.process("fail", sh("cat >/dev/null; exit 3"))
      )
      const exit = yield* Effect.exit(Effect.withTracer(Effect.withSpan(Pipeline.run(pipeline), "import"), tracer))
      expect(Exit.isFailure(exit)).toBe(true)
      const named = (name: string) => spans.find((span) => span.name === name)
      expect(spans.map(({ name }) => name)).toEqual([
        "import",
        "stage numbers",
        "seq",
        "stage same",
        "stage fail",
        "sh"
      ])
      for (const span of spans) expect(span.status._tag).toBe("Ended")
      expect(named("stage numbers")?.attributes.get("pipeline.stage.bytesOut")).toBe(21)
      expect(named("stage fail")?.attributes.get("pipeline.stage.outcome")).toBe("failed")
      const parent = named("seq")?.parent
      expect(parent?._tag === "Some" && parent.value.spanId).toBe(named("stage numbers")?.spanId)
    })
  )

  it.effect("counts its stages, their bytes and records", () =>
    Effect.gen(function* () {
      yield* Pipeline.run(Pipeline.fromStream(Stream.make(1, 2, 3)).pipe(Pipeline.map("counted here", (n) => n)))
      const all = yield* Metric.snapshot
      const found = all.filter(({ attributes }) => attributes?.["stage"] === "counted here")
      expect(found.map(({ id }) => id).toSorted()).toEqual(["nursery_pipeline_records", "nursery_pipeline_stages"])
      expect(found.find(({ id }) => id === "nursery_pipeline_records")?.state).toMatchObject({ count: 3 })
    })
  )
})
