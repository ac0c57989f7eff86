/** Waiting for output: what is found, what is left, and what the errors say. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { describe } from "vitest"
import * as Expect from "../../src/Expect.ts"
import { failure } from "./support.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Output that comes when the test says so. */
const source = Effect.gen(function* () {
  const queue = yield* Queue.unbounded<Uint8Array, Error | import("effect/Cause").Done>()
  return {
    output: Stream.fromQueue(queue),
    comes: (text: string | Uint8Array) => Queue.offer(queue, typeof text === "string" ? bytes(text) : text),
    end: Queue.end(queue),
    fail: (error: Error) => Queue.fail(queue, error)
  }
})

const of = (...chunks: ReadonlyArray<string>) => Stream.fromIterable(chunks.map(bytes))

describe("until", () => {
  it.effect("takes the output up to the end of what was found, and leaves the rest", () =>
    Effect.gen(function* () {
      const output = yield* Expect.make(of("login: pass", "word: wel", "come\n"))
      expect(yield* output.until("login: ")).toEqual({ text: "login: ", before: "", captures: [], groups: {} })
      expect(yield* output.until(/(?<what>p\w+): (w)/)).toEqual({
        text: "password: w",
        before: "",
        captures: ["password", "w"],
        groups: { what: "password" }
      })
      expect(yield* output.until("come")).toMatchObject({ before: "el", text: "come" })
      expect(yield* output.rest()).toBe("\n")
    })
  )

  it.effect("says which of several was found: the first in the output, then the first by name", () =>
    Effect.gen(function* () {
      const output = yield* Expect.make(of("b then a, ab"))
      const both = { a: "a", b: "b" } as const
      expect(yield* output.until(both)).toMatchObject({ pattern: "b", before: "" })
      expect(yield* output.until(both)).toMatchObject({ pattern: "a", before: " then " })
      expect(yield* output.until({ long: "ab", short: "a" })).toMatchObject({ pattern: "long" })
      expect(yield* output.until({ prompt: "$ ", gone: Expect.end })).toMatchObject({ pattern: "gone", before: "" })
    })
  )

  it.effect("finds what comes in pieces, also in the middle of a character", () =>
    Effect.gen(function* () {
      const { comes, end, output } = yield* source
      const reader = yield* Expect.make(output)
      const found = yield* Effect.forkChild(reader.until("größe: €"), { startImmediately: true })
      for (const byte of bytes("größe: €uro")) yield* comes(Uint8Array.of(byte))
      expect(yield* Fiber.join(found)).toMatchObject({ text: "größe: €", before: "" })
      yield* comes(bytes("€").subarray(0, 1))
      yield* end
      expect(yield* reader.rest()).toBe("uro\ufffd")
    })
  )

  it.effect("is not led astray by a pattern that remembers where it was", () =>
    Effect.gen(function* () {
      const output = yield* Expect.make(of("x1 x2 x3"))
      const pattern = /x(\d)/gy
      pattern.lastIndex = 5
      for (const number of ["1", "2", "3"])
        expect((yield* output.until(new RegExp(pattern))).captures).toEqual([number])
    })
  )

  it.effect("serves those who wait at the same time one after the other", () =>
    Effect.gen(function* () {
      const { comes, output } = yield* source
      const reader = yield* Expect.make(output)
      const all = yield* Effect.forkChild(
        Effect.all([reader.until(/.\n/), reader.until(/.\n/), reader.until(/.\n/)], { concurrency: 3 }),
        { startImmediately: true }
      )
      yield* comes("1\n2\n")
      yield* comes("3\n")
      expect((yield* Fiber.join(all)).map(({ text }) => text)).toEqual(["1\n", "2\n", "3\n"])
    })
  )

  it.effect("fails when its time is over, shows what came instead, and loses nothing of that", () =>
    Effect.gen(function* () {
      const { comes, output } = yield* source
      const reader = yield* Expect.make(output, { timeout: "1 minute" })
      for (const [timeout, least] of [
        [undefined, "1 minute"],
        ["5 seconds", "5 seconds"]
      ] as const) {
        yield* comes("something else\n")
        const waiting = yield* Effect.forkChild(
          Effect.exit(reader.until({ a: "prompt", b: /x{3}/ }, timeout === undefined ? {} : { timeout })),
          { startImmediately: true }
        )
        yield* TestClock.adjust(least)
        const error = failure(yield* Fiber.join(waiting))
        expect(error).toMatchObject({ _tag: "ExpectError", reason: { _tag: "ExpectTimeout" } })
        expect(error?.message).toContain('expected "prompt" or /x{3}/: it did not come within')
        expect(error?.message).toContain('the last output is "something else\\n')
      }
      expect(yield* reader.pending).toBe("something else\nsomething else\n")
      expect(yield* reader.pending).toBe("")
    })
  )

  it.effect("loses nothing when it is interrupted", () =>
    Effect.gen(function* () {
      const { comes, output } = yield* source
      const reader = yield* Expect.make(output)
      const waiting = yield* Effect.forkChild(reader.until("never"), { startImmediately: true })
      yield* comes("here")
      yield* Fiber.interrupt(waiting)
      expect(yield* reader.until("here")).toMatchObject({ before: "" })
    })
  )

  it.effect("fails at the end of the output, and with its failure after what came before that", () =>
    Effect.gen(function* () {
      const ended = yield* Expect.make(of("last words"))
      const error = failure(yield* Effect.exit(ended.until("more")))
      expect(error).toMatchObject({ reason: { _tag: "ExpectEnd" }, expected: ['"more"'], output: "last words" })
      expect(error?.message).toBe('expected "more": the output ended before it came; the last output is "last words"')
      const { comes, fail, output } = yield* source
      const reader = yield* Expect.make(output)
      yield* comes("last words")
      const problem = new Error("broken")
      yield* fail(problem)
      expect(failure(yield* Effect.exit(reader.until({ more: "more", end: Expect.end })))).toBe(problem)
      expect(yield* reader.until("words")).toMatchObject({ before: "last " })
      const empty = yield* Expect.make(Stream.empty)
      expect(failure(yield* Effect.exit(empty.until("x")))?.message).toContain("there is no output")
    })
  )

  it.effect("keeps no more than its buffer: who waits is told, and the writer waits", () =>
    Effect.gen(function* () {
      const read = yield* Ref.make(0)
      const endless = Stream.fromEffectRepeat(
        Effect.as(
          Ref.update(read, (count) => count + 1),
          bytes("0123456789")
        )
      )
      const reader = yield* Expect.make(endless, { buffer: 100 })
      const error = failure(yield* Effect.exit(reader.until("x")))
      expect(error).toMatchObject({ reason: { _tag: "ExpectOverflow", limit: 100 } })
      expect(error?.output.length).toBe(100)
      expect(yield* Ref.get(read)).toBe(10)
      expect((yield* reader.pending).length).toBe(100)
      expect(yield* reader.until("9")).toMatchObject({ before: "012345678" })
      expect(failure(yield* Effect.exit(reader.until("x")))).toMatchObject({ reason: { _tag: "ExpectOverflow" } })
    })
  )
})

describe("a dialogue", () => {
  it.effect("writes what is sent in its order, and ends the input when it is asked to", () =>
    Effect.gen(function* () {
      const written = yield* Ref.make("")
      const write = (chunk: Uint8Array) => Ref.update(written, (all) => all + new TextDecoder().decode(chunk))
      const input = Sink.forEach(write)
      const { endInput, send } = yield* Expect.dialogue({ output: Stream.never, input })
      yield* send("one ")
      yield* send(bytes("two "))
      yield* send("three")
      yield* endInput
      expect(yield* Ref.get(written)).toBe("one two three")
    })
  )

  it.effect("fails as its input does", () =>
    Effect.gen(function* () {
      const { endInput, send } = yield* Expect.dialogue({ output: Stream.never, input: Sink.fail("closed" as const) })
      expect(failure(yield* Effect.exit(endInput))).toBe("closed")
      expect(failure(yield* Effect.exit(send("x")))).toBe("closed")
    })
  )
})
