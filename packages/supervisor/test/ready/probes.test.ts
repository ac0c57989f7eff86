/** Checks that ask a server, against a server that does what the test wants at the moment it wants it. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Command, Process } from "@nursery/process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { NotReady } from "../../src/ChildError.ts"
import * as Ready from "../../src/Ready.ts"
import { because, check, folder, freePort, inNursery, needs, observe, sockets, start } from "./setup.ts"
import { told } from "./told.ts"

const patient: Ready.PollOptions = { schedule: Schedule.spaced("5 millis") }
const once: Ready.PollOptions = { schedule: Schedule.recurs(0) }

const openssl = needs("openssl")

const reasonOf = (error: NotReady) => error.reason._tag

inNursery("a server", (it) => {
  it.effect("is ready by tcp once it accepts connections, not before", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      const checking = yield* Effect.forkChild(check(Ready.tcp(port, patient), server), { startImmediately: true })
      yield* server.failed(3)
      expect(new Set(server.problems)).toEqual(new Set(["connection refused"]))
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* server.tell("listen")
      yield* Fiber.join(checking)
    })
  )

  it.effect("is ready by a unix socket once it accepts connections, not before", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "a socket")
      const server = yield* told(path)
      const checking = yield* Effect.forkChild(check(Ready.unix(path, patient), server), { startImmediately: true })
      yield* server.failed(3)
      expect(new Set(server.problems)).toEqual(new Set(["no such file or directory"]))
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* server.tell("listen")
      yield* Fiber.join(checking)
    })
  )

  it.effect("is not ready by the socket file that a dead one has left", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "socket")
      yield* Effect.scoped(Effect.flatMap(told(path), (dead) => dead.tell("listen")))
      expect(existsSync(path)).toBe(true)
      const error = yield* Effect.flip(check(Ready.unix(path, once), yield* told(path)))
      expect(error.reason).toMatchObject({ _tag: "ReadyTimeout", problem: "connection refused" })
    })
  )

  it.effect("is ready by http once it answers well, not before", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("status 503")
      yield* server.tell("listen")
      const ready = Ready.http(`http://127.0.0.1:${port}/health`, patient)
      const checking = yield* Effect.forkChild(check(ready, server), { startImmediately: true })
      yield* server.failed(3)
      expect(new Set(server.problems)).toEqual(new Set(["status 503"]))
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* server.tell("status 301")
      yield* Fiber.join(checking)
    })
  )

  it.effect("gets the request that was asked for, over the socket that was named", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "socket")
      const server = yield* told(path)
      yield* server.tell("listen")
      const request = { method: "HEAD", headers: { authorization: Redacted.make("Bearer x") }, socket: path }
      yield* check(Ready.http({ url: "http://localhost/up?full", ...request }), server)
      expect(yield* server.says("request")).toBe("request HEAD /up?full Bearer x")
    })
  )

  it.effect.each([
    ["a status that is named", { status: 200 }, { status: 204 }],
    ["one of several", { status: [200, 204] }, { status: [404, 503] }],
    ["a body", { body: (text: string) => text === "fine" }, { body: (text: string) => text === "worse" }]
  ] as const)("answers well with %s, and with no other", ([, good, bad]) =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("body fine")
      yield* server.tell("listen")
      const url = `http://127.0.0.1:${port}`
      yield* check(Ready.http({ url, ...good }, once), server)
      expect(reasonOf(yield* Effect.flip(check(Ready.http({ url, ...bad }, once), server)))).toBe("ReadyTimeout")
    })
  )

  it.effect("that is silent is asked again, and takes only its own attempt's time", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("hang")
      yield* server.tell("listen")
      const ready = Ready.http(`http://127.0.0.1:${port}`, { ...patient, attemptTimeout: "50 millis" })
      const checking = yield* Effect.forkChild(check(ready, server), { startImmediately: true })
      yield* server.failed(2)
      expect(server.problems).toContain("no answer within 50ms")
      yield* server.tell("status 200")
      yield* Fiber.join(checking)
    })
  )

  it.effect("whose answer does not end is not well where that has to be read", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("endless")
      yield* server.tell("listen")
      const before = sockets()
      const url = `http://127.0.0.1:${port}`
      yield* check(Ready.http(url), server)
      const error = yield* Effect.flip(check(Ready.http({ url, body: () => true }, once), server))
      expect(error.reason).toMatchObject({ problem: "its body does not end" })
      expect(sockets()).toEqual(before)
    })
  )

  it.effect("that is never ready fails with the time, and why", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      const error = yield* Effect.flip(check(Ready.tcp(port).pipe(Ready.timeout("1 second")), server))
      expect(error.reason).toMatchObject({
        _tag: "ReadyTimeout",
        ready: `tcp localhost:${port}`,
        after: Duration.seconds(1),
        problem: "connection refused"
      })
    })
  )

  it.effect("that does not speak http is not ready by it", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* start(Command.make(process.execPath, ["-e", talker, String(port)]))
      yield* check(Ready.tcp(port), server)
      const error = yield* Effect.flip(check(Ready.http(`http://127.0.0.1:${port}`, once), server))
      expect(error.reason).toMatchObject({ problem: expect.stringContaining("Parse Error") })
    })
  )

  it.effect("is asked without an end by a child that is no process", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      const checking = yield* Effect.forkChild(check(Ready.tcp(port, patient), observe(undefined)), {
        startImmediately: true
      })
      yield* server.tell("listen")
      yield* Fiber.join(checking)
    })
  )

  it.effect("has its connections closed when nobody waits any more", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("hang")
      yield* server.tell("listen")
      const url = `http://127.0.0.1:${port}`
      const before = sockets()
      yield* check(Ready.tcp(port), server)
      expect(sockets()).toEqual(before)
      const checking = yield* Effect.forkChild(check(Ready.http(url), server))
      yield* server.says("request")
      expect(sockets()).not.toEqual(before)
      yield* Fiber.interrupt(checking)
      expect(sockets()).toEqual(before)
      yield* Effect.exit(check(Ready.http(url, { ...once, attemptTimeout: "20 millis" }), server))
      expect(sockets()).toEqual(before)
      yield* server.tell("status 200")
      yield* check(Ready.http({ url, body: () => true }), server)
      expect(sockets()).toEqual(before)
    })
  )

  it.effect("that cannot be reached leaves nothing open either", () =>
    Effect.gen(function* () {
      const before = sockets()
      const path = join(yield* folder(), "none")
      const nobody = observe(undefined)
      for (const ready of [Ready.tcp(yield* freePort, once), Ready.unix(path, once), Ready.tcp(0, once)]) {
        expect(Exit.isFailure(yield* Effect.exit(check(ready, nobody)))).toBe(true)
      }
      // A test network (RFC 5737): nobody answers there.
      const connecting = yield* Effect.forkChild(check(Ready.tcp({ host: "192.0.2.1", port: 9 }), nobody), {
        startImmediately: true
      })
      yield* Fiber.interrupt(connecting)
      expect(sockets()).toEqual(before)
    })
  )
})

inNursery(`a server with TLS${because(openssl.problem)}`, (it) => {
  it.effect.skipIf(openssl.problem !== undefined)("is ready once its certificate is valid, or need not be", () =>
    Effect.gen(function* () {
      const dir = yield* folder()
      const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "key", "-out", "cert"]
      yield* Process.run(Command.make(openssl.path, args, { cwd: dir }))
      const port = yield* freePort
      const server = yield* start(Command.make(process.execPath, ["-e", secure, String(port)], { cwd: dir }))
      yield* check(Ready.tcp(port), server)
      const url = `https://127.0.0.1:${port}`
      const error = yield* Effect.flip(check(Ready.http(url, once), server))
      expect(error.reason).toMatchObject({ _tag: "ReadyTimeout", problem: expect.stringContaining("self-signed") })
      yield* check(Ready.http({ url, rejectUnauthorized: false }), server)
      const stranger = yield* start(Command.make("sleep", ["1000"]))
      expect(reasonOf(yield* Effect.flip(check(Ready.http(url), stranger)))).toBe("ReadyStranger")
    })
  )
})

const secure = `
  const [key, cert] = ["key", "cert"].map((name) => require("node:fs").readFileSync(name))
  require("node:https").createServer({ key, cert }, (_, response) => response.end()).listen(process.argv[1], "127.0.0.1")`

const talker = `require("node:net").createServer((socket) => socket.end("220 here\\n")).listen(process.argv[1], "127.0.0.1")`
