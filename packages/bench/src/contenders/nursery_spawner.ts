/**
 * Effect's `ChildProcess` on Nursery's spawner: what a program gains that only swaps the layer.
 */
import { Nursery } from "@nursery/process"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { serve } from "../harness/worker.ts"
import { starterOf } from "./effects.ts"
import { timed } from "./flows.ts"
import { spawnRounds } from "./rounds.ts"
import * as Through from "./through.ts"

const runtime = ManagedRuntime.make(Layer.provide(Nursery.layerChildProcessSpawner, Nursery.layer))

await runtime.context()
serve(
  {
    ...spawnRounds(starterOf(runtime, Through.one)),
    read: timed((bytes, block) => runtime.runPromise(Through.read(bytes, block))),
    pipeline: timed((bytes, block) => runtime.runPromise(Through.pipeline(bytes, block))),
    records: async () => {
      const begin = performance.now()
      const counts = await runtime.runPromise(Through.records)
      return [(performance.now() - begin) / 1000, ...counts]
    }
  },
  () => runtime.dispose()
)
