/** Pipelines that are no straight line. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Pipeline } from "@nursery/pipeline"
import { Command, Nursery, Stdio } from "@nursery/process"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Order from "effect/Order"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { folder, onEveryWay, sh } from "../support/setup.ts"

class Wrong extends Data.TaggedError("Wrong")<{ readonly what: string }> {}

const lines = (bytes: Stream.Stream<Uint8Array>) => Stream.splitLines(Stream.decodeText(bytes))
const cat = Command.make("cat")
const quiet = Command.stderr("null")
const nothingLeft = Effect.map(Nursery.processes, (processes) => expect(processes).toEqual([]))
const numbers = (count: number) => Pipeline.from("numbers", quiet(Command.make("seq", [`${count}`])))

onEveryWay("tee", (it) => {
  it.effect("gives all that passes to a file, a Sink and a process, and goes on", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const seen: Array<number> = []
      const see = (chunk: Uint8Array) => Effect.sync(() => seen.push(chunk.length))
      const all = numbers(20_000).pipe(
        Pipeline.tee("file", Stdio.truncate(join(at, "file"))),
        Pipeline.tee("sink", Sink.forEach(see)),
        Pipeline.tee("branch", (copy) =>
          copy.pipe(Pipeline.process("wc", Command.make("wc", ["-l"], { stdout: Stdio.truncate(join(at, "wc")) })))
        ),
        Pipeline.process("md5", Command.make("md5sum"))
      )
      const { report, value } = yield* all.pipe(Pipeline.toSink(Sink.collect<Uint8Array>()))
      const text = readFileSync(join(at, "file"), "latin1")
      expect(Buffer.concat(value).toString()).toBe(`${createHash("md5").update(text).digest("hex")}  -\n`)
      expect(text.split("\n").length).toBe(20_001)
      expect(seen.reduce((sum, size) => sum + size, 0)).toBe(text.length)
      expect(readFileSync(join(at, "wc"), "latin1").trim()).toBe("20000")
      expect(Object.keys(report.stages)).toEqual(["numbers", "file", "sink", "wc", "branch", "md5"])
      expect(report.stages.wc).toMatchObject({ kind: "process", outcome: "succeeded" })
      expect(report.stages.branch).toMatchObject({ bytesIn: text.length, bytesOut: text.length })
    })
  )

  it.effect("goes on when the copy is read no further, and ends the copy when it is itself", () =>
    Effect.gen(function* () {
      const first = numbers(20_000).pipe(
        Pipeline.transform("lines", lines),
        Pipeline.tee("copy", Sink.take<string>(3)),
        Pipeline.toSink(Sink.count)
      )
      expect((yield* first).value).toBe(20_000)
      let copied = 0
      const count = () => Effect.sync(() => copied++)
      const second = Pipeline.from("yes", quiet(Command.make("yes"))).pipe(
        Pipeline.policy("last"),
        Pipeline.transform("lines", lines),
        Pipeline.tee("copy", Sink.forEach(count)),
        Pipeline.toSink(Sink.take(5))
      )
      expect((yield* second).value).toEqual(["y", "y", "y", "y", "y"])
      expect(copied).toBeGreaterThanOrEqual(5)
      yield* nothingLeft
    })
  )

  it.effect("fails where the copy fails", () =>
    Effect.gen(function* () {
      const sink = numbers(10).pipe(Pipeline.tee("copy", Sink.fail(new Wrong({ what: "sink" }))), Pipeline.run)
      expect(yield* Effect.flip(sink)).toMatchObject({ stage: "copy", error: { what: "sink" } })
      const branch = numbers(10).pipe(
        Pipeline.tee("copy", (copy) => copy.pipe(Pipeline.process("fail", sh("cat >/dev/null; exit 3")))),
        Pipeline.process("cat", Command.make("cat", [], { stdout: "null" })),
        Pipeline.run
      )
      expect(yield* Effect.flip(branch)).toMatchObject({ stage: "fail", error: { status: { code: 3 } } })
      const file = numbers(10).pipe(Pipeline.tee("copy", Stdio.truncate("/")), Pipeline.run)
      expect(yield* Effect.flip(file)).toMatchObject({ stage: "copy", error: { _tag: "FileError", errno: "EISDIR" } })
      yield* nothingLeft
    })
  )
})

onEveryWay("several sources", (it, way) => {
  const letters = (name: string, count: number) =>
    Pipeline.from(name, sh(`seq ${count} | sed s/^/${name}/`)).pipe(Pipeline.transform(`${name} lines`, lines))

  it.effect("come together as they come", () =>
    Effect.gen(function* () {
      const all = yield* Pipeline.collect(Pipeline.merge([letters("a", 1000), letters("b", 2000)]))
      expect(all.length).toBe(3000)
      // Each in its order.
      expect(all.filter((line) => line.startsWith("a"))).toEqual(Array.from({ length: 1000 }, (_, i) => `a${i + 1}`))
      expect(all.filter((line) => line.startsWith("b"))).toEqual(Array.from({ length: 2000 }, (_, i) => `b${i + 1}`))
    })
  )

  it.effect("come one after the other, or by an order", () =>
    Effect.gen(function* () {
      const inTurn = yield* Pipeline.collect(Pipeline.fanIn([letters("b", 3), letters("a", 2)], "sequence"))
      expect(inTurn).toEqual(["b1", "b2", "b3", "a1", "a2"])
      const sorted = (name: string, step: number) =>
        Pipeline.from(name, Command.make("seq", ["0", `${step}`, "10000"])).pipe(
          Pipeline.transform(`${name} lines`, lines),
          Pipeline.map(`${name} numbers`, Number)
        )
      const all = yield* Pipeline.collect(
        Pipeline.fanIn([sorted("two", 2), sorted("three", 3), Pipeline.fromStream(Stream.empty)], Order.Number)
      )
      expect(all.length).toBe(5001 + 3334)
      expect(all).toEqual(all.toSorted((a, b) => a - b))
    })
  )

  it.effect("fail together", () =>
    Effect.gen(function* () {
      const failing = Pipeline.from("fails", sh("echo half; exit 4"))
      const endless = Pipeline.from("yes", quiet(Command.make("yes")))
      const error = yield* Effect.flip(Pipeline.run(Pipeline.merge([endless, failing])))
      expect(error).toMatchObject({ stage: "fails", report: { stages: { yes: { outcome: "stopped" } } } })
      yield* nothingLeft
    })
  )

  // Without a keeper they are sockets, which cannot be opened by /dev/fd.
  if (way.name === "keeper") {
    it.effect("are read by descriptors of one process", () =>
      Effect.gen(function* () {
        const processes = Pipeline.join("diff", Command.make("comm", ["-3", "/dev/fd/3", "/dev/fd/4"]), {
          3: Pipeline.from("one", Command.make("seq", ["10000", "30000"])),
          4: Pipeline.from("two", Command.make("seq", ["10000", "30001"])).pipe(Pipeline.process("cat", cat))
        })
        expect(yield* Pipeline.string(processes)).toBe("\t30001\n")
        const streams = Pipeline.join("paste", Command.make("paste", ["/dev/fd/5", "/dev/fd/3"]), {
          3: Pipeline.fromStream(Stream.make("1\n", "2\n").pipe(Stream.encodeText)),
          5: Pipeline.from("a\nb\n").pipe(Pipeline.map("same", (chunk) => chunk))
        }).pipe(Pipeline.process("upper", Command.make`tr a-z A-Z`))
        const { report, value } = yield* streams.pipe(Pipeline.toSink(Sink.collect<Uint8Array>()))
        expect(Buffer.concat(value).toString()).toBe("A\t1\nB\t2\n")
        expect(report.stages.same).toMatchObject({ outcome: "succeeded", bytesOut: 4 })
      })
    )
  }

  it.effect("do not look ended to the process that reads them when all is stopped", () =>
    Effect.gen(function* () {
      const at = yield* folder
      for (let round = 0; round < 10; round++) {
        const path = join(at, `${round}`)
        const joined = Pipeline.join("commit", sh(`cat <&3 >/dev/null; echo >${path}`), {
          3: Pipeline.from("yes", quiet(Command.make("yes"))).pipe(Pipeline.process("cat", cat))
        })
        const fiber = yield* Effect.forkChild(Pipeline.run(joined), { startImmediately: true })
        yield* Effect.sleep(round)
        yield* Fiber.interrupt(fiber)
        expect(existsSync(path)).toBe(false)
        yield* nothingLeft
      }
    })
  )
})

onEveryWay("fanOut", (it) => {
  const records = Stream.range(0, 9999)
  const bytes = (n: number) => new TextEncoder().encode(`${n}\n`)

  it.effect("shares records evenly among processes, and loses none", () =>
    Effect.gen(function* () {
      const shared = Pipeline.fromStream(records).pipe(
        Pipeline.fanOut("fan", { ways: 4 }, (part) =>
          part.pipe(Pipeline.map("bytes", bytes), Pipeline.process("cat", cat), Pipeline.transform("lines", lines))
        ),
        Pipeline.map("number", Number)
      )
      const { report, value } = yield* shared.pipe(Pipeline.toSink(Sink.collect<number>()))
      expect(value.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, n) => n))
      expect(report.stages["fan/3/lines"]).toMatchObject({ kind: "typed", recordsOut: 2500 })
      expect(report.stages["fan/0/cat"]).toMatchObject({ kind: "process", outcome: "succeeded" })
      expect(report.stages.fan).toMatchObject({ recordsIn: 10_000, recordsOut: 10_000 })
    })
  )

  it.effect("sends what has the same key the same way, in order", () =>
    Effect.gen(function* () {
      const byKey = Pipeline.fromStream(records).pipe(
        Pipeline.fanOut("fan", { ways: 3, by: (n) => n % 10 }, (part, way) =>
          part.pipe(Pipeline.map("way", (n) => ({ n, way })))
        )
      )
      const all = yield* Pipeline.collect(byKey)
      const ways = new Map<number, Set<number>>()
      const last = new Map<number, number>()
      for (const { n, way } of all) {
        ways.set(n % 10, (ways.get(n % 10) ?? new Set()).add(way))
        expect(n).toBeGreaterThan(last.get(n % 10) ?? -1)
        last.set(n % 10, n)
      }
      expect(all.length).toBe(10_000)
      expect(Array.from(ways.values(), (set) => set.size)).toEqual(Array.from({ length: 10 }, () => 1))
    })
  )

  it.effect("uses all branches, whatever the keys have in common", () =>
    Effect.gen(function* () {
      const shares = (ways: number, by: (n: number) => unknown) =>
        Pipeline.fromStream(records).pipe(
          Pipeline.fanOut("fan", { ways, by }, (part, way) => part.pipe(Pipeline.map("way", () => way))),
          Pipeline.collect,
          Effect.map((all) => Array.from({ length: ways }, (_, way) => all.filter((each) => each === way).length))
        )
      const even = [
        yield* shares(2, (n) => n * 2),
        yield* shares(4, (n) => n * 1000),
        yield* shares(3, (n) => `user ${n * 3}`),
        yield* shares(8, (n) => new Date(n * 86_400_000))
      ]
      for (const counts of even) expect(Math.min(...counts)).toBeGreaterThan((10_000 / counts.length) * 0.8)
      expect(yield* shares(2, (n) => n % 2 === 0)).toEqual([5000, 5000])
      expect(yield* shares(5, (n) => n % 5)).toEqual([2000, 2000, 2000, 2000, 2000])
    })
  )

  it.effect("fails where a branch fails, by the name that it has in the whole", () =>
    Effect.gen(function* () {
      const failing = Pipeline.fromStream(records).pipe(
        Pipeline.fanOut("fan", { ways: 2 }, (part) =>
          part.pipe(
            Pipeline.mapEffect("check", (n) =>
              n === 4242 ? Effect.fail(new Wrong({ what: `${n}` })) : Effect.succeed(n)
            )
          )
        ),
        Pipeline.run
      )
      expect(yield* Effect.flip(failing)).toMatchObject({ stage: "fan/1/check", error: { what: "4242" } })
    })
  )

  it.effect("ends when what comes out of it is read no further", () =>
    Effect.gen(function* () {
      const endless = Pipeline.fromStream(Stream.forever(Stream.succeed(bytes(1)))).pipe(
        Pipeline.fanOut("fan", { ways: 2 }, (part) => part.pipe(Pipeline.process("cat", quiet(cat)))),
        // Without a keeper a socket is closed, which some take for a failure.
        Pipeline.policy("last"),
        Pipeline.process("head", Command.make("head", ["-n", "1"])),
        Pipeline.string
      )
      expect(yield* endless).toBe("1\n")
      yield* nothingLeft
    })
  )

  it.effect("does not take it for the end that all branches have ended", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "committed")
      const early = Pipeline.fromStream(Stream.rechunk(records, 1)).pipe(
        Pipeline.fanOut("fan", { ways: 2 }, (part) =>
          part.pipe(Pipeline.transform("some", (all) => Stream.take(all, 5)))
        ),
        Pipeline.map("bytes", bytes),
        Pipeline.process("commit", sh(`cat >/dev/null; echo >${path}`)),
        Pipeline.run
      )
      expect(yield* Effect.flip(early)).toMatchObject({ stage: "fan", error: { _tag: "BranchEnded" } })
      expect(existsSync(path)).toBe(false)
    })
  )

  it.effect("lets each branch write where its command says", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "out")
      const write = (part: Pipeline.Pipeline<number>, way: number) =>
        part.pipe(
          Pipeline.map("bytes", bytes),
          Pipeline.process("write", Command.make("cat", [], { stdout: Stdio.truncate(`${path}${way}`) }))
        )
      const all = Pipeline.fromStream(Stream.range(0, 3)).pipe(Pipeline.fanOut("fan", { ways: 2 }, write))
      expect(yield* Pipeline.collect(all)).toEqual([])
      expect([0, 1].map((way) => readFileSync(`${path}${way}`, "utf8"))).toEqual(["1\n3\n", "0\n2\n"])
      const merged = Pipeline.from("a", Command.make("echo", ["a"], { stdout: Stdio.truncate(path) }))
      expect(yield* Pipeline.collect(Pipeline.merge([merged]))).toEqual([])
      expect(readFileSync(path, "utf8")).toBe("a\n")
      const { report } = yield* merged.pipe(Pipeline.toSink(Sink.drain))
      expect(report.stages.a).toMatchObject({ outcome: "succeeded", bytesOut: undefined })
    })
  )

  it.effect("begins branches with what they get and with something else", () =>
    Effect.gen(function* () {
      const more = Pipeline.fromStream(Stream.make(10))
      const all = Pipeline.fromStream(Stream.range(0, 3)).pipe(
        Pipeline.fanOut("fan", { ways: 2 }, (part) => Pipeline.fanIn([more, part], "sequence")),
        Pipeline.collect
      )
      expect((yield* all).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 10, 10])
      // A branch in a branch, which reads what the outer one is given.
      let copied = 0
      const nested = Pipeline.fromStream(Stream.range(0, 3)).pipe(
        Pipeline.tee("outer", (copy) =>
          Pipeline.merge([
            copy.pipe(
              Pipeline.tee("inner", (again) =>
                again.pipe(
                  Pipeline.map("count", (n) => {
                    copied += n
                  })
                )
              )
            ),
            more
          ])
        ),
        Pipeline.collect
      )
      expect([yield* nested, copied]).toEqual([[0, 1, 2, 3], 6])
    })
  )

  it.effect("does not lose what a branch would not read", () =>
    Effect.gen(function* () {
      const early = Pipeline.fromStream(Stream.rechunk(records, 10)).pipe(
        Pipeline.fanOut("fan", { ways: 2 }, (part, way) =>
          part.pipe(Pipeline.transform("some", (all) => (way === 0 ? Stream.take(all, 5) : all)))
        ),
        Pipeline.run
      )
      expect(yield* Effect.flip(early)).toMatchObject({ stage: "fan", error: { _tag: "BranchEnded", branch: 0 } })
    })
  )
})
