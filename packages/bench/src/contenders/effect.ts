/**
 * Effect's `ChildProcess` on its own spawner for Node.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { serve } from "../harness/worker.ts"
import { starterOf } from "./effects.ts"
import { timed } from "./flows.ts"
import { spawnRounds } from "./rounds.ts"
import * as Through from "./through.ts"

const runtime = ManagedRuntime.make(NodeServices.layer)

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
