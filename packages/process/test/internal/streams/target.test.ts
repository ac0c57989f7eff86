/** The writing end of a pipe. */
import { closeSync, writeSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Source } from "../../../src/internal/streams/source.ts"
import { Target } from "../../../src/internal/streams/target.ts"
import * as Pipe from "./pipe.ts"

const make = (handle: number, endOnDone?: boolean) => new Target({ handle, onError: (errno) => ({ errno }), endOnDone })

const bytes = (text: string) => new TextEncoder().encode(text)

describe("Target", () => {
  it.live("writes and closes", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(reader)
      yield* Stream.run(Stream.make(bytes("a"), bytes("b")), make(writer).sink)
      expect(Pipe.take(reader).toString()).toBe("ab")
      expect(() => closeSync(writer)).toThrow("EBADF")
    })
  )

  it.live("needs no event loop for what the pipe takes at once", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(reader)
      const target = make(writer, false)
      yield* Stream.run(Stream.make(bytes("a")), target.sink)
      yield* Pipe.turn
      expect(Pipe.isWatched(writer)).toBe(false)
      target.close()
    })
  )

  it.live("writes thousands of chunks at once, in order", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(reader)
      const words = Array.from({ length: 5_000 }, (_, i) => `${i},`)
      yield* Stream.run(Stream.fromIterable(words.map(bytes)), make(writer).sink)
      expect(Pipe.take(reader).toString()).toBe(words.join(""))
    })
  )

  it.live("waits for the reader, whatever the sizes of the chunks", () =>
    Effect.gen(function* () {
      for (const size of [1_000, 65_536, 100_001, 1_000_000]) {
        const { reader, writer } = Pipe.open()
        const source = new Source({ handle: reader, name: "pipe", onError: (errno) => ({ errno }) })
        const chunks = Array.from({ length: Math.ceil(2_000_000 / size) }, (_, i) => Buffer.alloc(size, i))
        const write = Stream.run(Stream.fromIterable(chunks), make(writer).sink)
        const [, read] = yield* Effect.all([write, Stream.runCollect(source.stream)], { concurrency: 2 })
        expect(Buffer.concat(read).equals(Buffer.concat(chunks))).toBe(true)
      }
    })
  )

  it.live("is not done before the kernel has everything", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(reader)
      Pipe.fill(writer)
      const fiber = yield* Effect.forkChild(Stream.run(Stream.make(bytes("end")), make(writer).sink), {
        startImmediately: true
      })
      for (let i = 0; i < 5; i++) yield* Pipe.turn
      expect(fiber.pollUnsafe()).toBeUndefined()
      expect(Pipe.take(reader).toString()).not.toContain("end")
      yield* Fiber.join(fiber)
      expect(Pipe.take(reader).toString()).toContain("end")
    })
  )

  it.live("stays open where it is told to, and takes the next one", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(reader)
      const target = make(writer, false)
      yield* Stream.run(Stream.make(bytes("one ")), target.sink)
      yield* Stream.run(Stream.make(bytes("two")), target.sink)
      expect(target.isOpen).toBe(true)
      target.close()
      expect(Pipe.take(reader).toString()).toBe("one two")
      expect(yield* Effect.flip(Stream.run(Stream.make(bytes("three")), target.sink))).toEqual({ errno: "EPIPE" })
    })
  )

  it.live("fails with EPIPE where the reader is gone, at once or later", () =>
    Effect.gen(function* () {
      const gone = Pipe.open()
      closeSync(gone.reader)
      expect(yield* Effect.flip(Stream.run(Stream.make(bytes("x")), make(gone.writer).sink))).toEqual({
        errno: "EPIPE"
      })
      expect(() => closeSync(gone.writer)).toThrow("EBADF")

      const leaving = Pipe.open()
      Pipe.fill(leaving.writer)
      const fiber = yield* Effect.forkChild(Stream.run(Stream.make(bytes("x")), make(leaving.writer).sink), {
        startImmediately: true
      })
      yield* Pipe.turn
      closeSync(leaving.reader)
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail({ errno: "EPIPE" }))
      expect(() => closeSync(leaving.writer)).toThrow("EBADF")
    })
  )

  it.live("fails for who has nothing to write when it is closed", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(reader)
      const target = make(writer)
      const fiber = yield* Effect.forkChild(Stream.run(Stream.never, target.sink), { startImmediately: true })
      yield* Pipe.turn
      target.close("EIO")
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail({ errno: "EIO" }))
    })
  )

  it.live("is closed by a failure and by an interruption of its input, and is no cause of theirs", () =>
    Effect.gen(function* () {
      const failing = Pipe.open()
      yield* Pipe.closing(failing.reader)
      const target = make(failing.writer)
      const exit = yield* Effect.exit(
        Stream.run(Stream.concat(Stream.make(bytes("a")), Stream.fail("broken")), target.sink)
      )
      expect(exit).toEqual(Exit.fail("broken"))
      expect(Exit.isFailure(exit) && target.isCauseOf(exit.cause)).toBe(false)
      expect(() => writeSync(failing.writer, "x")).toThrow("EBADF")

      const interrupted = Pipe.open()
      yield* Pipe.closing(interrupted.reader)
      const fiber = yield* Effect.forkChild(Stream.run(Stream.never, make(interrupted.writer).sink), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      expect(() => writeSync(interrupted.writer, "x")).toThrow("EBADF")
    })
  )
})
