/** Stages that do not do as they should: none of them holds the others up for longer than is asked, and memory stays as it was. */
import { expect } from "@effect/vitest"
import { type BadRecord, Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Faults } from "@nursery/testing"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { isCampaign } from "../../../process/test/support/random.ts"
import { onEveryWay, onKeeper, sh } from "../support/setup.ts"

const MB = 1_000_000
const quiet = Command.stderr("null")
const yes = quiet(Command.make("yes"))
const nothingLeft = Effect.map(Nursery.processes, (processes) => expect(processes).toEqual([]))

/** Without an end. */
const endless = Stream.forever(Stream.succeed(new Uint8Array(65_536).fill(10)))

/** How much memory this program has more at the most, while something runs, in bytes. */
const growth = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E, R> =>
  Effect.suspend(() => {
    const before = process.memoryUsage().rss
    let most = before
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss)
    }, 20)
    return effect.pipe(
      Effect.map((value) => [value, Math.max(most, process.memoryUsage().rss) - before] as const),
      Effect.ensuring(Effect.sync(() => clearInterval(timer)))
    )
  })

onEveryWay("hard cases", (it) => {
  it.effect("a reader that stalls: what is before it waits, and the limit names who ran", () =>
    Effect.gen(function* () {
      const stalled = Pipeline.from("yes", yes).pipe(
        Pipeline.process("cat", quiet(Command.make("cat"))),
        Pipeline.mapEffect("stall", () => Effect.never),
        Pipeline.timeLimit("1 second"),
        Pipeline.run
      )
      const error = yield* Effect.flip(stalled)
      // Where starting them took all of the time, it was not even started.
      expect(error._tag).toBe("TimeLimit")
      expect(error.report.stages["stall"]?.outcome).toMatch(/^(stopped|unstarted)$/)
      expect(error.report.stages["cat"]?.bytesOut ?? 0).toBeLessThan(2 * MB)
      yield* nothingLeft
    })
  )

  it.effect("a stage that never reads: what feeds it waits, and is not asked for more", () =>
    Effect.gen(function* () {
      const deaf = Pipeline.from(endless).pipe(
        Pipeline.process("deaf", Command.make("sleep", ["600"])),
        Pipeline.timeLimit("1 second"),
        Pipeline.run
      )
      const error = yield* Effect.flip(deaf)
      expect(error._tag).toBe("TimeLimit")
      expect(error.report.stages["deaf"]?.outcome).toMatch(/^(stopped|unstarted)$/)
      expect(error.report.stages["deaf"]?.bytesIn ?? 0).toBeLessThan(2 * MB)
      yield* nothingLeft
    })
  )

  it.effect("stages that end without having read, or close their input first", () =>
    Effect.gen(function* () {
      for (const script of ["exit 0", "exec <&-; echo done", "read line; exec <&-; echo done"]) {
        const early = Pipeline.from(endless).pipe(Pipeline.process("early", sh(script)), Pipeline.string)
        expect(yield* early).toBe(script === "exit 0" ? "" : "done\n")
      }
      const failing = Pipeline.from(endless).pipe(Pipeline.process("early", sh("exit 3")), Pipeline.run)
      expect(yield* Effect.flip(failing)).toMatchObject({ stage: "early", error: { status: { code: 3 } } })
      yield* nothingLeft
    })
  )

  it.effect("a stage that ends while what feeds it has nothing to say", () =>
    Effect.gen(function* () {
      const silent = Pipeline.from(Stream.never).pipe(Pipeline.process("early", sh("echo done")), Pipeline.string)
      expect(yield* silent).toBe("done\n")
    })
  )

  it.effect("a line without an end: it is too large, and the error says whose", () =>
    Effect.gen(function* () {
      const zeros = quiet(Command.make("cat", ["/dev/zero"]))
      const pipeline = Pipeline.from("zeros", zeros).pipe(Pipeline.decode("lines", Codec.lines()), Pipeline.run)
      const [error, grown] = yield* growth(Effect.flip(pipeline))
      expect(error).toMatchObject({ stage: "lines", error: { record: 1, reason: { _tag: "RecordTooLarge" } } })
      expect(grown).toBeLessThan(200 * MB)
    })
  )
})

onKeeper("hard cases", (it) => {
  const size = isCampaign ? 10_000 * MB : 1000 * MB
  it.effect(`a line of ${size / MB} MB among others, in memory that is bounded`, () =>
    Effect.gen(function* () {
      const bad: Array<BadRecord> = []
      const keep = (record: BadRecord) => Effect.sync(() => bad.push(record))
      const long = sh(`echo first; head -c ${size} /dev/zero; echo; echo last`)
      const pipeline = Pipeline.from("long", long).pipe(
        Pipeline.decode("lines", Codec.lines(), { deadLetters: Sink.forEach(keep) }),
        Pipeline.toSink(Sink.collect<string>())
      )
      const [{ report, value }, grown] = yield* growth(pipeline)
      expect(value).toEqual(["first", "last"])
      expect(bad.map(({ error }) => error.reason._tag)).toEqual(["RecordTooLarge"])
      expect(report.stages.long.bytesOut).toBe(size + "first\n\nlast\n".length)
      expect(grown).toBeLessThan(200 * MB)
    })
  )

  it.effect("a keeper that is killed: the pipeline fails with it, and the next one runs", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("yes", yes).pipe(
        Pipeline.process("cat", quiet(Command.make("cat"))),
        Pipeline.transform("same", (bytes) => bytes),
        Pipeline.process("sink", Command.make("cat", [], { stdout: "null" }))
      )
      const running = yield* Pipeline.start(pipeline, { every: "20 millis" })
      const flows = Stream.takeUntil(running.progress, ({ stages }) => (stages.sink.bytesIn ?? 0) > 0)
      yield* Stream.runDrain(flows)
      const [one] = yield* Nursery.processes
      expect(yield* Faults.killKeeper(one?.pid ?? 0)).toBe(true)
      expect(yield* Effect.flip(running.await)).toMatchObject({ _tag: "StageFailed", error: { _tag: "KeeperLost" } })
      const cat = Pipeline.process("cat", Command.make("cat"))
      expect(yield* Pipeline.from("again").pipe(cat, Pipeline.string)).toBe("again")
    })
  )
})
