/**
 * Brings what the store holds to what this version of the application expects.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { call } from "./store.ts"

/** The store has been used by a newer version of the application, and this one would not understand it. */
export class TooNew extends Data.TaggedError("TooNew")<{ readonly found: number; readonly known: number }> {
  override get message(): string {
    return `the store is of version ${this.found}, and this application knows ${this.known} at most`
  }
}

/** What leads from each version to the next one. */
const steps: ReadonlyArray<(socket: string) => ReturnType<typeof call>> = [
  (socket) => call(socket, "SET", "last id", "0"),
  // Version 1 did not count what was done.
  (socket) => call(socket, "SET", "done", "0")
]

/** Can be repeated wherever it has failed: each step is marked when it is done. */
export const migrate = (socket: string) =>
  Effect.gen(function* () {
    const found = Number(yield* call(socket, "GET", "version"))
    if (found > steps.length) return yield* new TooNew({ found, known: steps.length })
    for (const [version, step] of steps.entries()) {
      if (version < found) continue
      yield* step(socket)
      yield* call(socket, "SET", "version", String(version + 1))
    }
    return { from: found, to: steps.length }
  })
