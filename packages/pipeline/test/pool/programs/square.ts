/** A worker on Effect: squares numbers, in the form that it is told, and prints other things meanwhile. */
import { Codec, Worker } from "@nursery/pipeline"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const square = (n: number) => Effect.as(Console.log(`computing the square of ${n}`), n * n)

const list = Schema.Array(Schema.Finite)

const sides = {
  stdio: () => Worker.serve({ request: Schema.Finite, response: Schema.Finite }, square),
  socketpair: () => Worker.serve({ request: Schema.Finite, response: Schema.Finite, transport: "socketpair" }, square),
  lists: () => Worker.serve({ request: list, response: list }, (all) => Effect.forEach(all, square)),
  lengthPrefixed: () => {
    const codec = Codec.lengthPrefixed(Schema.Finite)
    return Worker.serve({ request: codec, response: codec, concurrency: 4 }, square)
  },
  binary: () => {
    const codec = Codec.binary(Schema.Finite)
    return Worker.serve({ request: codec, response: codec }, square)
  }
}

const isSide = (name: string): name is keyof typeof sides => name in sides

const name = process.argv[2] ?? ""
if (!isSide(name)) throw new Error(`there is no ${name}`)
await Effect.runPromise(sides[name]())
