/**
 * What is installed on this machine, as typed records: the list of packages that Debian keeps, summed up by section.
 */
import { Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Console, Effect, Order, Schema, Sink } from "effect"

const Package = Schema.Struct({ section: Schema.String, kibibytes: Schema.Int })

const list = Command.make("dpkg-query", ["-W", "-f", `\${Section}\t\${Installed-Size}\n`])

// A package that does not tell its size is a bad record, and the sums go on without it.
const sizes = Pipeline.from("list", list).pipe(
  Pipeline.decode("packages", Codec.csv(Package, { header: false, delimiter: "\t" }), { deadLetters: Sink.drain })
)

const bySection = Sink.fold(
  () => new Map<string, number>(),
  () => true,
  (sums, { kibibytes, section }: typeof Package.Type) =>
    Effect.sync(() => sums.set(section, (sums.get(section) ?? 0) + kibibytes))
)

const largest = Order.flip(Order.mapInput(Order.Number, ([, size]: readonly [string, number]) => size))

const program = sizes.pipe(
  Pipeline.toSink(bySection),
  Effect.flatMap(({ report, value }) =>
    Effect.gen(function* () {
      yield* Console.log(`${report.stages.packages.recordsOut} packages`)
      for (const [section, size] of [...value].sort(largest).slice(0, 3)) {
        yield* Console.log(`${section}: ${Math.round(size / 1024)} MiB`)
      }
    })
  ),
  // Where there is no Debian, there is nothing to count.
  Pipeline.catchStage("list", ({ error }) => Console.log(error.message))
)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
