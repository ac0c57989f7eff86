/** The reading end of a pipe. */
import { closeSync, openSync, writeSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Source } from "../../../src/internal/streams/source.ts"
import { Tail } from "../../../src/internal/streams/tail.ts"
import * as Pipe from "./pipe.ts"

const make = (handle: number | Socket, tail?: Tail) =>
  new Source({ handle, name: "stdout", onError: (errno) => ({ errno }), tail })

const text = (source: Source<{ readonly errno: string }>) => Stream.mkString(Stream.decodeText(source.stream))

/** Two sockets that are connected. */
const sockets = Effect.callback<readonly [Socket, Socket]>((resume) => {
  const path = join(tmpdir(), `nursery-${process.pid}-${Date.now()}`)
  const server = createServer()
  server.listen(path, () => {
    const ours = connect({ path, allowHalfOpen: true })
    server.once("connection", (theirs) => {
      server.close()
      resume(Effect.succeed([ours, theirs]))
    })
  })
})

describe("Source", () => {
  it.live("reads to the end", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      const source = make(reader)
      const fiber = yield* Effect.forkChild(text(source), { startImmediately: true })
      writeSync(writer, "one ")
      yield* Effect.yieldNow
      writeSync(writer, "two")
      closeSync(writer)
      expect(yield* Fiber.join(fiber)).toBe("one two")
      expect(source.isOpen).toBe(false)
    })
  )

  it.live("has nothing to do with the event loop until somebody reads, nor after that", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(writer)
      const source = make(reader)
      writeSync(writer, "text")
      yield* Pipe.turn
      expect(Pipe.isWatched(reader)).toBe(false)
      const fiber = yield* Effect.forkChild(Stream.runDrain(source.stream), { startImmediately: true })
      yield* Pipe.turn
      expect(Pipe.isWatched(reader)).toBe(true)
      yield* Fiber.interrupt(fiber)
      yield* Pipe.turn
      expect(Pipe.isWatched(reader)).toBe(false)
      expect(() => closeSync(reader)).toThrow("EBADF")
    })
  )

  it.live("gives chunks that stay as they are, large and small", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      const source = make(reader)
      const fiber = yield* Effect.forkChild(Stream.runCollect(source.stream), { startImmediately: true })
      const expected: Array<Buffer> = []
      for (let i = 0; i < 60; i++) {
        // In turn a few bytes, some pages, and all that the pipe holds.
        const chunk = Buffer.alloc([10, 20_000, 40_000, 65_536][i % 4] ?? 0, String.fromCharCode(65 + i))
        for (let at = 0; at < chunk.length; ) {
          try {
            at += writeSync(writer, chunk.subarray(at))
          } catch {
            yield* Pipe.turn
          }
        }
        expected.push(chunk)
      }
      closeSync(writer)
      const chunks = yield* Fiber.join(fiber)
      expect(Buffer.concat(chunks).equals(Buffer.concat(expected))).toBe(true)
    })
  )

  it.live("stops reading for a consumer that does not go on", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(writer)
      const source = make(reader)
      writeSync(writer, "first")
      yield* Effect.forkScoped(
        Stream.runForEach(source.stream, () => Effect.never),
        { startImmediately: true }
      )
      const chunk = Buffer.alloc(65_536)
      let written = 0
      // As long as it is emptied within a few turns, it is being read.
      for (let idle = 0; idle < 20; idle++) {
        yield* Pipe.turn
        try {
          written += writeSync(writer, chunk)
          idle = 0
        } catch {
          // It is full.
        }
        if (written > 10_000_000) break
      }
      expect(written).toBeGreaterThan(100_000)
      expect(written).toBeLessThan(1_000_000)
    })
  )

  it.live("reads at once what is there, and leaves it to the consumer", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      const tail = new Tail()
      const source = make(reader, tail)
      writeSync(writer, "early ")
      expect(source.readNow()).toBe(false)
      expect(tail.text()).toBe("early ")
      writeSync(writer, "late")
      closeSync(writer)
      expect(source.readNow()).toBe(true)
      expect(tail.text()).toBe("early late")
      expect(yield* text(source)).toBe("early late")
    })
  )

  it.live("ends where it is told to, with what is there", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(writer)
      const source = make(reader)
      const fiber = yield* Effect.forkChild(text(source), { startImmediately: true })
      writeSync(writer, "last")
      source.endNow()
      expect(yield* Fiber.join(fiber)).toBe("last")
      expect(() => writeSync(writer, "x")).toThrow("EPIPE")
    })
  )

  it.live("gives a consumer that waits what is there, and then its own error, when it is closed", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      yield* Pipe.closing(writer)
      const source = make(reader)
      const seen: Array<string> = []
      const read = source.stream.pipe(
        Stream.decodeText,
        Stream.runForEach((text) => Effect.sync(() => seen.push(text)))
      )
      const fiber = yield* Effect.forkChild(read, { startImmediately: true })
      writeSync(writer, "rest")
      source.close("ECANCELED")
      expect(yield* Fiber.await(fiber)).toEqual(Exit.fail({ errno: "ECANCELED" }))
      expect(seen).toEqual(["rest"])
    })
  )

  it.live("fails with the error of what cannot be read", () =>
    Effect.gen(function* () {
      const folder = openSync(tmpdir(), "r")
      const source = make(folder)
      expect(yield* Effect.flip(Stream.runDrain(source.stream))).toMatchObject({ errno: expect.stringMatching(/^E/) })
      expect(() => closeSync(folder)).toThrow("EBADF")
    })
  )

  it.live("lets a function take the bytes, in memory that is used again where it does not keep them", () =>
    Effect.gen(function* () {
      const { reader, writer } = Pipe.open()
      const source = make(reader)
      const seen: Array<string> = []
      const ended = Effect.callback<string | undefined>((resume) =>
        source.collect({
          keeps: false,
          bytes: (chunk) => seen.push(new TextDecoder().decode(chunk)) > 0,
          end: (errno) => resume(Effect.succeed(errno))
        })
      )
      const fiber = yield* Effect.forkChild(ended, { startImmediately: true })
      writeSync(writer, "all")
      closeSync(writer)
      expect(yield* Fiber.join(fiber)).toBeUndefined()
      expect(seen.join("")).toBe("all")
    })
  )

  it.live("reads a socket, and takes at once what was read ahead", () =>
    Effect.gen(function* () {
      const [ours, theirs] = yield* sockets
      const source = make(ours)
      theirs.write("sent ")
      yield* Effect.callback<void>((resume) => void ours.once("readable", () => resume(Effect.void)))
      expect(source.readNow()).toBe(false)
      const fiber = yield* Effect.forkChild(text(source), { startImmediately: true })
      theirs.end("more")
      expect(yield* Fiber.join(fiber)).toBe("sent more")
    })
  )

  it.live("ends where a socket had ended before anybody read it", () =>
    Effect.gen(function* () {
      for (const isDestroyed of [false, true]) {
        const [ours, theirs] = yield* sockets
        // Node has seen the end by itself, for nothing was there to be read.
        const ended = Effect.callback<void>((resume) => void ours.once("end", () => resume(Effect.void)))
        const waiting = yield* Effect.forkChild(ended, { startImmediately: true })
        theirs.end()
        yield* Fiber.join(waiting)
        if (isDestroyed) ours.destroy()
        const source = make(ours)
        yield* Pipe.turn
        expect(yield* text(source)).toBe("")
        ours.destroy()
      }
    })
  )
})
