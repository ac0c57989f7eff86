/**
 * Two processes on a pair of sockets: each can read what the other writes, and that the other has ended.
 */
import { Command, Fd, Nursery, Process } from "@nursery/process"
import { Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const [left, right] = yield* Fd.socketpair()
  const script = "while read name; do echo hello $name; done"
  const server = yield* Process.spawn(
    Command.make("sh", ["-c", script], { stdin: Fd.give(left), stdout: Fd.give(left) })
  )
  const client = Command.make("sh", ["-c", "echo world >&3; read answer <&3; echo $answer"], {
    fds: { 3: Fd.give(right) }
  })
  yield* Console.log((yield* Process.string(client)).trim())
  // The client has ended, so the server reads the end of file, and ends by itself.
  const { status } = yield* server.exit
  yield* Console.log("and the server:", status._tag)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Nursery.layer)))
