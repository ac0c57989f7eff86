/**
 * Many processes by `Process.spawn` alone, each in a scope and a loop of its own.
 */
import { Command, Process } from "@nursery/process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { serveCrowds } from "./crowds.ts"

serveCrowds((program, count) => {
  const service = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })
  const one = Effect.gen(function* () {
    const started = yield* Deferred.make<void>()
    const life = Effect.gen(function* () {
      const running = yield* Process.spawn(service)
      yield* Deferred.succeed(started, undefined)
      yield* running.exit
    })
    yield* Effect.forkScoped(Effect.forever(Effect.scoped(life)))
    yield* Deferred.await(started)
  })
  return Effect.forEach(Array.from({ length: count }), () => one, { concurrency: 64, discard: true })
})
