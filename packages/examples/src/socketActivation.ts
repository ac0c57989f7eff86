/**
 * A server whose restart refuses nobody: the socket is there before it, and after it.
 */
import * as net from "node:net"
import { Command, Fd, Nursery, Process } from "@nursery/process"
import { Console, Effect } from "effect"

const ask = (port: number) =>
  Effect.callback<string>((resume) => {
    net.connect(port).once("data", (chunk) => resume(Effect.succeed(chunk.toString())))
  })

const program = Effect.gen(function* () {
  const http = yield* Fd.listen({ tcp: 0 })
  const port = http.address._tag === "Tcp" ? http.address.port : 0
  const script = 'require("node:net").createServer((socket) => socket.end("served")).listen({ fd: 3 })'
  const server = Command.make("node", ["-e", script], { activation: { http } })
  for (const life of ["first", "second"]) {
    // When the question is asked, nobody is there yet to answer it.
    const asked = Effect.all([ask(port), Process.spawn(server)], { concurrency: 2 })
    const [answer] = yield* Effect.scoped(asked)
    yield* Console.log(`${life} life: ${answer}`)
  }
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Nursery.layer)))
