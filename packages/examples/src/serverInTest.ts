/**
 * A service whose life is a process: a server for a test, started with the layer and ended with it.
 */
import { Command, Nursery, Process } from "@nursery/process"
import { Console, Context, Effect, Layer, Option, Stream } from "effect"

const script = `
  const server = require("node:http").createServer((_, response) => response.end("hello"))
  server.listen(0, "127.0.0.1", () => console.log(server.address().port))
`

class Server extends Context.Service<Server, { readonly url: string }>()("Server") {
  static readonly layer = Process.layer(
    Server,
    Command.make("node", ["--eval", script], { stdout: "pipe" }),
    // The layer is there when the server has said its port, not earlier.
    Effect.fnUntraced(function* (process) {
      const port = yield* process.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.runHead)
      return { url: `http://127.0.0.1:${Option.getOrThrow(port)}/` }
    })
  )
}

const test = Effect.gen(function* () {
  const { url } = yield* Server
  const text = yield* Effect.promise(() => fetch(url).then((response) => response.text()))
  yield* Console.log(`the server says ${text}`)
})

await Effect.runPromise(test.pipe(Effect.provide(Server.layer.pipe(Layer.provide(Nursery.layer)))))
