/** The least that a program with a nursery does: the keeper has answered, and ends again. */
import * as Nursery from "@nursery/process/Nursery"
import * as Effect from "effect/Effect"

await Effect.runPromise(
  Effect.provide(
    Effect.flatMap(Nursery.Nursery, () => Effect.sync(() => process.stdout.write("ready\n"))),
    Nursery.layer
  )
)
