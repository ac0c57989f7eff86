/** The lines that a check waits for. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Lines } from "../../src/internal/shell/lines.ts"

const KIB = 1024

const second = (line: string): string | undefined => /^second (.*)/.exec(line)?.[1]

it.effect("a line is found that was said before, and one that is said later", () =>
  Effect.gen(function* () {
    const lines = new Lines()
    lines.say("stdout", "first")
    lines.say("stderr", "second here")
    lines.say("stdout", "second there")
    expect(yield* lines.first("both", second)).toBe("here")
    expect(yield* lines.first("stdout", second)).toBe("there")
    const waiting = yield* Effect.forkChild(
      lines.first("both", (line) => (line === "third" ? line : undefined)),
      { startImmediately: true }
    )
    for (let count = 0; count < 10_000; count++) lines.say("stdout", "x".repeat(KIB))
    lines.say("stdout", "third")
    // However much is said before whoever waits gets a turn.
    for (let count = 0; count < 10_000; count++) lines.say("stdout", "x".repeat(KIB))
    expect(yield* Fiber.join(waiting)).toBe("third")
  })
)

/** Which of the lines that were said are still looked at. */
const lookedAt = Effect.fnUntraced(function* (lines: Lines) {
  const seen: Array<string> = []
  const looking = yield* Effect.forkChild(
    lines.first("both", (line) => void seen.push(line)),
    { startImmediately: true }
  )
  yield* Fiber.interrupt(looking)
  return seen
})

it.effect.each([
  { title: "long", text: "x".repeat(64 * KIB), kept: 1 },
  { title: "of a kilobyte", text: "x".repeat(KIB), kept: 124 },
  { title: "empty", text: "", kept: 4096 }
])("256 KiB of lines that are $title are kept, the latest", ({ kept, text }) =>
  Effect.gen(function* () {
    const lines = new Lines()
    lines.say("stdout", "the oldest")
    for (let count = 0; count < 5_000; count++) lines.say("stdout", text)
    const seen = yield* lookedAt(lines)
    expect(seen.length).toBe(kept)
    expect(new Set(seen)).toEqual(new Set([text]))
  })
)

it.effect("nothing is kept of a child that is ready", () =>
  Effect.gen(function* () {
    const lines = new Lines()
    lines.say("stdout", "first")
    lines.forget()
    lines.say("stdout", "second")
    expect(yield* lookedAt(lines)).toEqual([])
  })
)
