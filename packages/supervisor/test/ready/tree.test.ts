/** Readiness and liveness of children of trees that run. */
import { expect } from "@effect/vitest"
import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Child from "../../src/Child.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { ask, because, freePort, inNursery, listen, needs } from "./setup.ts"

const redis = needs("redis-server")

const web = `
  const server = require("node:http").createServer((_, response) => response.end("hello from " + process.pid))
  server.listen(Number(process.argv[1]), "127.0.0.1", () => console.log("listening on port " + server.address().port))`

const node = (port: number) =>
  Command.make(process.execPath, ["-e", web, String(port)], { stdout: "pipe", stop: { signal: "SIGKILL" } })

const sleeper = Command.make("sleep", ["1000"], { stop: { signal: "SIGKILL" } })

inNursery("a tree", (it) => {
  it.effect.skipIf(redis.problem !== undefined)(
    `starts what needs redis when that is ready${because(redis.problem)}`,
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const command = Command.make(redis.path, ["--port", String(port), "--save", ""], { stdout: "null" })
        const store = Child.process("store", command, { ready: Ready.tcp(port) })
        const use = Child.effect("use", ask({ port }, "PING\r\n"), { after: [store], significant: true })
        const outcome = yield* Supervisor.run(Supervisor.make("app", [store, use]))
        expect(outcome).toMatchObject({ _tag: "Significant", child: "use", value: "+PONG\r\n" })
      })
  )

  it.effect("gives to others what readiness has found out", () =>
    Effect.gen(function* () {
      const server = Child.process("server", node(0), {
        ready: Ready.log(/listening on port (\d+)/).pipe(Ready.map((match) => ({ port: Number(match[1]) })))
      })
      const get = ({ server: { port } }: { readonly server: { readonly port: number } }) =>
        Effect.promise(() => fetch(`http://127.0.0.1:${port}`).then((response) => response.text()))
      const use = Child.effect("use", get, { after: [server], significant: true })
      const outcome = yield* Supervisor.run(Supervisor.make("app", [server, use]))
      expect(outcome).toMatchObject({ value: expect.stringMatching(/^hello from \d+$/) })
    })
  )

  it.effect("tells apart an early exit, too long a time and a stranger", () =>
    Effect.gen(function* () {
      const [free, taken] = [yield* freePort, yield* freePort]
      yield* listen({ port: taken })
      const reasonOf = (command: typeof sleeper, ready: Ready.Ready<void, unknown>) => {
        const server = Child.process("server", command, { ready, restart: Restart.never() })
        return Effect.flip(Supervisor.run(Supervisor.make("app", [server])))
      }
      const failed = (reason: object) => ({
        _tag: "GaveUp",
        name: "server",
        exit: { _tag: "Failed", error: { _tag: "NotReady", child: "server", reason } }
      })
      expect(yield* reasonOf(Command.make("sh", ["-c", "exit 3"]), Ready.tcp(free))).toMatchObject(
        failed({ _tag: "ExitedBeforeReady", exit: { status: { code: 3 } } })
      )
      expect(yield* reasonOf(sleeper, Ready.tcp(free).pipe(Ready.timeout("100 millis")))).toMatchObject(
        failed({ _tag: "ReadyTimeout", ready: `tcp localhost:${free}` })
      )
      expect(yield* reasonOf(sleeper, Ready.tcp(taken))).toMatchObject(
        failed({ _tag: "ReadyStranger", pid: process.pid })
      )
    })
  )

  it.effect("ends a child that is frozen, and starts it again", () =>
    Effect.gen(function* () {
      const url = `http://127.0.0.1:${yield* freePort}`
      const started = yield* Queue.unbounded<number>()
      const server = Child.process("server", node(Number(new URL(url).port)), {
        ready: Ready.all([Ready.effect((process) => Effect.succeed(process.pid)), Ready.http(url)]),
        liveness: Liveness.http(url, { every: "20 millis", timeout: "1 second", failures: 2 })
      })
      // It runs anew each time that the server is ready anew.
      const seen = Child.effect(
        "seen",
        ({ server: [pid] }) => Effect.andThen(Queue.offer(started, pid), Effect.never),
        {
          requires: [server],
          ready: Ready.immediate
        }
      )
      yield* Supervisor.start(Supervisor.make("app", [server, seen]))
      const first = yield* Queue.take(started)
      process.kill(first, "SIGSTOP")
      const second = yield* Queue.take(started)
      expect(second).not.toBe(first)
      expect(() => process.kill(first, 0)).toThrow("ESRCH")
      const answer = yield* Effect.promise(() => fetch(url).then((response) => response.text()))
      expect(answer).toBe(`hello from ${second}`)
    })
  )
})
