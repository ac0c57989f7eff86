/** The floor for everything that has errors or data with a Schema. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

await Effect.runPromise(Effect.sync(() => process.stdout.write(`ready ${typeof Schema.String}\n`)))
