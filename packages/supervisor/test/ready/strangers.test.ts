/** Who answers: the child, or somebody else. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import { Command, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Ready from "../../src/Ready.ts"
import { because, check, folder, freePort, inNursery, listen, observe, start } from "./setup.ts"
import { told } from "./told.ts"

const once: Ready.PollOptions = { schedule: Schedule.recurs(0) }

const sleeper = Command.make("sleep", ["1000"])

const pid = (child: { readonly process: Process.ProcessBase<unknown> | undefined }) => child.process?.pid ?? 0

inNursery("ready from a stranger", (it) => {
  it.effect("is told where another process has the port", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const stranger = yield* told(port)
      yield* stranger.tell("listen")
      const child = yield* start(sleeper)
      const error = yield* Effect.flip(check(Ready.tcp(port, once), child))
      expect(error.reason).toMatchObject({ _tag: "ReadyStranger", ready: `tcp localhost:${port}`, pid: pid(stranger) })
      expect(error.message).toMatch(
        new RegExp(`^"server" did not become ready: pid ${pid(stranger)} \\(\\S+\\) answered`)
      )
    })
  )

  it.effect("is told where another process has the socket", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "socket")
      const stranger = yield* told(path)
      yield* stranger.tell("listen")
      const error = yield* Effect.flip(check(Ready.unix(path, once), yield* start(sleeper)))
      expect(error.reason).toMatchObject({ _tag: "ReadyStranger", pid: pid(stranger) })
    })
  )

  it.effect("is told where another process answers a request, whatever it answers", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const stranger = yield* told(port)
      yield* stranger.tell("listen")
      const child = yield* start(sleeper)
      const ready = Ready.http(`http://127.0.0.1:${port}`, { attemptTimeout: "50 millis" })
      for (const order of ["status 200", "status 404", "hang"]) {
        yield* stranger.tell(order)
        expect((yield* Effect.flip(check(ready, child))).reason).toMatchObject({
          _tag: "ReadyStranger",
          pid: pid(stranger)
        })
      }
    })
  )

  it.effect("is told where this program has the port itself", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* listen({ port })
      const error = yield* Effect.flip(check(Ready.tcp(port, once), yield* start(sleeper)))
      expect(error.reason).toMatchObject({ _tag: "ReadyStranger", pid: process.pid })
    })
  )

  it.effect("does not matter where anybody may answer", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* listen({ port })
      const child = yield* start(sleeper)
      yield* check(Ready.tcp(port, { ...once, owner: "any" }), child)
    })
  )

  it.effect("is not told of a child that is no process", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* listen({ port })
      yield* check(Ready.tcp(port, once), observe(undefined))
    })
  )

  it.effect("is not told of what the child has started, nor of what has left it since", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "socket")
      const inner = `require("node:net").createServer().listen(${JSON.stringify(path)})`
      const below = yield* start(Command.make("sh", ["-c", '"$@" & wait', "sh", process.execPath, "-e", inner]))
      yield* check(Ready.unix(path), below)

      const daemonPath = `${path}.daemon`
      const daemon = inner.replace(path, daemonPath)
      const script = '(setsid "$@" &); exec sleep 1000'
      const left = yield* start(Command.make("sh", ["-c", script, "sh", process.execPath, "-e", daemon]))
      yield* check(Ready.unix(daemonPath), left)
    })
  )

  it.effect("is told of sockets by any name of their folder", () =>
    Effect.gen(function* () {
      const base = yield* folder()
      const stranger = yield* start(Command.make("sh", ["-c", relative, "sh", process.execPath], { cwd: base }))
      yield* check(Ready.unix(join(base, "link/socket")), stranger)
      const error = yield* Effect.flip(check(Ready.unix(join(base, "link/socket"), once), yield* start(sleeper)))
      expect(error.reason).toMatchObject({ _tag: "ReadyStranger", pid: pid(stranger) })
    })
  )
})

const relative = `mkdir real && ln -s real link && exec "$1" -e 'require("node:net").createServer().listen(process.cwd() + "/real/socket")'`

const ordinary = join(import.meta.dirname, "programs/ordinary.ts")
const asOrdinary = ["--reuid", "12345", "--regid", "12345", "--clear-groups", process.execPath]

const whyNoOrdinary = (): string | undefined => {
  if (process.getuid?.() !== 0) return "only root can become another user"
  const read = ["-e", "require('node:fs').accessSync(process.argv[1], 4)", ordinary]
  const { status } = spawnSync("setpriv", [...asOrdinary, ...read])
  return status === 0 ? undefined : "an ordinary user cannot run Node, or read this checkout"
}
const noOrdinary = whyNoOrdinary()

inNursery(`for an ordinary user${because(noOrdinary)}`, (it) => {
  it.effect.skipIf(noOrdinary !== undefined)("a stranger may be hidden, and so may the child", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* listen({ port })
      const verdicts = yield* Process.string(Command.make("setpriv", [...asOrdinary, ordinary, String(port)]))
      expect(JSON.parse(verdicts)).toEqual({ own: { _tag: "Stranger" }, parent: { _tag: "Unknown" } })
    })
  )
})

layer(Nursery.layerPortable, { excludeTestServices: true })("without a keeper", (it) => {
  it.effect(
    "a stranger is told where it is older than the child, for daemons of the child cannot be told from others",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        yield* listen({ port })
        const child = yield* start(sleeper)
        expect((yield* Effect.flip(check(Ready.tcp(port, once), child))).reason).toMatchObject({ pid: process.pid })

        const otherPort = yield* freePort
        const younger = yield* told(otherPort)
        yield* younger.tell("listen")
        yield* check(Ready.tcp(otherPort, once), child)
      })
  )
})
