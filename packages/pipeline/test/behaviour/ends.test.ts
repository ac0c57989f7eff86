/** What goes in at one end of a pipeline, through its stages, and comes out at the other. */

import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { FileError, Pipeline } from "@nursery/pipeline"
import { Command, Fd, Stdio } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { folder, onEveryWay, onKeeper, sh } from "../support/setup.ts"

const text = (bytes: Stream.Stream<Uint8Array>) => Stream.splitLines(Stream.decodeText(bytes))

onEveryWay("the ends of a pipeline", (it) => {
  it.effect("takes a text through processes", () =>
    Effect.gen(function* () {
      const sorted = yield* Pipeline.from("pear\napple\npear\n").pipe(
        Pipeline.process("sort", Command.make("sort")),
        Pipeline.process("once", Command.make("uniq")),
        Pipeline.process("upper", Command.make`tr a-z A-Z`),
        Pipeline.string
      )
      expect(sorted).toBe("APPLE\nPEAR\n")
    })
  )

  it.effect("takes bytes and Streams, from as many chunks as there are", () =>
    Effect.gen(function* () {
      const bytes = Stream.range(1, 1000).pipe(Stream.map((n) => new TextEncoder().encode(`${n}\n`)))
      const count = Pipeline.process("count", Command.make`wc -l`)
      expect((yield* Pipeline.from(bytes).pipe(count, Pipeline.string)).trim()).toBe("1000")
      expect((yield* Pipeline.from(new Uint8Array([10, 10])).pipe(count, Pipeline.string)).trim()).toBe("2")
      expect((yield* Pipeline.from("").pipe(count, Pipeline.string)).trim()).toBe("0")
    })
  )

  it.effect("takes what a command writes, and what that reads is what it says", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "in")
      writeFileSync(path, "from a file\n")
      const first = Command.make("cat", [], { stdin: Stdio.read(path) })
      expect(yield* Pipeline.from("first", first).pipe(Pipeline.string)).toBe("from a file\n")
      expect(yield* Pipeline.from("first", Command.make("cat")).pipe(Pipeline.string)).toBe("")
    })
  )

  it.effect("reads and writes files on behalf of stages of this program", () =>
    Effect.gen(function* () {
      const at = yield* folder
      writeFileSync(join(at, "in"), "x".repeat(600_000))
      const halves = Pipeline.from(Stdio.read(join(at, "in"))).pipe(
        Pipeline.map("half", (chunk: Uint8Array) => chunk.subarray(0, chunk.length / 2))
      )
      const report = yield* Pipeline.toSink(Stdio.truncate(join(at, "out")))(halves)
      expect(report.stages.half).toMatchObject({ outcome: "succeeded", bytesIn: 600_000, bytesOut: 300_000 })
      yield* Pipeline.toSink(Stdio.append(join(at, "out")))(Pipeline.from("end"))
      expect(readFileSync(join(at, "out"), "latin1")).toBe(`${"x".repeat(300_000)}end`)
    })
  )

  it.effect("says which file it was that could not be read or written", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const read = Pipeline.from(Stdio.read(join(at, "none"))).pipe(Pipeline.map("same", (chunk) => chunk))
      expect(yield* Effect.flip(Pipeline.run(read))).toEqual(
        new FileError({ path: join(at, "none"), operation: "open", errno: "ENOENT" })
      )
      const write = Pipeline.from("x").pipe(Pipeline.toSink(Stdio.truncate(at)))
      expect(yield* Effect.flip(write)).toEqual(new FileError({ path: at, operation: "open", errno: "EISDIR" }))
    })
  )

  it.effect("leaves the last process its own stdout", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "out")
      const written = Command.make("cat", [], { stdout: Stdio.truncate(path) })
      yield* Pipeline.run(Pipeline.from("kept").pipe(Pipeline.process("write", written)))
      expect(readFileSync(path, "utf8")).toBe("kept")
    })
  )

  it.effect("drops what comes out at the end of a run", () =>
    Effect.gen(function* () {
      const { stages } = yield* Pipeline.run(
        Pipeline.from("zeros", Command.make("head", ["-c", "1000000", "/dev/zero"], { stdout: "pipe" }))
      )
      expect(stages.zeros).toMatchObject({ outcome: "succeeded", bytesOut: 1_000_000 })
    })
  )

  it.effect("computes records between processes", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("numbers", Command.make("seq", ["100"])).pipe(
        Pipeline.transform("lines", text),
        Pipeline.map("number", Number),
        Pipeline.filter("even", (n) => n % 2 === 0),
        Pipeline.mapEffect("square", (n) => Effect.succeed(n * n), { concurrency: 4 }),
        Pipeline.batch("tens", { size: 10 }),
        Pipeline.map("bytes", (numbers) => new TextEncoder().encode(`${numbers.join(" ")}\n`)),
        Pipeline.process("last", Command.make`tail -1`)
      )
      const { report, value } = yield* Pipeline.toSink(Sink.collect<Uint8Array>())(pipeline)
      expect(Buffer.concat(value).toString()).toBe("6724 7056 7396 7744 8100 8464 8836 9216 9604 10000\n")
      expect(report.stages.even).toMatchObject({ kind: "typed", recordsIn: 100, recordsOut: 50, bytesIn: undefined })
      expect(report.stages.lines).toMatchObject({ bytesIn: 292, recordsOut: 100 })
      expect(report.stages.tens).toMatchObject({ recordsIn: 50, recordsOut: 5 })
      expect(report.stages.numbers).toMatchObject({ kind: "process", bytesOut: 292, outcome: "succeeded" })
      expect(report.stages.numbers.exit?.status).toEqual({ _tag: "Exited", code: 0 })
      expect(Object.values(report.stages).map(({ name }) => name)).toEqual([
        "numbers",
        "lines",
        "number",
        "even",
        "square",
        "tens",
        "bytes",
        "last"
      ])
    })
  )

  it.effect("keeps the order of records or not, as asked", () =>
    Effect.gen(function* () {
      const late = (n: number) => Effect.as(n === 1 ? Effect.sleep("20 millis") : Effect.void, n)
      const all = Pipeline.fromStream(Stream.make(1, 2, 3))
      const ordered = all.pipe(Pipeline.mapEffect("late", late, { concurrency: 3 }), Pipeline.collect)
      expect(yield* ordered).toEqual([1, 2, 3])
      const unordered = all.pipe(
        Pipeline.mapEffect("late", late, { concurrency: 3, unordered: true }),
        Pipeline.collect
      )
      expect((yield* unordered).toSorted()).toEqual([1, 2, 3])
    })
  )

  it.effect("ends what is not read any further", () =>
    Effect.gen(function* () {
      const endless = Pipeline.from("yes", Command.make`yes`).pipe(Pipeline.process("cat", Command.make`cat`))
      const lines = Pipeline.toStream(endless).pipe(
        Stream.decodeText,
        Stream.splitLines,
        Stream.take(3),
        Stream.runCollect
      )
      expect(yield* lines).toEqual(["y", "y", "y"])
    })
  )

  it.effect("is a value that can be run again, and twice at a time", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a\nb\n").pipe(Pipeline.process("count", Command.make`wc -l`))
      const counts = yield* Effect.all([Pipeline.string(pipeline), Pipeline.string(pipeline)], { concurrency: 2 })
      expect(counts.map((count) => count.trim())).toEqual(["2", "2"])
      expect((yield* Pipeline.string(pipeline)).trim()).toBe("2")
    })
  )

  it.effect("bounds a text", () =>
    Effect.gen(function* () {
      const zeros = Pipeline.from("yes", Command.make`yes`).pipe(Pipeline.process("cat", Command.make("cat")))
      const error = yield* Effect.flip(Pipeline.string(zeros, { maxSize: "1 MiB" }))
      expect(error.message).toContain('"cat" wrote more than 1 MiB')
    })
  )

  it.effect("carries bytes as they are, however large and slow the reader", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7919) % 251)
      const slow = Command.make("sh", ["-c", "dd bs=4096 2>/dev/null"])
      const chunks = yield* Pipeline.from(bytes).pipe(
        Pipeline.process("slow", slow),
        Pipeline.process("cat", Command.make("cat")),
        Pipeline.transform("same", (stream) => stream),
        Pipeline.process("again", Command.make("cat")),
        Pipeline.collect
      )
      expect(Buffer.compare(Buffer.concat(chunks), Buffer.from(bytes))).toBe(0)
    })
  )
})

