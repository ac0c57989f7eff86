/**
 * A program that looks at its own log: written as JSON, packed when it is done, and read again as typed records.
 */
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery, Stdio } from "@nursery/process"
import { Console, Effect, Layer, Logger, Schema } from "effect"

const log = join(tmpdir(), `own-${process.pid}.log`)

// What has to be done, and what is logged of it.
const work = Effect.forEach(
  Array.from({ length: 1000 }, (_, n) => n),
  (n) =>
    n % 250 === 7
      ? Effect.logWarning("slow").pipe(Effect.annotateLogs("milliseconds", n * 3))
      : Effect.logInfo("done").pipe(Effect.annotateLogs("milliseconds", n % 10)),
  { discard: true }
)
const toFile = Logger.layer([Logger.toFile(Logger.formatJson, log)]).pipe(Layer.provide(NodeServices.layer))

const Entry = Schema.Struct({
  level: Schema.String,
  message: Schema.String,
  annotations: Schema.Struct({ milliseconds: Schema.Int })
})

const slow = Pipeline.from(Stdio.read(`${log}.gz`)).pipe(
  Pipeline.process("unpack", Command.make("gzip", ["-dc"])), // reads the file itself
  Pipeline.process("warnings", Command.make("grep", ["-F", '"WARN"'])), // what need not be parsed
  Pipeline.decode("entries", Codec.ndjson(Entry)),
  Pipeline.map("times", ({ annotations }) => annotations.milliseconds)
)

const program = Effect.gen(function* () {
  yield* Effect.provide(work, toFile)
  yield* Pipeline.from(Stdio.read(log)).pipe(
    Pipeline.process("pack", Command.make("gzip")),
    Pipeline.toSink(Stdio.truncate(`${log}.gz`))
  )
  yield* Console.log(`slow: ${(yield* Pipeline.collect(slow)).join(", ")} ms`)
}).pipe(
  Effect.ensuring(
    Effect.sync(() => {
      for (const file of [log, `${log}.gz`]) rmSync(file, { force: true })
    })
  )
)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
