/**
 * A program that reads two streams at a time, as `comm <(one) <(two)` of bash: what one list of services has and the other has not.
 */
import { Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Console, Effect } from "effect"

// Names are known to the whole: each of the two has a stage "...", and no name is there twice.
const wanted = Pipeline.from("web\ndb\nmail\n").pipe(Pipeline.process("sort wanted", Command.make("sort")))
const running = Pipeline.from("ps", Command.make("printf", ["%s\\n", "sshd", "web", "db"])).pipe(
  Pipeline.process("sort running", Command.make("sort"))
)

const missing = Pipeline.join("compare", Command.make("comm", ["-23", "/dev/fd/3", "/dev/fd/4"]), {
  3: wanted,
  4: running
})

const program = Effect.gen(function* () {
  yield* Console.log(`not running: ${(yield* Pipeline.string(missing)).trim()}`)

  // A failure in one of them is one of the pipeline, unlike in bash, where nobody hears of it.
  const broken = Pipeline.join("compare", Command.make("comm", ["/dev/fd/3", "/dev/fd/4"], { stderr: "null" }), {
    3: wanted,
    4: Pipeline.from("list", Command.make("sh", ["-c", "exit 3"]))
  })
  yield* Pipeline.string(broken).pipe(Effect.catchTag("StageFailed", ({ message }) => Console.log(message)))
})

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
