import { Codec, Pipeline } from "@nursery/pipeline"
import { Command, Nursery, Stdio } from "@nursery/process"
import { Console, Effect, Schema } from "effect"

const User = Schema.Struct({ name: Schema.String, password: Schema.String, id: Schema.Int })

const users = Pipeline.from(Stdio.read("/etc/passwd")).pipe(
  Pipeline.process("first", Command.make`sort -t: -k3n`), // opens the file itself
  Pipeline.process("three", Command.make`cut -d: -f1-3`), // joined by a pipe of the kernel
  Pipeline.decode("users", Codec.csv(User, { header: false, delimiter: ":" })), // bytes become records here
  Pipeline.filter("system", ({ id }) => id < 2),
  Pipeline.mapEffect("print", ({ id, name }) => Console.log(`${name} is user ${id}`))
)

// Fails with StageFailed<"first", ProcessFailure>, StageFailed<"users", DecodeError> and so on: with what failed first.
const program = Effect.gen(function* () {
  const { stages } = yield* Pipeline.run(users)
  yield* Console.log(`${stages.users.recordsOut} users; sort was process ${stages.first.pid}`)
})

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
