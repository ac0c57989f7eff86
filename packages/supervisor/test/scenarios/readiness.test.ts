/** Children that do not become ready, that are not alive any more, and what is run around their lives. */
import { rmSync } from "node:fs"
import { createServer } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Proc from "../../../process/test/support/proc.ts"
import * as Stage from "../../../process/test/support/stage.ts"
import * as Child from "../../src/Child.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { childAt, stands } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const once = { restart: Restart.never() } as const

/** A server of this test on a port of localhost. */
const listening = Effect.acquireRelease(
  Effect.callback<{ readonly server: ReturnType<typeof createServer>; readonly port: number }>((resume) => {
    const server = createServer((socket) => socket.destroy())
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      if (typeof address === "object" && address !== null) resume(Effect.succeed({ server, port: address.port }))
    })
  }),
  ({ server }) => Effect.sync(() => server.close())
)

describe("a child does not become ready", () => {
  /** What the tree of this one child fails with. */
  const failureOf = <E>(child: Child.Child<"a", unknown, unknown, E, Nursery.Nursery, never, never>) =>
    Effect.flip(Supervisor.run(Supervisor.make("app", [child])))

  const notReady = (reason: object) => ({
    _tag: "GaveUp",
    name: "a",
    path: ["app", "a"],
    exit: { _tag: "Failed", error: { _tag: "NotReady", child: "a", reason } }
  })

  for (const code of [0, 7]) {
    it.live(`because it exits with ${code} before: ExitedBeforeReady`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const command = stage.play(`fork { setsid say escaped sleep } exit ${code}`)
        const error = yield* failureOf(Child.process("a", command, { ...once, ready: Ready.effect(Effect.never) }))
        expect(error).toMatchObject(notReady({ _tag: "ExitedBeforeReady", exit: { status: { _tag: "Exited", code } } }))
        expect(stage.left()).toEqual([])
      }).pipe(Effect.provide(Nursery.layer))
    )
  }

  it.effect("in its time: ReadyTimeout", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const troupe = new Troupe()
      const ready = Ready.effect(Effect.andThen(troupe.act("asked"), Effect.never)).pipe(Ready.timeout("30 seconds"))
      const fiber = yield* Effect.forkChild(failureOf(Child.process("a", stage.play("sleep"), { ...once, ready })))
      yield* troupe.hears("asked")
      yield* TestClock.adjust("29 seconds")
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject(notReady({ _tag: "ReadyTimeout" }))
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("because a stranger answers in its place: ReadyStranger", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const { port } = yield* listening
      const ready = Ready.tcp({ host: "127.0.0.1", port })
      const error = yield* failureOf(Child.process("a", stage.play("sleep"), { ...once, ready }))
      expect(error).toMatchObject(notReady({ _tag: "ReadyStranger", pid: process.pid }))
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("a child that is frozen", () => {
  /** Answers requests, until it is stopped: then the kernel still accepts connections for it. */
  const server = (stage: Stage.Stage, socket: string) =>
    stage.command(process.execPath, [
      "-e",
      `const say = (name) => require("node:fs").writeFileSync(process.env.NURSERY_NEWS, name + " " + process.pid + "\\n")
       require("node:http").createServer((_, response) => response.end("ok", () => say("answered")))
         .listen(${JSON.stringify(socket)}, () => say("listens"))
       process.on("exit", () => require("node:fs").rmSync(${JSON.stringify(socket)}, { force: true }))`
    ])

  it.effect("is caught by its liveness check, and restarted", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const socket = `${stage.folder}/socket`
      const alive = Liveness.http(
        { url: "http://localhost/", socket },
        { every: "10 seconds", timeout: "5 seconds", failures: 3 }
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(
            Supervisor.make("app", [
              Child.process("a", server(stage, socket), {
                ready: Ready.effect(Effect.promise(() => stage.news.hears("listens"))),
                liveness: alive,
                stop: { grace: "50 millis" },
                hooks: { beforeStart: Effect.sync(() => rmSync(socket, { force: true })) }
              })
            ])
          )
          const { pid = 0 } = yield* childAt(running, "a")
          yield* TestClock.adjust("10 seconds")
          yield* stage.hears("answered")
          process.kill(pid, "SIGSTOP")
          // Three probes of five seconds each; the first ends sooner where the answer to the one before is not here yet.
          for (let probe = 0; probe < 4; probe++) {
            yield* TestClock.adjust("10 seconds")
            yield* TestClock.adjust("5 seconds")
          }
          yield* stands(running, "a", "ready", 2)
          const child = yield* childAt(running, "a")
          expect(child.lastExit).toMatchObject({ _tag: "Failed", error: { _tag: "Unresponsive", child: "a" } })
          expect(child.restarts).toBe(1)
          expect([Proc.isAlive(pid), Proc.isAlive(child.pid ?? 0)]).toEqual([false, true])
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("hooks", () => {
  it.live("run before each start and after each end, when nothing of the process is left", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const troupe = new Troupe()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const look = (when: string) => Effect.sync(() => troupe.note(`${when}: ${stage.left().length} left`))
          const running = yield* Supervisor.start(
            Supervisor.make("app", [
              Child.process("a", stage.play("fork { setsid say up sleep } sleep"), {
                hooks: { beforeStart: look("before"), afterStop: look("after") }
              })
            ])
          )
          yield* stage.hears("up")
          Proc.kill((yield* childAt(running, "a")).pid ?? 0)
          yield* stage.hears("up")
          yield* stands(running, "a", "ready", 2)
          yield* running.child("a").restart
          yield* stage.hears("up")
        })
      )
      expect(troupe.record).toEqual(Array.from({ length: 3 }, () => ["before: 0 left", "after: 0 left"]).flat())
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.effect("run around the whole life of a tree in a tree", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const inner = Supervisor.make("inner", [Child.effect("a", troupe.actor("a").play, { ready: Ready.immediate })], {
        hooks: { beforeStart: troupe.act("before"), afterStop: troupe.act("after") }
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(Supervisor.make("app", [inner]))
          yield* running.child("inner").restart
        })
      )
      expect(troupe.record).toEqual([
        "before",
        "a starts",
        "a stops",
        "after",
        "before",
        "a starts",
        "a stops",
        "after"
      ])
    })
  )
})
