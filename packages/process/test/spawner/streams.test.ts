/** The descriptors of a process of the drop-in spawner: read, written, and left alone. */
import { readdirSync } from "node:fs"
import { describe, expect, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { both, bytes, linesOf, text } from "./support.ts"

const zeros = (count: number, fd = 1) => `head -c ${count} /dev/zero >&${fd}`

const script = (script: string, options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("sh", ["-c", script], options)

const sizeOf = (stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>) =>
  Stream.runFold(
    stream,
    () => 0,
    (size, chunk) => size + chunk.length
  )

/** Lets the event loop turn once. */
const turn = Effect.promise(() => new Promise((resume) => setImmediate(resume)))

const error = PlatformError.systemError({ _tag: "Unknown", module: "Test", method: "input" })

for (const [name, spawner] of both) {
  layer(spawner)(`on the ${name}`, (it) => {
    describe("6. duplex descriptors", () => {
      const duplex = { additionalFds: { fd3: { type: "duplex" } } } as const

      it.effect("are sockets, which are written and read", () =>
        Effect.gen(function* () {
          const handle = yield* script('[ -S /dev/fd/3 ] && while read -r line <&3; do echo "$line!" >&3; done', duplex)
          const line = yield* linesOf(handle.getOutputFd(3))
          const writing = yield* Effect.forkChild(
            Stream.run(Stream.make(bytes("one\n"), bytes("two\n")), handle.getInputFd(3))
          )
          expect([yield* line, yield* line]).toEqual(["one!", "two!"])
          yield* Fiber.join(writing)
          expect(yield* handle.exitCode).toBe(0)
        })
      )

      it.effect("can still be read after they were written to the end", () =>
        Effect.gen(function* () {
          const handle = yield* script('request=$(cat <&3); echo "reply to $request" >&3', duplex)
          yield* Stream.run(Stream.make(bytes("request")), handle.getInputFd(3))
          expect(yield* text(handle.getOutputFd(3))).toBe("reply to request\n")
        })
      )

      it.effect("take a stream and a sink of the options", () =>
        Effect.gen(function* () {
          const upper = Sink.map(Sink.collect<Uint8Array>(), (chunks) =>
            bytes(Buffer.concat(chunks).toString().toUpperCase())
          )
          const handle = yield* script("cat <&3 >&3", {
            additionalFds: { fd3: { type: "duplex", stream: Stream.make(bytes("abc")), sink: upper } }
          })
          expect(yield* text(handle.getOutputFd(3))).toBe("ABC")
        })
      )

      it.effect("tell a later reader of a failed write", () =>
        Effect.gen(function* () {
          const handle = yield* script("exec 3>&-; echo closed; read go", duplex)
          expect(yield* yield* linesOf(handle.stdout)).toBe("closed")
          const write = yield* Effect.flip(Stream.run(Stream.make(bytes("text")), handle.getInputFd(3)))
          expect(write.reason).toMatchObject({ method: "fromWritable(fd3)", syscall: "write" })
          // Node tells both directions of a socket of an error, one after the other.
          yield* turn
          const read = yield* Effect.flip(Stream.runDrain(handle.getOutputFd(3)))
          expect(read.reason).toMatchObject({ method: "fromReadable(fd3)" })
        })
      )

      it.effect("carry more than buffers hold, both ways at once", () =>
        Effect.gen(function* () {
          const size = 3_000_000
          const handle = yield* script("cat <&3 >&3", duplex)
          const writing = yield* Effect.forkChild(Stream.run(Stream.make(new Uint8Array(size)), handle.getInputFd(3)))
          expect(yield* sizeOf(handle.getOutputFd(3))).toBe(size)
          yield* Fiber.join(writing)
        })
      )
    })

    describe("7. output that nobody reads", () => {
      for (const size of [100_000, 250_000]) {
        it.effect(`does not keep a child from exiting: ${size} bytes each`, () =>
          Effect.gen(function* () {
            const handle = yield* script(`${zeros(size)}; ${zeros(size, 2)}; exit 5`)
            expect(yield* handle.exitCode).toBe(5)
            expect([yield* sizeOf(handle.stdout), yield* sizeOf(handle.stderr)]).toEqual([size, size])
          })
        )
      }

      it.effect("holds a child that writes without end, and neither its sibling stream nor its scope's close", () =>
        Effect.gen(function* () {
          const handle = yield* script("cat /dev/zero & echo beside >&2; exec sleep 1000")
          expect(yield* yield* linesOf(handle.stderr)).toBe("beside")
        })
      )

      it.effect("can be read after the scope's close, all that was written before", () =>
        Effect.gen(function* () {
          const handle = yield* Effect.scoped(
            Effect.tap(script(`${zeros(100_000)}; echo end >&2`), (handle) => handle.exitCode)
          )
          expect(yield* sizeOf(handle.stdout)).toBe(100_000)
          expect(yield* text(handle.stderr)).toBe("end\n")
        })
      )
    })

    describe("12. streams and sinks", () => {
      it.effect("a Sink as stdout gets data only while handle.stdout is consumed, which emits its results", () =>
        Effect.gen(function* () {
          const seen: Array<string> = []
          const sink = Sink.map(Sink.collect<Uint8Array>(), (chunks) => {
            const all = Buffer.concat(chunks).toString()
            seen.push(all)
            return bytes(`<${all}>`)
          })
          const handle = yield* script("printf out; printf err >&2", { stdout: sink, stderr: { stream: sink } })
          expect(yield* handle.exitCode).toBe(0)
          expect(seen).toEqual([])
          expect([yield* text(handle.stdout), yield* text(handle.stderr)]).toEqual(["<out>", "<err>"])
          expect(seen).toEqual(["out", "err"])
        })
      )

      it.effect("a second read is empty", () =>
        Effect.gen(function* () {
          const handle = yield* script("echo once")
          expect([yield* text(handle.stdout), yield* text(handle.stdout), yield* text(handle.all)]).toEqual([
            "once\n",
            "",
            ""
          ])
        })
      )

      it.effect("a second read after a part of it fails", () =>
        Effect.gen(function* () {
          const handle = yield* script(zeros(1_000_000))
          yield* Stream.runDrain(Stream.take(handle.stdout, 1))
          const { reason } = yield* Effect.flip(Stream.runDrain(handle.stdout))
          expect(reason).toMatchObject({ _tag: "Unknown", method: "fromReadable(stdout)" })
        })
      )

      it.effect("a second write to stdin fails", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("cat")
          yield* Stream.run(Stream.make(bytes("one")), handle.stdin)
          const { reason } = yield* Effect.flip(Stream.run(Stream.make(bytes("two")), handle.stdin))
          expect(reason).toMatchObject({ _tag: "Unknown", module: "ChildProcess", method: "fromWritable(stdin)" })
          expect(yield* text(handle.stdout)).toBe("one")
        })
      )

      it.effect("without endOnDone stdin stays open for the next write", () =>
        Effect.gen(function* () {
          const stdin = { stream: Stream.make(bytes("one,")), endOnDone: false }
          const handle = yield* ChildProcess.make("head", ["-c", "12"], { stdin })
          yield* Stream.run(Stream.make(bytes("two,")), handle.stdin)
          yield* Stream.run(Stream.make(bytes("end,")), handle.stdin)
          expect((yield* text(handle.stdout)).split(",").sort()).toEqual(["", "end", "one", "two"])
        })
      )

      it.effect("an interrupted writer closes stdin", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("cat")
          const line = yield* linesOf(handle.stdout)
          const writing = yield* Effect.forkChild(
            Stream.run(Stream.concat(Stream.make(bytes("line\n")), Stream.never), handle.stdin)
          )
          expect(yield* line).toBe("line")
          yield* Fiber.interrupt(writing)
          expect(yield* handle.exitCode).toBe(0)
        })
      )

      it.effect("all has what both wrote", () =>
        Effect.gen(function* () {
          const handle = yield* script("echo out; echo err >&2; echo out")
          const lines = (yield* text(handle.all)).trim().split("\n")
          expect(lines.sort()).toEqual(["err", "out", "out"])
        })
      )

      it.effect("several megabytes pass both ways", () =>
        Effect.gen(function* () {
          const size = 8_000_000
          const handle = yield* ChildProcess.make("cat", { stdin: Stream.make(new Uint8Array(size)) })
          expect(yield* sizeOf(handle.stdout)).toBe(size)
        })
      )
    })

    describe("13. an input stream", () => {
      it.effect("that fails fails exitCode at once, before the status", () =>
        Effect.gen(function* () {
          const gate = yield* Deferred.make<void>()
          const stdin = Stream.concat(Stream.fromEffectDrain(Deferred.await(gate)), Stream.fail(error))
          const handle = yield* ChildProcess.make("sleep", ["1000"], { stdin })
          const waiting = yield* Effect.forkChild(Effect.flip(handle.exitCode), { startImmediately: true })
          yield* Deferred.succeed(gate, undefined)
          expect(yield* Fiber.join(waiting)).toBe(error)
          expect(yield* handle.isRunning).toBe(true)
        })
      )

      it.effect("that has failed fails exitCode also after the exit", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("cat", { stdin: Stream.fail(error) })
          expect(yield* text(handle.stdout)).toBe("")
          expect(yield* Effect.flip(handle.exitCode)).toBe(error)
        })
      )

      it.effect("of another descriptor does the same", () =>
        Effect.gen(function* () {
          const handle = yield* script("cat <&3", {
            additionalFds: { fd3: { type: "input", stream: Stream.fail(error) } }
          })
          expect(yield* Effect.flip(handle.exitCode)).toBe(error)
        })
      )

      it.effect("whose child does not read it is no failure", () =>
        Effect.gen(function* () {
          const stdin = Stream.forever(Stream.make(new Uint8Array(65_536)))
          const handle = yield* script("exec 0<&-; exit 4", { stdin })
          expect(yield* handle.exitCode).toBe(4)
        })
      )
    })

    describe("16. the rest of the options", () => {
      it.effect("overlapped is pipe", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("cat", {
            stdin: "overlapped",
            stdout: "overlapped",
            stderr: "overlapped"
          })
          yield* Stream.run(Stream.make(bytes("text")), handle.stdin)
          expect([yield* text(handle.stdout), yield* text(handle.stderr)]).toEqual(["text", ""])
        })
      )

      it.effect("descriptors that were not configured give an empty Stream and a Sink that drains", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("echo", {
            stdin: "ignore",
            additionalFds: { fd3: { type: "output" } }
          })
          for (const fd of [-1, 0, 1, 4, 1_000_000]) {
            expect(yield* text(handle.getOutputFd(fd))).toBe("")
            yield* Stream.run(Stream.make(bytes("dropped")), handle.getInputFd(fd))
          }
          yield* Stream.run(Stream.make(bytes("dropped")), handle.getInputFd(3))
          yield* Stream.run(Stream.make(bytes("dropped")), handle.stdin)
          expect(yield* text(handle.stdout)).toBe("\n")
        })
      )

      it.effect("ignore is /dev/null", () =>
        Effect.gen(function* () {
          const handle = yield* script("cat; echo lost; echo lost >&2", {
            stdin: "ignore",
            stdout: "ignore",
            stderr: "ignore"
          })
          expect(yield* handle.exitCode).toBe(0)
          expect(yield* text(handle.all)).toBe("")
        })
      )

      it.effect("further descriptors go one way each, with gaps between them", () =>
        Effect.gen(function* () {
          const handle = yield* script("cat <&3 >&5; [ -e /dev/fd/4 ] || echo gap", {
            additionalFds: { fd5: { type: "output" }, fd3: { type: "input" } }
          })
          yield* Stream.run(Stream.make(bytes("through")), handle.getInputFd(3))
          expect([yield* text(handle.getOutputFd(5)), yield* text(handle.stdout)]).toEqual(["through", "gap\n"])
        })
      )

      it.effect("the one-shots of the service work", () =>
        Effect.gen(function* () {
          const spawner = yield* ChildProcessSpawner
          const noisy = script(`${zeros(1_000_000, 2)}; seq 3; exit 6`)
          expect(yield* spawner.string(noisy)).toBe("1\n2\n3\n")
          expect(yield* spawner.lines(noisy)).toEqual(["1", "2", "3"])
          expect(yield* spawner.exitCode(noisy)).toBe(6)
        })
      )
    })

    it.effect("nothing is left open after the scope's close, read or unread", () =>
      Effect.gen(function* () {
        const command = script(`cat; ${zeros(100_000)}; echo x >&3`, {
          additionalFds: { fd3: { type: "output" }, fd4: { type: "input" }, fd5: { type: "duplex" } }
        })
        // Once before counting: what is opened lazily stays.
        yield* Effect.scoped(command)
        const before = readdirSync("/proc/self/fd").length
        yield* Effect.scoped(command)
        yield* Effect.scoped(
          Effect.tap(command, (handle) => Stream.runDrain(Stream.take(handle.stdout, 1)).pipe(Effect.forkScoped))
        )
        yield* Effect.scoped(
          Effect.tap(command, (handle) => Effect.andThen(Stream.run(Stream.empty, handle.stdin), handle.exitCode))
        )
        // A socket is closed by the event loop, when it has seen the end of it.
        while (readdirSync("/proc/self/fd").length > before) yield* turn
      })
    )
  })
}
