/** The least that a program with Effect's own processes does. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"

await Effect.runPromise(
  Effect.provide(
    Effect.flatMap(ChildProcessSpawner, () => Effect.sync(() => process.stdout.write("ready\n"))),
    NodeServices.layer
  )
)
