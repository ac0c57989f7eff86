/**
 * Services without a supervisor: each is started anew when it ends, for ever. The least that a supervisor on Nursery can cost.
 */
import { Command, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import { untilAsked } from "./until_asked.ts"

const [, , program = "", services] = process.argv

const service = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })
const once = Effect.scoped(Effect.flatMap(Process.spawn(service), (running) => running.exit))
const all = Effect.forEach(Array.from({ length: Number(services) }), () => Effect.forever(once), {
  concurrency: "unbounded",
  discard: true
})

untilAsked(Effect.provide(all, Nursery.layer))
