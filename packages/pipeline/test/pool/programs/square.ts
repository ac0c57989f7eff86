/** A worker on Effect: squares numbers, and prints nothing else. */
import { Worker } from "@nursery/pipeline"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const transport = process.argv[2] === "socketpair" ? "socketpair" : "stdio"

const square = (n: number) => Effect.succeed(n * n)

await Effect.runPromise(Worker.serve({ request: Schema.Finite, response: Schema.Finite, transport }, square))
