/** Asks for many processes at once and leaves by `process.exit` when the first of them is there. */
import * as Effect from "effect/Effect"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play } from "./stage.ts"

const one = Process.spawn(play("fork { setsid fork { close sleep } exit 0 } wait sleep"))
const exit = Effect.sync(() => process.exit(5))

const main = Effect.all(
  Array.from({ length: 100 }, (_, index) => (index === 0 ? Effect.andThen(one, exit) : one)),
  { concurrency: "unbounded" }
).pipe(Effect.andThen(Effect.never), Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
