import { Command, Nursery } from "@nursery/process"
import { Child, Ready, Restart, Supervisor } from "@nursery/supervisor"
import { Effect, Schedule } from "effect"

const script = `
  const server = require("node:http").createServer((_, response) => response.end("hello"))
  server.listen(0, "127.0.0.1", () => console.log("listening on port " + server.address().port))
`
const web = Child.process("web", Command.make("node", ["--eval", script]), {
  ready: Ready.log(/on port (\d+)/).pipe(Ready.map((match) => Number(match[1]))), // what those after it get
  restart: Restart.always({ schedule: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 5 })) })
})
const ask = (port: number) => Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}`).then((reply) => reply.text()))
const client = Child.effect("client", ({ web }) => ask(web), { after: [web], significant: true })

const app = Supervisor.make("app", [web, client])
console.log(await Effect.runPromise(Supervisor.run(app).pipe(Effect.provide(Nursery.layer))))
