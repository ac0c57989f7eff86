/** What children write goes to the logs of their tree, with their paths, and never blocks them. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import { Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Stage from "../../../process/test/support/stage.ts"
import { until } from "../../../process/test/support/within.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"

interface Logged {
  readonly text: string
  readonly child: unknown
  readonly stream: unknown
}

/** Runs a tree, and tells what was logged by its children. */
const logsOf = <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const logs: Array<Logged> = []
    const logger = Logger.make<unknown, void>(({ fiber, message }) => {
      const annotations = fiber.getRef(References.CurrentLogAnnotations)
      logs.push({
        text: Array.isArray(message) ? message.join(" ") : String(message),
        child: annotations["nursery.child"],
        stream: annotations["nursery.stream"]
      })
    })
    const outcome = yield* Effect.provide(run, Logger.layer([logger]))
    return { logs, outcome }
  })

const piped = <C extends Command.Plain>(command: C) => command.pipe(Command.stdout("pipe"), Command.stderr("pipe"))

const once = { significant: true, restart: Restart.onFailure() } as const

const MEGABYTES_10 = 10 * 1024 * 1024
const MEGABYTES_64 = 64 * 1024 * 1024

/** Bytes that are in use when what nobody needs is collected. */
const collected = (): number => {
  setFlagsFromString("--expose-gc")
  const collect: () => void = runInNewContext("gc")
  collect()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

describe("a child whose output is piped", () => {
  it.live("has its lines in the logs, with its path and the stream", () =>
    Effect.gen(function* () {
      const command = piped(Command.make("sh", ["-c", "echo one; echo two; echo three >&2; printf four"]))
      const inner = Supervisor.make("inner", [Child.process("a", command, once)], {
        significant: true,
        restart: Restart.onFailure()
      })
      const { logs } = yield* logsOf(Supervisor.run(Supervisor.make("app", [inner])))
      const of = (stream: string) => logs.filter((log) => log.stream === stream)
      expect(of("stdout").map(({ text }) => text)).toEqual(["one", "two", "four"])
      expect(of("stderr").map(({ text }) => text)).toEqual(["three"])
      expect(new Set(logs.map(({ child }) => child))).toEqual(new Set(["app/inner/a"]))
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("writes 10 megabytes, is not blocked, and nothing of it is lost", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const lines = `head -c ${MEGABYTES_10} /dev/zero | tr '\\0' x | fold -w 1023`
      const tree = Supervisor.make("app", [Child.process("a", piped(Command.make("sh", ["-c", lines])), once)])
      const { logs, outcome } = yield* logsOf(Supervisor.run(tree))
      expect(outcome).toMatchObject({ _tag: "Significant", value: { status: { _tag: "Exited", code: 0 } } })
      expect(logs.reduce((sum, { text }) => sum + text.length, 0)).toBe(MEGABYTES_10)
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("writes 10 megabytes without a newline, and is not blocked", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const flood = piped(stage.play(`flood ${MEGABYTES_10} say done exit 0`))
      const { logs } = yield* logsOf(Supervisor.run(Supervisor.make("app", [Child.process("a", flood, once)])))
      yield* stage.hears("done")
      expect(logs.reduce((sum, { text }) => sum + text.length, 0)).toBe(MEGABYTES_10)
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("is not blocked before it is ready either, by a check that does not listen to it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const flood = piped(stage.play(`flood ${MEGABYTES_10} say flooded sleep`))
      const { logs } = yield* logsOf(
        Effect.scoped(
          Supervisor.start(
            Supervisor.make("app", [
              Child.process("a", flood, { ready: Ready.effect(Effect.promise(() => stage.news.hears("flooded"))) })
            ])
          )
        )
      )
      expect(logs.reduce((sum, { text }) => sum + text.length, 0)).toBe(MEGABYTES_10)
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live(
    "writes 64 megabytes before it is ready, of which little is kept, and is heard when it is",
    () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const floods = `hold say up term flood ${MEGABYTES_64} say flooded term write \nlistening\n sleep`
        const child = Child.process("a", stage.play(floods), { ready: Ready.log(/^listening$/, { stream: "stdout" }) })
        // What is logged is not kept, either.
        const running = yield* Effect.provide(Supervisor.launch(Supervisor.make("app", [child])), Logger.layer([]))
        const [pid = 0] = yield* stage.hears("up")
        const before = collected()
        process.kill(pid, "SIGTERM")
        yield* stage.hears("flooded")
        // What is being read at this moment is let go of soon.
        const isLittle = () => collected() - before < 8 * 1024 * 1024
        yield* Effect.promise(() => until("see little kept", isLittle, () => `${collected() - before} bytes are`))
        process.kill(pid, "SIGTERM")
        yield* running.ready
      }).pipe(Effect.scoped, Effect.provide(Nursery.layer)),
    300_000
  )

  it.live("is heard while it ends, too", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const command = stage.play("hold write hello\n term write goodbye\n exit 0")
      const tree = Supervisor.make("app", [Child.process("a", piped(command), { ready: Ready.log(/hello/) })])
      const { logs } = yield* logsOf(Effect.scoped(Supervisor.start(tree)))
      expect(logs.map(({ text }) => text)).toEqual(["hello", "goodbye"])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("becomes ready by what it writes, which is in the logs all the same", () =>
    Effect.gen(function* () {
      const command = Command.make("sh", ["-c", "echo starting; echo listening on 42; exec sleep 100"])
      const db = Child.process("db", command, {
        ready: Ready.log(/listening on (\d+)/).pipe(Ready.map((match) => Number(match[1])))
      })
      const api = Child.process("api", ({ db }) => Command.make("sh", ["-c", `test ${db} = 42`]), {
        after: [db],
        ...once
      })
      const { logs, outcome } = yield* logsOf(Supervisor.run(Supervisor.make("app", [db, api])))
      expect(outcome).toMatchObject({ _tag: "Significant", child: "api" })
      expect(logs.filter(({ child }) => child === "app/db").map(({ text }) => text)).toEqual([
        "starting",
        "listening on 42"
      ])
    }).pipe(Effect.provide(Nursery.layer))
  )
})
