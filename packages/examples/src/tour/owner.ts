/**
 * The second owner: a program that starts the same processes and then waits to be killed.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Cast from "./cast.ts"
import { print } from "./screen.ts"

const owner = Effect.gen(function* () {
  // Its environment, and so the mark in it, goes to everything that it starts.
  yield* Cast.start({})
  yield* print("ready")
  return yield* Effect.never
})

const nursery = process.argv.includes("--portable") ? Nursery.layerPortable : Nursery.layer

NodeRuntime.runMain(owner.pipe(Effect.scoped, Effect.provide(nursery)))