onKeeper("what the kernel joins", (it) => {
  it.effect("gives neighbours the two ends of one pipe, and files to those beside them", () =>
    Effect.gen(function* () {
      const at = yield* folder
      writeFileSync(join(at, "in"), "")
      const tell = (descriptor: number, name: string) =>
        sh(`cat >/dev/null; is=$(readlink /proc/$$/fd/${descriptor}); echo $is >${join(at, name)}`)
      yield* Pipeline.from(Stdio.read(join(at, "in"))).pipe(
        Pipeline.process("zeroth", tell(0, "a")),
        Pipeline.process("first", tell(1, "b")),
        Pipeline.process("second", tell(0, "c")),
        Pipeline.process("third", tell(1, "d")),
        Pipeline.toSink(Stdio.truncate(join(at, "out")))
      )
      const told = (name: string) => readFileSync(join(at, name), "utf8").trim()
      expect(told("a")).toBe(join(at, "in"))
      expect(told("b")).toMatch(/^pipe:\[\d+\]$/)
      expect(told("c")).toBe(told("b"))
      expect(told("d")).toBe(join(at, "out"))
    })
  )

  it.effect("tells who ended because nobody read any further", () =>
    Effect.gen(function* () {
      const endless = Pipeline.from("yes", Command.make`yes`).pipe(Pipeline.process("cat", Command.make`cat`))
      const { report, value } = yield* endless.pipe(
        Pipeline.transform("lines", text),
        Pipeline.toSink(Sink.take<string>(2))
      )
      expect(value).toEqual(["y", "y"])
      expect(report.stages.cat).toMatchObject({ outcome: "followed", cause: "lines" })
      expect(report.stages.yes).toMatchObject({ outcome: "followed", cause: "cat" })
    })
  )

  it.effect("reads and writes descriptors", () =>
    Effect.gen(function* () {
      const memory = yield* Fd.memory("in memory\n", { sealed: true })
      expect(yield* Pipeline.from(memory).pipe(Pipeline.process("cat", Command.make("cat")), Pipeline.string)).toBe(
        "in memory\n"
      )
      expect(
        yield* Pipeline.from(memory).pipe(
          Pipeline.map("same", (chunk) => chunk),
          Pipeline.string
        )
      ).toBe("in memory\n")
      const path = join(yield* folder, "out")
      const file = yield* Fd.file(path, { access: "write", create: "always" })
      yield* Pipeline.from("a").pipe(Pipeline.process("cat", Command.make("cat")), Pipeline.toSink(file))
      yield* Pipeline.from("b").pipe(
        Pipeline.map("same", (chunk) => chunk),
        Pipeline.toSink(file)
      )
      expect(readFileSync(path, "utf8")).toBe("ab")
    })
  )
})
