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
const through = (bytes: number, block: number, session: Command.Session) =>
  Pipeline.from("produce", Command.make(producer, [String(bytes), String(block)], { session })).pipe(
    Pipeline.process("cat", Command.make("cat", [], { session })),
    Pipeline.process("wc", Command.make("wc", ["-c"], { session })),
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

/** Resident memory in kB, at its most up to each of the `marks`, while a file goes through as often as it takes: marks in records. */
const peaks = async (size = 0, ...marks: ReadonlyArray<number>) => {
  const figures = marks.map(() => 0)
  let passed = 0
  const look = () => {
    const index = marks.findIndex((mark) => passed < mark)
    if (index >= 0) figures[index] = Math.max(figures[index] ?? 0, process.memoryUsage.rss() / 1024)
  }
  const copies = Math.ceil((marks.at(-1) ?? 0) / size)
  const counted = Pipeline.from(
    "cat",
    Command.make(
      "cat",
      Array.from({ length: copies }, () => file)
    )
  ).pipe(
    Pipeline.decode("decode", events),
    Pipeline.map("count", (event) => {
      passed++
      return event
    }),
    Pipeline.encode("encode", events),
    Pipeline.process("wc", Command.make("wc", ["-lc"])),
    Pipeline.string,
    Effect.map(countsOf)
  )
  const timer = setInterval(look, 20)
  const [lines = 0] = await runtime.runPromise(counted)
  clearInterval(timer)
  if (lines !== copies * size) throw new Error(`wc counted ${lines} lines`)
  return figures
}

await runtime.context()
serve(
  {
    pipeline: timed((bytes, block) => runtime.runPromise(through(bytes, block, "new"))),
    pipelineInSession: timed((bytes, block) => runtime.runPromise(through(bytes, block, "group"))),
    peaks,
    records: async () => {
      const begin = performance.now()
      const counts = await runtime.runPromise(records)
      return [(performance.now() - begin) / 1000, ...counts]
    }
  },
  () => runtime.dispose()
)
