/** The bytes between this program and a process. */
import { createHash } from "node:crypto"
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as ExitStatus from "../../src/ExitStatus.ts"
import * as Process from "../../src/Process.ts"
import * as Stdio from "../../src/Stdio.ts"
import * as Stage from "../support/stage.ts"
import { bytes, leftOpen, onEveryWay, sh, size, text } from "./setup.ts"

const chunk = new Uint8Array(64 * 1024).fill(120)

/** So many chunks. */
const flood = (chunks: number) => Stream.range(1, chunks).pipe(Stream.map(() => chunk))

onEveryWay("streams", (it, way) => {
  it.effect("carry what the process writes, to the end", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("echo out; echo err >&2; echo more").pipe(Command.stdout("pipe"), Command.stderr("pipe"))
      )
      const all = yield* Effect.all([text(process.stdout), text(process.stderr)], { concurrency: 2 })
      expect(all).toEqual(["out\nmore\n", "err\n"])
    })
  )

  it.effect("give what was written before the exit to who reads after it", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("echo early").pipe(Command.stdout("pipe")))
      yield* process.ended
      expect(yield* text(process.stdout)).toBe("early\n")
    })
  )

  it.effect("give it also when a descendant still holds the pipe, which does not end then", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("fork { say held sleep } write early exit 0").pipe(Command.stdout("pipe"))
      )
      yield* process.exit
      yield* stage.hears("held")
      const [first] = yield* Stream.runCollect(Stream.take(process.stdout, 1))
      expect(new TextDecoder().decode(first)).toBe("early")
    })
  )

  it.effect("carry every byte of a large output", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("flood 50000000").pipe(Command.stdout("pipe")))
      expect(yield* size(process.stdout)).toBe(50_000_000)
      yield* process.success
    })
  )

  it.effect("may lend their chunks to consumers that take their time, and those that do not", () =>
    Effect.gen(function* () {
      const expected = createHash("sha256")
      for (let i = 1; i <= 300_000; i++) expected.update(`${i}\n`)
      const digest = expected.digest("hex")
      for (const wait of [
        Effect.void,
        Effect.yieldNow,
        Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      ]) {
        const process = yield* Process.spawn(Command.make("seq", ["300000"], { stdout: "pipe" }))
        const hash = createHash("sha256")
        yield* Process.lend(process.stdout).pipe(
          Stream.runForEach((chunk) =>
            Effect.andThen(
              wait,
              Effect.sync(() => hash.update(chunk))
            )
          )
        )
        expect(hash.digest("hex")).toBe(digest)
        const again = yield* Effect.exit(Stream.runDrain(process.stdout))
        expect(Exit.isFailure(again)).toBe(true)
      }
      const own = Stream.make(bytes("x"))
      expect(Process.lend(own)).toBe(own)
    })
  )

  it.effect("carry bytes in order through a process", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("cat", [], { stdin: "pipe", stdout: "pipe" }))
      const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`)
      const write = Stream.fromIterable(lines).pipe(Stream.map(bytes), Stream.run(process.stdin))
      const [, read] = yield* Effect.all([write, text(process.stdout)], { concurrency: 2 })
      expect(read).toBe(lines.join(""))
    })
  )

  it.effect("make the writer wait for a slow reader", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("flood 20000000 say done").pipe(Command.stdout("pipe")))
      const pulled = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const reader = yield* process.stdout.pipe(
        Stream.mapEffect((chunk) =>
          Effect.as(Effect.andThen(Deferred.succeed(pulled, undefined), Deferred.await(goOn)), chunk)
        ),
        size,
        Effect.forkChild
      )
      yield* Deferred.await(pulled)
      // Nothing is buffered without bound: the process cannot have finished.
      expect(stage.news.count("done")).toBe(0)
      yield* Deferred.succeed(goOn, undefined)
      expect(yield* Fiber.join(reader)).toBe(20_000_000)
      yield* stage.hears("done")
    })
  )

  it.effect("do not stall each other when one is not read", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("echo unread >&2; head -c 5000000 /dev/zero").pipe(Command.stdout("pipe"), Command.stderr("pipe"))
      )
      expect(yield* size(process.stdout)).toBe(5_000_000)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(0))
    })
  )

  it.effect("do not hold up the exit when nobody reads", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("echo a; echo b >&2; exit 4").pipe(Command.stdout("pipe"), Command.stderr("pipe"))
      )
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(4))
    })
  )

  it.effect("have one consumer: a second one is a defect, and the first gets everything", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("cat", [], { stdin: "pipe", stdout: "pipe" }))
      const first = yield* Effect.forkChild(text(process.stdout), { startImmediately: true })
      const second = yield* Effect.exit(text(process.stdout))
      expect(Exit.isFailure(second) && second.cause.reasons[0]).toMatchObject({
        _tag: "Die",
        defect: { _tag: "StreamInUse", stream: "stdout" }
      })
      yield* Stream.run(Stream.make(bytes("all of it")), process.stdin)
      expect(yield* Fiber.join(first)).toBe("all of it")
      const late = yield* Effect.exit(Stream.runDrain(process.stdout))
      expect(Exit.isFailure(late) && late.cause.reasons[0]?._tag).toBe("Die")
    })
  )

  it.effect("are closed when their reader leaves", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("yes", [], { stdout: "pipe", stderr: "null" }))
      yield* Stream.runDrain(Stream.take(process.stdout, 1))
      // A socket that is closed with bytes in it is ECONNRESET for the writer.
      const statuses = [ExitStatus.signaled("SIGPIPE"), ...(way.lacks.has("realPipes") ? [ExitStatus.exited(1)] : [])]
      expect(statuses).toContainEqual((yield* process.exit).status)
    })
  )

  it.effect("are closed when their reader is interrupted", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("echo ready; exec cat >/dev/null; ").pipe(Command.stdin("pipe"), Command.stdout("pipe"))
      )
      const started = yield* Deferred.make<void>()
      const reader = yield* process.stdout.pipe(
        Stream.tap(() => Deferred.succeed(started, undefined)),
        Stream.runDrain,
        Effect.forkChild
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(reader)
      const again = yield* Effect.exit(Stream.runDrain(process.stdout))
      expect(Exit.isFailure(again)).toBe(true)
      yield* Stream.run(Stream.empty, process.stdin)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(0))
    })
  )

  it.effect("end at the end of the scope for a reader outside of it, with all that was written", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const scope = yield* Scope.make()
      const process = yield* Process.spawn(stage.play("write text say up sleep").pipe(Command.stdout("pipe"))).pipe(
        Scope.provide(scope)
      )
      yield* stage.hears("up")
      const reader = yield* Effect.forkChild(text(process.stdout), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(reader)).toBe("text")
    })
  )

  it.effect("write nothing where there is nothing to write", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("cat", [], { stdin: "pipe", stdout: "pipe" }))
      yield* Stream.run(Stream.empty, process.stdin)
      expect(yield* text(process.stdout)).toBe("")
      yield* process.success
    })
  )

  it.effect("wait for a process that reads slowly", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("hold say up term exec cat").pipe(Command.stdin("pipe"), Command.stdout("pipe"))
      )
      yield* stage.hears("up")
      const written: Array<number> = []
      const writer = yield* flood(100).pipe(
        Stream.tap(() => Effect.sync(() => written.push(1))),
        Stream.run(process.stdin),
        Effect.forkChild({ startImmediately: true })
      )
      // A pipe or a socket takes some; all of it would be 6.5 MB.
      yield* Effect.yieldNow
      expect(written.length).toBeLessThan(50)
      yield* process.signal("SIGTERM")
      expect(yield* size(process.stdout)).toBe(100 * chunk.length)
      yield* Fiber.join(writer)
    })
  )

  it.effect("fail for the writer when the reader is gone, and for nobody else", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("exec 0<&-; echo closed; exit 5").pipe(Command.stdin("pipe"), Command.stdout("pipe"))
      )
      yield* process.ended
      const error = yield* Effect.flip(Stream.run(flood(10), process.stdin))
      expect(error).toMatchObject({ _tag: "StreamError", stream: "stdin", operation: "write", errno: "EPIPE" })
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(5))
    })
  )

  it.effect("fail for a writer that waits when the process ends without reading", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("hold say up term exit 6").pipe(Command.stdin("pipe")))
      yield* stage.hears("up")
      const writer = yield* Effect.forkChild(Stream.run(flood(100), process.stdin), { startImmediately: true })
      yield* process.signal("SIGTERM")
      expect(yield* Effect.flip(Fiber.join(writer))).toMatchObject({ _tag: "StreamError", stream: "stdin" })
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(6))
    })
  )

  it.effect("fail for a writer that has nothing to write when the process ends", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("exit 0").pipe(Command.stdin("pipe")))
      const error = yield* Effect.flip(Stream.run(Stream.never, process.stdin))
      expect(error).toMatchObject({ _tag: "StreamError", errno: "EPIPE" })
    })
  )

  it.effect("take no second input after the first one is done", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("cat", [], { stdin: "pipe", stdout: "pipe" }))
      yield* Stream.run(Stream.make(bytes("one")), process.stdin)
      const error = yield* Effect.flip(Stream.run(Stream.make(bytes("two")), process.stdin))
      expect(error._tag).toBe("StreamError")
      expect(yield* text(process.stdout)).toBe("one")
    })
  )

  it.effect("are files where the command says so", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const path = `${stage.folder}/file`
      yield* Process.exitStatus(sh("echo one").pipe(Command.stdout(Stdio.truncate(path))))
      yield* Process.exitStatus(sh("echo two").pipe(Command.stdout(Stdio.append(path))))
      expect(yield* Process.string(Command.make("cat", [], { stdin: Stdio.read(path) }))).toBe("one\ntwo\n")
      yield* Process.exitStatus(sh("echo three").pipe(Command.stdout(Stdio.truncate(path))))
      expect(yield* Process.string(Command.make("cat", [path]))).toBe("three\n")
    })
  )

  it.effect("are /dev/null where nothing is said of stdin", () =>
    Effect.gen(function* () {
      expect(yield* Process.string(sh("cat; echo end"))).toBe("end\n")
    })
  )

  it.effect("go by further descriptors, both ways", () =>
    Effect.gen(function* () {
      const command = sh("cat <&4 >&3; cat <&5 >&7").pipe(
        Command.fds({ 3: "pipe", 4: "pipe-in", 5: Stream.make(bytes("stream")), 7: "pipe" })
      )
      const process = yield* Process.spawn(command)
      yield* Stream.run(Stream.make(bytes("written")), process.fd(4))
      expect(yield* text(process.fd(3))).toBe("written")
      expect(yield* text(process.fd(7))).toBe("stream")
      yield* process.success
    })
  )

  it.effect("are real pipes, where that can be had", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("echo through > /dev/stdout").pipe(Command.stdout("pipe"), Command.stderr("pipe"))
      )
      expect(yield* text(process.stdout)).toBe(way.lacks.has("realPipes") ? "" : "through\n")
    })
  )

  it.effect("leave no descriptor behind, however they are used", () =>
    Effect.gen(function* () {
      const uses = Effect.gen(function* () {
        const piped = sh("echo a; echo b >&2; cat >/dev/null; exit 0").pipe(
          Command.stdin("pipe"),
          Command.stdout("pipe"),
          Command.stderr("pipe")
        )
        // Not used at all.
        yield* Effect.scoped(Process.spawn(piped))
        // Read and written to the end.
        yield* Effect.scoped(
          Effect.gen(function* () {
            const process = yield* Process.spawn(piped)
            yield* Stream.run(Stream.empty, process.stdin)
            yield* text(process.stdout)
            yield* process.exit
          })
        )
        // Left in the middle.
        yield* Effect.scoped(
          Effect.gen(function* () {
            const process = yield* Process.spawn(
              Command.make("yes", [], { stdout: "pipe", stderr: "pipe", stdin: "pipe" })
            )
            yield* Stream.runDrain(Stream.take(process.stdout, 1))
          })
        )
        // Read by one who waits when the scope closes.
        yield* Effect.scoped(
          Effect.gen(function* () {
            const process = yield* Process.spawn(Command.make("cat", [], { stdout: "pipe", stdin: "pipe" }))
            yield* Effect.forkScoped(Stream.runDrain(process.stdout), { startImmediately: true })
          })
        )
        // Written by one who waits when the scope closes.
        yield* Effect.scoped(
          Effect.gen(function* () {
            const process = yield* Process.spawn(Command.make("sleep", ["1000"], { stdin: "pipe" }))
            yield* Effect.forkScoped(Stream.run(flood(100), process.stdin), { startImmediately: true })
          })
        )
        // A Stream and a Sink of the command.
        yield* Process.exitStatus(Command.make("cat", [], { stdin: flood(3), stdout: Sink.drain }))
        // A file and a program that are not there.
        yield* Effect.ignore(Process.string(sh("true").pipe(Command.stdin(Stdio.read("/nowhere")))))
        yield* Effect.ignore(Process.string(Command.make("/nowhere", [], { stderr: "pipe" })))
      })
      expect(yield* leftOpen(uses)).toEqual([])
    })
  )
})
