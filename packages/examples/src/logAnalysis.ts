/**
 * A compressed log as typed records, and the pages that failed, counted by the tools that are made for it.
 */
import { Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Console, Effect, Schema, Stream } from "effect"

const Request = Schema.Struct({ page: Schema.String, status: Schema.Int })

// The log of a day.
const requests = Stream.range(1, 50_000).pipe(
  Stream.map((n) => ({ page: `/page/${n % 7}`, status: n % 1000 === 0 ? 500 : 200 }))
)

const failures = Pipeline.fromStream(requests).pipe(
  Pipeline.encode("log", Codec.ndjson(Request)),
  Pipeline.process("pack", Command.make("gzip")), // pack | unpack is a pipe of the kernel
  Pipeline.process("unpack", Command.make("gzip", ["-dc"])),
  Pipeline.decode("requests", Codec.ndjson(Request)),
  Pipeline.filter("failed", ({ status }) => status >= 500),
  Pipeline.map("page", ({ page }) => page),
  Pipeline.encode("pages", Codec.lines()),
  Pipeline.process("sort", Command.make("sort")),
  Pipeline.process("count", Command.make("uniq", ["-c"])),
  Pipeline.process("first", Command.make("sort", ["-rn"]))
)

const program = Effect.flatMap(Pipeline.string(failures), Console.log)
await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
