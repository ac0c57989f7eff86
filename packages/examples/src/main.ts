/**
 * The tour of Nursery, which `npm start` runs: it starts processes that usually leak, ends them in two ways, and proves from /proc that
 * nothing is left of them. Then it runs an application of several processes, and does to it what makes others fail. It exits with 0
 * only if all of that held.
 *
 * With `--portable` it does the same without the keeper, and shows what is left then. With `--store redis` the application keeps its
 * data in Redis.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import { applicationRecovers } from "./tour/application.ts"
import { ownerDies } from "./tour/ownerDies.ts"
import { noChildrenAreLeft, worst } from "./tour/proof.ts"
import { scopeCloses } from "./tour/scopeCloses.ts"
import { heading, print, seconds, style } from "./tour/screen.ts"

const args = process.argv.slice(2)
// What the application of the third part keeps its data in.
const store = args[args.indexOf("--store") + 1] === "redis" ? "redis" : "embedded"
const nursery = args.includes("--portable") ? Nursery.layerPortable : Nursery.layer

const tour = Effect.gen(function* () {
  if (process.platform !== "linux") return yield* Effect.fail("this tour reads /proc, which only Linux has")
  yield* print(style("bold", "Nursery: nothing that a scope started outlives it."))

  const first = yield* Effect.provide(scopeCloses, nursery)
  const second = yield* noChildrenAreLeft
  const third = yield* ownerDies(args)
  const fourth = yield* Effect.provide(applicationRecovers(store), nursery)
  const fifth = yield* noChildrenAreLeft
  return worst([first, second, third, fourth, fifth])
}).pipe(Effect.timeoutOrElse({ duration: "90 seconds", orElse: () => Effect.fail("it took longer than 90 seconds") }))

const main = Effect.gen(function* () {
  const verdict = yield* tour
  yield* heading(
    verdict === "held"
      ? `Everything held, in ${seconds(performance.now())}.`
      : "It did not hold: something was left, and has been killed now."
  )
  if (verdict === "broken") process.exitCode = 1
})

// Nobody reads any more, as in `npm start | head`. Whatever runs is ended all the same, which is the point of the tour.
process.stdout.on("error", () => process.exit(1))

NodeRuntime.runMain(
  Effect.catch(main, (error) =>
    Effect.sync(() => {
      console.error(`\nThe tour failed: ${typeof error === "string" ? error : error.message}`)
      process.exitCode = 1
    })
  )
)
