/**
 * A program written against Effect's own `effect/process`. The last line gives it the guarantees of a nursery.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Nursery } from "@nursery/process"
import { Console, Effect, Layer } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

const program = Effect.gen(function* () {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const words = ChildProcess.make("printf", ["%s\\n", "pear", "apple", "pear"])
  const counts = words.pipe(
    ChildProcess.pipeTo(ChildProcess.make("sort")),
    ChildProcess.pipeTo(ChildProcess.make("uniq", ["-c"]))
  )
  yield* Console.log(yield* spawner.string(counts))
})

// NodeServices has a spawner of its own, so ours is provided nearer to the program.
const nursery = Nursery.layerChildProcessSpawner.pipe(Layer.provide(Nursery.layer))

await Effect.runPromise(program.pipe(Effect.provide(nursery), Effect.provide(NodeServices.layer)))
