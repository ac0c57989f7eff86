/** Which levels of containment this machine has, for tests that need one. */
import * as Effect from "effect/Effect"
import type { Level } from "../../src/Backend.ts"
import * as Nursery from "../../src/Nursery.ts"

const { levels } = await Effect.runPromise(Nursery.guarantees.pipe(Effect.provide(Nursery.layer)))

/** What a test that needs a level adds to its name: nothing, or that it is skipped and why. */
export const because = (level: Level): string => {
  const reason = levels.find((known) => known.level === level)?.reason ?? "it is not known"
  return reason === "" ? "" : ` (skipped: ${reason})`
}
