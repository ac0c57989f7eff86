/**
 * What a process writes is compressed to a file, and counted on the way: three processes, and the report of each.
 */
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Pipeline } from "@nursery/pipeline"
import { Command, Nursery, Stdio } from "@nursery/process"
import { Console, Effect } from "effect"

const file = join(tmpdir(), `numbers-${process.pid}.gz`)
const count = Command.make("wc", ["-l"], { stdout: "inherit" })

const program = Pipeline.from("numbers", Command.make("seq", ["100000"])).pipe(
  Pipeline.tee("copy", (copy) => copy.pipe(Pipeline.process("count", count))),
  Pipeline.process("gzip", Command.make("gzip")),
  Pipeline.toSink(Stdio.truncate(file)), // gzip writes to it, no byte of it comes here
  Effect.flatMap(({ stages }) =>
    Effect.forEach(Object.values(stages), ({ bytesIn, name, outcome }) => Console.log(name, outcome, bytesIn ?? ""))
  ),
  Effect.ensuring(Effect.sync(() => rmSync(file, { force: true })))
)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
