/**
 * A pipeline that is watched while it runs.
 */
import { Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Effect } from "effect"

const pack = Pipeline.from("zeros", Command.make("head", ["-c", "20000000", "/dev/zero"])).pipe(
  Pipeline.process("gzip", Command.make("gzip")),
  Pipeline.process("count", Command.make("wc", ["-c"], { stdout: "null" }))
)

const program = Effect.gen(function* () {
  const running = yield* Pipeline.start(pack, { every: "100 millis" })
  // On a terminal each look takes the place of the last one; elsewhere there is the last look only.
  yield* Pipeline.showProgress(running, process.stdout)
  yield* running.await
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
