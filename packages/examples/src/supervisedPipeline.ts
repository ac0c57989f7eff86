/**
 * A pipeline as a child of a supervisor: when one of its processes is killed, all of it is started again.
 */
import { Pipeline } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import { Console, Effect, Stream } from "effect"

// It goes on until somebody ends it.
const follow = Pipeline.from("source", Command.make("sh", ["-c", "while :; do echo tick; sleep 0.1; done"])).pipe(
  Pipeline.process("filter", Command.make("grep", ["--line-buffered", "tick"])),
  Pipeline.process("load", Command.make("cat", [], { stdout: "null" }))
)

const { ready, run } = Pipeline.supervised(follow)
const load = Child.effect("import", run, { ready }) // ready when all three processes run

const processes = Effect.map(Nursery.processes, (all) =>
  all.map(({ command, pid }) => ({ pid, program: command.split(" ")[0] }))
)

const program = Effect.gen(function* () {
  const running = yield* Supervisor.start(Supervisor.make("app", [load]))
  const before = yield* processes
  yield* Console.log(`running: ${before.map(({ program }) => program).join(", ")}`)

  // The pipeline fails, what is left of it is ended, and it starts anew.
  const restarted = running.events.pipe(
    Stream.filter((event) => event._tag === "Changed" && event.status === "ready" && event.incarnation === 2),
    Stream.runHead
  )
  const kill = Effect.sync(() => process.kill(before[1]?.pid ?? 0, "SIGKILL"))
  yield* Effect.all([restarted, kill], { concurrency: 2 })

  const after = yield* processes
  const same = after.filter(({ pid }) => before.some((other) => other.pid === pid))
  yield* Console.log(`running again: ${after.map(({ program }) => program).join(", ")}; of before: ${same.length}`)
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
