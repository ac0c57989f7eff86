/** A server on a socket that the nursery holds: it is restarted again and again, and nobody who calls meanwhile is refused. */
import { connect } from "node:net"
import { expect, layer } from "@effect/vitest"
import { Command, Fd, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"

const restarts = 20
const callers = 3

// It answers with its pid, and when asked to end it answers those that it has accepted first.
const script = `
const server = require("node:net").createServer((socket) => socket.end(String(process.pid)))
server.listen({ fd: 3 })
process.on("SIGTERM", () => server.close(() => process.exit()))
`

/** What the server says, or the name of an error. */
const call = (port: number) =>
  Effect.callback<string>((resume) => {
    const socket = connect(port, "127.0.0.1")
    let said = ""
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    socket.on("error", (error) => resume(Effect.succeed("code" in error ? String(error.code) : "error")))
    socket.on("close", () => resume(Effect.succeed(said)))
    return Effect.sync(() => socket.destroy())
  })

layer(Nursery.layer, { excludeTestServices: true })("a server that is restarted", (it) => {
  it.effect(`${restarts} times under load refuses nobody`, () =>
    Effect.gen(function* () {
      const http = yield* Fd.listen({ tcp: 0 })
      const port = http.address._tag === "Tcp" ? http.address.port : 0
      const command = Command.make(process.execPath, ["-e", script], { activation: { http } })
      const server = Child.process("server", command, { ready: Ready.immediate, restart: Restart.always() })
      const running = yield* Supervisor.start(Supervisor.make("app", [server]))
      const answers: Array<string> = []
      const calling = Effect.forever(Effect.map(call(port), (answer) => answers.push(answer)))
      yield* Effect.forkScoped(
        Effect.all(
          Array.from({ length: callers }, () => calling),
          { concurrency: callers }
        )
      )
      for (let restart = 0; restart < restarts; restart++) {
        const before = yield* call(port)
        expect(before).toMatch(/^\d+$/)
        yield* running.child("server").restart
        // Asked while there is none, or before it can answer.
        let now = before
        while (now === before) now = yield* call(port)
        expect(now).toMatch(/^\d+$/)
      }
      expect(answers.filter((answer) => answer === "ECONNREFUSED")).toEqual([])
      expect(new Set(answers.filter((answer) => /^\d+$/.test(answer))).size).toBeGreaterThan(1)
    })
  )
})
