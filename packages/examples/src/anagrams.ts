/**
 * The anagrams of a dictionary. The sorting is left to sort(1), which has no need of memory for all of it; what is between are typed stages.
 */
import { existsSync } from "node:fs"
import { Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery, Stdio } from "@nursery/process"
import { Console, Effect, Schema, Stream } from "effect"

const dictionary = "/usr/share/dict/words" // Debian: wamerican and others
const few = "enlist\ngoogol\ninlets\nlisten\npirates\nsilent\ntinsel\ntraipse\n"

const bytewise = { LC_ALL: "C" }
const Word = Schema.Struct({ key: Schema.String, word: Schema.String })
const table = Codec.csv(Word, { header: false, newline: "\n" })

const words = existsSync(dictionary) ? Pipeline.from(Stdio.read(dictionary)) : Pipeline.from(few)

const anagrams = words.pipe(
  Pipeline.process("lower", Command.make("grep", ["-x", "[a-z]*"], { env: bytewise })),
  Pipeline.decode("words", Codec.lines()),
  Pipeline.map("key", (word) => ({ key: [...word].sort().join(""), word })),
  Pipeline.encode("table", table),
  Pipeline.process("sort", Command.make("sort", [], { env: bytewise })),
  Pipeline.decode("sorted", table),
  // Neighbours of the same letters become one group.
  Pipeline.transform("groups", (sorted) => Stream.groupAdjacentBy(sorted, ({ key }) => key)),
  Pipeline.map("anagrams", ([, group]) => group.map(({ word }) => word)),
  Pipeline.filter("several", (group) => group.length >= 4)
)

const program = Effect.gen(function* () {
  const [most = []] = (yield* Pipeline.collect(anagrams)).sort((one, other) => other.length - one.length)
  yield* Console.log(most.join(" "))
})

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
