/** What a pipeline says when something of it fails, and what becomes of the rest. */

import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Pipeline, StageFailed, TimeLimit } from "@nursery/pipeline"
import { Command, type ExitError, ExitStatus, Nursery, Stdio } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { folder, onEveryWay, sh } from "../support/setup.ts"

class Wrong extends Data.TaggedError("Wrong")<{ readonly what: string }> {}

/** Takes the end of its input for the end of its work. */
const committing = (path: string) => sh(`cat >/dev/null; echo >${path}`)

const outcomes = (error: StageFailed | TimeLimit): string =>
  Object.values(error.report.stages)
    .map(({ cause, name, outcome }) => `${name} ${outcome}${cause === undefined ? "" : ` ${cause}`}`)
    .join(", ")

const nothingLeft = Effect.map(Nursery.processes, (processes) => expect(processes).toEqual([]))

onEveryWay("failures", (it, way) => {
  it.effect("names the stage, with the error of its process", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a", Command.make("true")).pipe(
        Pipeline.process("b", Command.make("sh", ["-c", "echo no such table >&2; exit 3"], { stderr: "pipe" })),
        Pipeline.process("c", Command.make("cat"))
      )
      const error = yield* Effect.flip(Pipeline.run(pipeline))
      expect(error).toBeInstanceOf(StageFailed)
      expect(error.stage).toBe("b")
      expect(error.error._tag).toBe("ExitError")
      expect(error.message).toMatch(/^"b": .* exited with code 3\nno such table$/)
      expect(error.report.firstCause).toBe("b")
      expect(error.report.stages["b"]).toMatchObject({ outcome: "failed", exit: { status: ExitStatus.exited(3) } })
      yield* nothingLeft
    })
  )

  it.effect("tells the first cause from what followed downstream", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a", sh("exec sleep 0")).pipe(
        Pipeline.process("b", sh("echo half; exit 3")),
        Pipeline.process("c", Command.make("cat")),
        Pipeline.process("d", Command.make("sh", ["-c", "cat >/dev/null; exit 4"]))
      )
      const error = yield* Effect.flip(Pipeline.run(pipeline))
      expect(outcomes(error)).toBe("a succeeded, b failed, c succeeded, d followed b")
    })
  )

  it.effect("tells the first cause from what followed upstream, whatever that makes of it", () =>
    Effect.gen(function* () {
      const fifo = join(yield* folder, "fifo")
      execFileSync("mkfifo", [fifo])
      const ended = yield* Nursery.events.pipe(
        Stream.filter((event) => event._tag === "Exited"),
        Stream.take(1),
        Stream.runDrain,
        Effect.forkChild({ startImmediately: true })
      )
      yield* Effect.forkChild(
        Effect.andThen(
          Fiber.join(ended),
          Effect.promise(() => writeFile(fifo, "go on\n"))
        )
      )
      const pipeline = Pipeline.from("a", sh(`read line <${fifo}; exit 1`)).pipe(Pipeline.process("b", sh("exit 4")))
      expect(outcomes(yield* Effect.flip(Pipeline.run(pipeline)))).toBe("a followed b, b failed")
    })
  )

  it.effect("ends the others at once where that is asked for, also one that has nothing to write", () =>
    Effect.gen(function* () {
      const failing = Pipeline.from("a", Command.make("sleep", ["600"])).pipe(
        Pipeline.process("b", sh("exit 3")),
        Pipeline.process("c", sh("cat >/dev/null; exec sleep 600")),
        Pipeline.endOnFailure
      )
      const error = yield* Effect.flip(Pipeline.run(failing))
      // It may be over before the last one has begun.
      expect(outcomes(error)).toMatch(/^a stopped, b failed, c (stopped|unstarted)$/)
      expect(error.error).toMatchObject({ status: ExitStatus.exited(3) })
      yield* nothingLeft
    })
  )

  it.effect("ends nothing for a failure that is none by its policy", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a", sh("exit 3")).pipe(
        Pipeline.process("b", sh("cat >/dev/null; echo all of it")),
        Pipeline.policy("last"),
        Pipeline.endOnFailure
      )
      expect(yield* Pipeline.string(pipeline)).toBe("all of it\n")
    })
  )

  it.effect("takes the others down where one cannot be started", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a", Command.make("sleep", ["600"])).pipe(
        Pipeline.process("b", Command.make("no-such-program")),
        Pipeline.process("c", Command.make("cat"))
      )
      const error = yield* Effect.flip(Pipeline.run(pipeline))
      expect(outcomes(error)).toBe("a stopped, b failed, c unstarted")
      expect(error).toMatchObject({ stage: "b", error: { _tag: "SpawnError", reason: { _tag: "ProgramNotFound" } } })
      yield* nothingLeft
    })
  )

  it.effect("fails with what a stage of this program fails with", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("yes", Command.make("yes")).pipe(
        Pipeline.transform("lines", (bytes) => Stream.splitLines(Stream.decodeText(bytes))),
        Pipeline.mapEffect("check", (line) => Effect.fail(new Wrong({ what: line }))),
        Pipeline.filter("all", () => true)
      )
      const error = yield* Effect.flip(Pipeline.run(pipeline))
      expect(error).toMatchObject({ stage: "check", error: { _tag: "Wrong", what: "y" } })
      expect(outcomes(error)).toBe("yes stopped, lines stopped, check failed, all stopped")
      yield* nothingLeft
    })
  )

  it.effect("lets no process take the failure of a stage of this program for the end of its input", () =>
    Effect.gen(function* () {
      const at = yield* folder
      for (let round = 0; round < 20; round++) {
        const path = join(at, `${round}`)
        const pipeline = Pipeline.from("x".repeat(100)).pipe(
          Pipeline.transform("fail", (bytes) => Stream.concat(bytes, Stream.fail(new Wrong({ what: "it" })))),
          Pipeline.process("pass", Command.make("cat")),
          Pipeline.process("commit", committing(path))
        )
        expect((yield* Effect.flip(Pipeline.run(pipeline))).stage).toBe("fail")
        expect(existsSync(path)).toBe(false)
      }
      yield* nothingLeft
    })
  )

  it.effect("lets nobody after a stage of this program take half of an output for the whole", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "committed")
      const pipeline = Pipeline.from("export", sh("echo half; exit 3")).pipe(
        Pipeline.transform("same", (bytes) => bytes),
        Pipeline.process("commit", committing(path))
      )
      const error = yield* Effect.flip(Pipeline.run(pipeline))
      expect(outcomes(error)).toBe("export failed, same stopped, commit stopped")
      expect(existsSync(path)).toBe(false)
      // Where only the last one counts, it gets what there is.
      yield* pipeline.pipe(Pipeline.policy("last"), Pipeline.run)
      expect(existsSync(path)).toBe(true)
    })
  )

  it.effect("ends every stage when it is interrupted, from the end on", () =>
    Effect.gen(function* () {
      const at = yield* folder
      for (let round = 0; round < 10; round++) {
        const path = join(at, `${round}`)
        const pipeline = Pipeline.from("yes", Command.make("yes")).pipe(
          Pipeline.process("cat", Command.make("cat")),
          Pipeline.process("commit", committing(path))
        )
        const fiber = yield* Effect.forkChild(Pipeline.run(pipeline), { startImmediately: true })
        // However far it has come.
        yield* Effect.sleep(round)
        yield* Fiber.interrupt(fiber)
        yield* nothingLeft
        // Only a keeper stops a reader before its writer is gone: else both are stopped by this program.
        expect(existsSync(path)).toBe(false)
      }
    })
  )

  it.effect("ends every stage when its time is up, and tells which ones ran", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("quick", Command.make("true")).pipe(
        Pipeline.process("read", Command.make("cat")),
        Pipeline.process("stay", Command.make("sleep", ["600"])),
        Pipeline.transform("same", (bytes) => bytes),
        // Time enough to start them where much else goes on.
        Pipeline.timeLimit("5 seconds")
      )
      const error = yield* Effect.flip(Pipeline.run(pipeline))
      expect(error).toBeInstanceOf(TimeLimit)
      expect(error.report.stages["stay"]).toMatchObject({ outcome: "stopped", exit: { status: { signal: "SIGTERM" } } })
      expect(error.report.stages["same"]?.outcome).toBe("stopped")
      yield* nothingLeft
    })
  )

  it.effect("fails with the failure of its source, and with that of a Sink, as they are", () =>
    Effect.gen(function* () {
      const source = Stream.concat(Stream.make(new Uint8Array(10)), Stream.fail(new Wrong({ what: "source" })))
      const cat = Pipeline.process("cat", Command.make("cat"))
      expect(yield* Effect.flip(Pipeline.collect(Pipeline.from(source).pipe(cat)))).toEqual(
        new Wrong({ what: "source" })
      )
      const sink = Sink.fail(new Wrong({ what: "sink" }))
      const into = Pipeline.from("yes", Command.make("yes")).pipe(cat, Pipeline.toSink(sink))
      expect(yield* Effect.flip(into)).toEqual(new Wrong({ what: "sink" }))
      yield* nothingLeft
    })
  )

  it.effect("dies of a defect, wherever it is", () =>
    Effect.gen(function* () {
      const broken = Pipeline.map("broken", () => {
        throw new Error("a bug")
      })
      const exit = yield* Effect.exit(Pipeline.run(Pipeline.from("yes", Command.make("yes")).pipe(broken)))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toEqual(new Error("a bug"))
      yield* nothingLeft
    })
  )

  it.effect("gives what came before the failure, and then the failure", () =>
    Effect.gen(function* () {
      const got: Array<string> = []
      const error = yield* Pipeline.toStream(Pipeline.from("a", sh("echo one; echo two; exit 5"))).pipe(
        Stream.decodeText,
        Stream.splitLines,
        Stream.runForEach((line) => Effect.sync(() => got.push(line))),
        Effect.flip
      )
      expect(got).toEqual(["one", "two"])
      expect(error).toMatchObject({ stage: "a", error: { status: ExitStatus.exited(5) } })
    })
  )

  it.effect("blames whom the policy blames", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a", sh("exit 1")).pipe(
        Pipeline.process("b", sh("cat; exit 2")),
        Pipeline.process("c", Command.make("true"))
      )
      const stageOf = (policy: "pipefail" | "all" | "last") =>
        pipeline.pipe(
          Pipeline.policy(policy),
          Pipeline.run,
          Effect.match({ onFailure: (error) => error.stage, onSuccess: () => "nobody" })
        )
      expect(yield* stageOf("pipefail")).toBe("a")
      expect(yield* stageOf("all")).toBe("a")
      expect(yield* stageOf("last")).toBe("nobody")
      const second = pipeline.pipe(
        Pipeline.policy((report) => (report.stages.b.exit?.status._tag === "Exited" ? "b" : undefined)),
        Pipeline.run
      )
      expect((yield* Effect.flip(second)).stage).toBe("b")
      const nobody = pipeline.pipe(
        Pipeline.policy(() => undefined),
        Pipeline.run
      )
      expect((yield* nobody).firstCause).toBe("a")
      const innocent = pipeline.pipe(
        Pipeline.policy(() => "c"),
        Pipeline.run,
        Effect.exit
      )
      expect(String(yield* innocent)).toContain('blames "c", which has not failed')
    })
  )

  it.effect("knows the codes of success of a command", () =>
    Effect.gen(function* () {
      const grep = Command.make("grep", ["no match"], { successCodes: [0, 1] })
      expect(yield* Pipeline.from("text\n").pipe(Pipeline.process("grep", grep), Pipeline.string)).toBe("")
    })
  )

  it.effect("handles the failure of one stage", () =>
    Effect.gen(function* () {
      const pipeline = Pipeline.from("a", sh("exit 9")).pipe(Pipeline.process("b", Command.make("cat")))
      const status = (error: ExitError) => ExitStatus.toShellCode(error.status)
      const code = yield* pipeline.pipe(
        Pipeline.run,
        Pipeline.catchStage("b", () => Effect.succeed("b")),
        Pipeline.catchStage("a", ({ error }) =>
          error._tag === "ExitError" ? Effect.succeed(status(error)) : Effect.die(error)
        )
      )
      expect(code).toBe(9)
    })
  )

  if (way.name === "keeper") {
    it.effect("does not wait for what a process has left behind, which holds its stdout", () =>
      Effect.gen(function* () {
        const leaves = sh("sleep 600 & echo early")
        const cat = Pipeline.process("cat", Command.make("cat"))
        expect(yield* Pipeline.from("leaves", leaves).pipe(cat, Pipeline.string)).toBe("early\n")
        expect(yield* Pipeline.from("leaves", leaves).pipe(Pipeline.string)).toBe("early\n")
        yield* nothingLeft
      })
    )

    it.effect("waits for it where that is asked for", () =>
      Effect.gen(function* () {
        const path = join(yield* folder, "fifo")
        execFileSync("mkfifo", [path])
        const leaves = sh(`(read line <${path}; echo $line) & echo early`)
        const late = Pipeline.from("leaves", leaves, { descendants: "wait" }).pipe(
          Pipeline.process("cat", Command.make("cat")),
          Pipeline.toStream,
          Stream.decodeText,
          Stream.splitLines,
          // What is left behind goes on when its process has been heard of, or before: either way nobody ends it.
          Stream.tap((line) => (line === "early" ? Effect.promise(() => writeFile(path, "late\n")) : Effect.void)),
          Stream.runCollect
        )
        expect(yield* late).toEqual(["early", "late"])
      })
    )

    it.effect("says what could not be given to a process", () =>
      Effect.gen(function* () {
        const pipeline = Pipeline.from(Stdio.read("/no/such/file")).pipe(Pipeline.process("read", Command.make("cat")))
        const error = yield* Effect.flip(Pipeline.run(pipeline))
        expect(error.message).toBe(
          '"read": cannot start "cat": cannot open /no/such/file as stdin: no such file or directory: make it first, or correct the path'
        )
      })
    )
  }
})
