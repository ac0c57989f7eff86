/** The floor for everything that is written with Effect. */
import * as Effect from "effect/Effect"

await Effect.runPromise(Effect.sync(() => process.stdout.write("ready\n")))
