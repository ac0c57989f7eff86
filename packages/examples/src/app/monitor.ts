/**
 * Asks the server again and again how much there is to do, and tells it whenever that has changed.
 */
import * as Effect from "effect/Effect"

export const monitor = (url: string) =>
  Effect.gen(function* () {
    let last = ""
    while (true) {
      const text = yield* Effect.tryPromise((signal) => fetch(url, { signal }).then((response) => response.text()))
      if (text !== last) yield* Effect.logInfo(text.trim())
      last = text
      yield* Effect.sleep("200 millis")
    }
  })
