/**
 * What the contenders that are Effects have in common.
 */
import * as Effect from "effect/Effect"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import type { Starter } from "./rounds.ts"

export const starterOf = <R, RE, E>(
  runtime: ManagedRuntime.ManagedRuntime<R, RE>,
  one: Effect.Effect<boolean, E, R>
): Starter => ({
  one: () => runtime.runPromise(one),
  many: async (count, parallel) => {
    let succeeded = 0
    const counted = Effect.map(one, (success) => {
      if (success) succeeded++
    })
    const all = Effect.forEach(Array.from({ length: count }), () => counted, { concurrency: parallel, discard: true })
    await runtime.runPromise(all)
    return succeeded
  }
})
