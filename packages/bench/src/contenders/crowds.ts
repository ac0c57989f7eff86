/**
 * The rounds of the benchmark with many processes at once: `hold` returns when so many run, and from then on each that ends is
 * started anew; `letGo` ends all of them.
 */

import { Nursery } from "@nursery/process"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import { stops } from "../harness/stops.ts"
import { serve } from "../harness/worker.ts"

export const serveCrowds = (
  hold: (program: string, count: number) => Effect.Effect<unknown, unknown, Nursery.Nursery | Scope.Scope>
): void => {
  const runtime = ManagedRuntime.make(Nursery.layer)
  let scope = Scope.makeUnsafe()
  serve(
    {
      ...stops(),
      hold: async (count = 0) => {
        scope = Scope.makeUnsafe()
        await runtime.runPromise(Scope.provide(hold(process.argv[2] ?? "", count), scope))
        return []
      },
      /** Seconds. */
      letGo: async () => {
        const begin = performance.now()
        await runtime.runPromise(Scope.close(scope, Exit.void))
        return [(performance.now() - begin) / 1000]
      }
    },
    () => runtime.dispose()
  )
}
