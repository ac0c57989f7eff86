/**
 * `@nursery/pipeline`.
 */
import { Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { serve } from "../harness/worker.ts"
import { producer, timed } from "./flows.ts"
import { countsOf, Event, file } from "./records.ts"

const runtime = ManagedRuntime.make(Nursery.layer)

/** `produce | cat | wc -c`: how many bytes `wc` has counted. */
const through = (bytes: number, block: number) =>
  Pipeline.from("produce", Command.make(producer, [String(bytes), String(block)])).pipe(
    Pipeline.process("cat", Command.make("cat")),
    Pipeline.process("wc", Command.make("wc", ["-c"])),
    Pipeline.string,
    Effect.map(Number)
  )

const events = Codec.ndjson(Event)

/** `cat file | decode | encode | wc -lc`: lines and bytes that `wc` has counted. */
const records = Pipeline.from("cat", Command.make("cat", [file])).pipe(
  Pipeline.decode("decode", events),
  Pipeline.encode("encode", events),
  Pipeline.process("wc", Command.make("wc", ["-lc"])),
  Pipeline.string,
  Effect.map(countsOf)
)

await runtime.context()
serve(
  {
    pipeline: timed((bytes, block) => runtime.runPromise(through(bytes, block))),
    records: async () => {
      const begin = performance.now()
      const counts = await runtime.runPromise(records)
      return [(performance.now() - begin) / 1000, ...counts]
    }
  },
  () => runtime.dispose()
)
