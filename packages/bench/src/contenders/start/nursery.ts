/** The whole package, imported; then the keeper has answered, and ends again. */
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"

await Effect.runPromise(
  Effect.provide(
    Effect.flatMap(Nursery.Nursery, () => Effect.sync(() => process.stdout.write("ready\n"))),
    Nursery.layer
  )
)
