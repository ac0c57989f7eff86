/** Processes that live for one call. */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as ExitStatus from "../../src/ExitStatus.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"
import { bytes, leftOn, onEveryWay, sh, size, text } from "./setup.ts"

onEveryWay("one-shots", (it, way) => {
  it.effect("string gives what was written, whatever the command says of stdout", () =>
    Effect.gen(function* () {
      for (const stdout of ["null", "inherit", "pipe"] as const) {
        expect(yield* Process.string(sh("printf äöü").pipe(Command.stdout(stdout)))).toBe("äöü")
      }
    })
  )

  it.effect("run gives status, usage and both outputs", () =>
    Effect.gen(function* () {
      const command = sh("echo out; echo err >&2; exit 3").pipe(Command.successCodes([3]))
      const { status, stdout, stderr, usage } = yield* Process.run(command)
      expect({ status, stdout, stderr }).toEqual({ status: ExitStatus.exited(3), stdout: "out\n", stderr: "err\n" })
      expect(usage.minorFaults).toBeGreaterThanOrEqual(0)
    })
  )

  it.effect("a status that is no success fails all but exitStatus", () =>
    Effect.gen(function* () {
      const command = sh("echo out; echo err >&2; exit 3")
      const expected = { _tag: "ExitError", status: ExitStatus.exited(3) }
      expect(yield* Effect.flip(Process.run(command))).toMatchObject({ ...expected, stderr: "err\n" })
      expect(yield* Effect.flip(Process.string(command.pipe(Command.stderr("pipe"))))).toMatchObject({
        ...expected,
        stderr: "err\n"
      })
      expect(yield* Effect.flip(Process.string(command.pipe(Command.stderr("null"))))).toMatchObject({
        ...expected,
        stderr: ""
      })
      expect(yield* Effect.flip(Stream.runDrain(Process.lines(command.pipe(Command.stderr("null")))))).toMatchObject(
        expected
      )
      const through = Stream.empty.pipe(Process.through(command.pipe(Command.stderr("null"))))
      expect(yield* Effect.flip(Stream.runDrain(through))).toMatchObject(expected)
      expect(yield* Process.exitStatus(command.pipe(Command.stdout("null"), Command.stderr("null")))).toEqual(
        expected.status
      )
    })
  )

  it.effect("drain what they do not return", () =>
    Effect.gen(function* () {
      const noisy = sh("head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero >&3; echo out").pipe(
        Command.stderr("pipe"),
        Command.fds({ 3: "pipe" })
      )
      expect(yield* Process.string(noisy)).toBe("out\n")
      expect(yield* Process.exitStatus(noisy.pipe(Command.stdout("pipe")))).toEqual(ExitStatus.exited(0))
      expect(yield* Stream.runCollect(Process.lines(noisy))).toEqual(["out"])
    })
  )

  it.effect("close an input that nobody writes", () =>
    Effect.gen(function* () {
      expect(yield* Process.string(Command.make("cat", [], { stdin: "pipe" }))).toBe("")
    })
  )

  it.effect("finish with the exit though a descendant holds the pipe, and end the descendant", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const held = stage.command("/bin/sh", ["-c", "sleep 1000 & printf all"])
      expect(yield* Process.string(held)).toBe("all")
      expect(yield* Stream.runCollect(Process.lines(held))).toEqual(["all"])
      expect((yield* Process.run(held)).stdout).toBe("all")
      expect(yield* Process.exitStatus(held.pipe(Command.stdout("pipe")))).toEqual(ExitStatus.exited(0))
      expect(yield* text(Stream.empty.pipe(Process.through(held)))).toBe("all")
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("get all that was written before the exit, however much that is", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const held = stage.command("/bin/sh", ["-c", "sleep 1000 & head -c 3000000 /dev/zero"])
      expect((yield* Process.string(held)).length).toBe(3_000_000)
    })
  )

  it.effect("end a process that writes more than is allowed", () =>
    Effect.gen(function* () {
      for (const [script, stream] of [
        ["yes", "stdout"],
        ["yes >&2", "stderr"]
      ] as const) {
        const error = yield* Effect.flip(Process.run(sh(script), { maxOutput: "100 KiB" }))
        expect(error).toMatchObject({ _tag: "OutputTooLarge", stream })
        expect(error.message).toMatch(/more than 100 KiB/)
      }
      expect(yield* Nursery.processes).toEqual([])
    })
  )

  it.effect("allow exactly as much as is allowed", () =>
    Effect.gen(function* () {
      const exactly = sh("head -c 1024 /dev/zero")
      expect((yield* Process.string(exactly, { maxOutput: "1 KiB" })).length).toBe(1024)
      expect((yield* Effect.flip(Process.string(exactly, { maxOutput: 1023 })))._tag).toBe("OutputTooLarge")
    })
  )

  it.effect("end the process when they are interrupted", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const fiber = yield* Effect.forkChild(Process.string(stage.play("say up sleep")))
      yield* stage.hears("up")
      yield* Fiber.interrupt(fiber)
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("return on time where a time limit is set and a descendant holds the pipe", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const play = stage.play("fork { say held sleep } wait").pipe(Command.stop({ grace: "1 hour" }))
      const limited = Process.string(play).pipe(Effect.timeoutOption("300 millis"))
      // Neither after that grace nor never: when the process and its descendant have ended, as they do at the first signal.
      expect((yield* limited)._tag).toBe("None")
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("lines splits at line ends, and keeps a last line without one", () =>
    Effect.gen(function* () {
      expect(yield* Stream.runCollect(Process.lines(sh("printf 'a\\nb\\r\\n\\nc'")))).toEqual(["a", "b", "", "c"])
    })
  )

  it.effect("lines come while the process runs, and leaving ends it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const first = yield* Stream.runCollect(Stream.take(Process.lines(stage.play("write first\n sleep")), 1))
      expect(first).toEqual(["first"])
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("through transforms bytes, with back-pressure on both sides", () =>
    Effect.gen(function* () {
      const pulled: Array<number> = []
      const chunk = new Uint8Array(100_000)
      const source = Stream.forever(Stream.make(chunk)).pipe(Stream.tap(() => Effect.sync(() => pulled.push(1))))
      const first = yield* source.pipe(Process.through(Command.make("cat")), Stream.take(1), size)
      expect(first).toBeGreaterThan(0)
      // Pipes and buffers hold some; an endless stream was not read without end.
      expect(pulled.length).toBeLessThan(100)
      const all = yield* Stream.take(source, 300).pipe(
        Process.through(Command.make("cat")),
        Process.through(Command.make("cat")),
        size
      )
      expect(all).toBe(30_000_000)
    })
  )

  it.effect("through does not lock up with a command that writes first", () =>
    Effect.gen(function* () {
      const out = yield* Stream.make(bytes("in")).pipe(Process.through(sh("head -c 5000000 /dev/zero; cat")), size)
      expect(out).toBe(5_000_002)
    })
  )

  it.effect("through fails with the failure of its input at once", () =>
    Effect.gen(function* () {
      const goOn = yield* Deferred.make<void>()
      const source = Stream.concat(
        Stream.make(bytes("first")),
        Stream.fromEffect(Effect.andThen(Deferred.await(goOn), Effect.fail("broken" as const)))
      )
      const stage = yield* Stage.make
      const seen: Array<string> = []
      const stream = source.pipe(
        Process.through(Command.make("cat", [], { env: stage.environment })),
        Stream.decodeText,
        Stream.tap((text) =>
          Effect.andThen(
            Effect.sync(() => seen.push(text)),
            Deferred.succeed(goOn, undefined)
          )
        )
      )
      expect(yield* Effect.flip(Stream.runDrain(stream))).toBe("broken")
      expect(seen).toEqual(["first"])
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("through takes a command that does not read all of its input", () =>
    Effect.gen(function* () {
      const endless = Stream.forever(Stream.make(bytes("xxxxxxxxxx")))
      expect(yield* endless.pipe(Process.through(Command.make("head", ["-c", "5"])), text)).toBe("xxxxx")
    })
  )
})
