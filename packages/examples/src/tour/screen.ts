/**
 * What the tour shows: plain lines of at most 80 columns, with colours and movement only on a terminal.
 */

import { styleText } from "node:util"
import * as Effect from "effect/Effect"

const { stdout } = process

export const style = (format: "bold" | "dim" | "green" | "red" | "cyan", text: string): string =>
  styleText(format, text, { stream: stdout })

export const print = (...lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.sync(() => {
    stdout.write(lines.map((line) => `${line}\n`).join(""))
  })

export const heading = (text: string): Effect.Effect<void> => print("", style("bold", text), "")

/** Time to read, where somebody reads along. */
export const pause: Effect.Effect<void> = stdout.isTTY ? Effect.sleep("500 millis") : Effect.void

const repetitions = 5

/** Shows what changes: on a terminal in the same place for a second, else once. */
export const watch = <E, R>(frame: Effect.Effect<ReadonlyArray<string>, E, R>): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    const first = yield* frame
    yield* print(...first)
    let height = first.length
    for (let shown = 1; stdout.isTTY && height < stdout.rows && shown < repetitions; shown++) {
      yield* Effect.sleep("250 millis")
      const lines = yield* frame
      stdout.write(`\x1b[${height}A\x1b[J`)
      yield* print(...lines)
      height = lines.length
    }
  })

export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`
