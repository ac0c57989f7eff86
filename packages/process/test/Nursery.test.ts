import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import { ChildProcess } from "effect/process"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe } from "vitest"
import { Command, Nursery, Process, SpawnError } from "../src/index.ts"
import { Registry } from "../src/internal/registry.ts"
import { folder, isAlive, script, until } from "./keeper/support.ts"

const sleep = Command.make("sleep", ["1000"], { stdin: "null", stdout: "null", stderr: "null" })
const quiet = Command.make("true", [], { stdin: "null", stdout: "null", stderr: "null" })

const helpersOf = (pid: number): { readonly reaper: number; readonly keeper: number; readonly guard: number } => {
  const parentOf = (pid: number): number => {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0])
  }
  const reaper = parentOf(pid)
  const keeper = parentOf(reaper)
  return { reaper, keeper, guard: parentOf(keeper) }
}

/** Builds the layer in a scope of its own, so that a test can look at what is left when that has closed. */
const built = <E>(layer: Layer.Layer<Nursery.Nursery, E>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    return { context, close: Scope.close(scope, Exit.void) }
  })

const withEnvironment = (name: string, value: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env[name]
      process.env[name] = value
      return before
    }),
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env[name]
        else process.env[name] = before
      })
  )

describe("Nursery.layer", () => {
  it.live("ends everything when its scope closes, and returns when the helpers have left", () =>
    Effect.gen(function* () {
      const { close, context } = yield* built(Nursery.layer)
      const { pid } = yield* Process.spawn(sleep).pipe(Effect.provide(context))
      const { guard, keeper, reaper } = helpersOf(pid)
      expect([pid, reaper, keeper, guard].map(isAlive)).toEqual([true, true, true, true])
      yield* close
      expect([pid, reaper, keeper, guard].map(isAlive)).toEqual([false, false, false, false])
    })
  )

  it.live("is a family of helpers of its own each time", () =>
    Effect.gen(function* () {
      const one = yield* built(Layer.fresh(Nursery.layer))
      const other = yield* built(Layer.fresh(Nursery.layer))
      const first = yield* Process.spawn(sleep).pipe(Effect.provide(one.context))
      const second = yield* Process.spawn(sleep).pipe(Effect.provide(other.context))
      expect(helpersOf(first.pid).guard).not.toBe(helpersOf(second.pid).guard)
      yield* one.close
      expect([first.pid, second.pid].map(isAlive)).toEqual([false, true])
      yield* other.close
    })
  )

  it.live("tells a spawn that comes after its end that it is closed", () =>
    Effect.gen(function* () {
      const { close, context } = yield* built(Nursery.layer)
      yield* close
      const error = yield* Effect.flip(Process.spawn(sleep).pipe(Effect.provide(context)))
      expect(error._tag).toBe("KeeperLost")
      expect(error.message).toContain("closed")
    })
  )

  it.live("refuses levels that are not there, with the reason that guarantees gives", () =>
    Effect.gen(function* () {
      const { levels } = yield* Nursery.guarantees
      // Which those are depends on the machine.
      for (const { available, level, reason } of levels) {
        if (available) continue
        const command = Command.make("true", [], { containment: level })
        const error = yield* Effect.flip(Process.spawn(command))
        expect(error).toBeInstanceOf(SpawnError)
        expect(reason).not.toBe("")
        expect(error).toMatchObject({ reason: { _tag: "Containment", level, problem: reason } })
      }
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("Nursery.layerWith", () => {
  it.live("fails with what is wrong with the keeper", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(Nursery.layerWith({ keeper: "/nowhere/keeper" })))
      expect(error).toMatchObject({ _tag: "KeeperUnavailable", reason: "notFound", path: "/nowhere/keeper" })
    })
  )

  it.live("bounds what a process may take of the close", () =>
    Effect.gen(function* () {
      const { close, context } = yield* built(Nursery.layerWith({ ownerDeathGrace: "50 millis" }))
      const stubborn = Command.make("sh", ["-c", "trap '' TERM; echo; while :; do sleep 1000 & wait; done"], {
        stdout: "pipe",
        stop: { signal: "SIGTERM", grace: "1 hour", to: "group" }
      })
      const child = yield* Process.spawn(stubborn).pipe(Effect.provide(context))
      yield* Stream.runHead(child.stdout)
      yield* close
      expect(isAlive(child.pid)).toBe(false)
      expect((yield* child.exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
    })
  )
})

describe("Nursery.layerAuto", () => {
  const logged = Effect.fnUntraced(function* () {
    const messages: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") messages.push(String(message))
    })
    const { backend } = yield* Nursery.guarantees.pipe(
      Effect.provide(Layer.fresh(Nursery.layerAuto)),
      Effect.provide(Logger.layer([logger]))
    )
    return { backend, messages }
  })

  it.live("has a keeper where there is one, and says nothing", () =>
    Effect.gen(function* () {
      expect(yield* logged()).toEqual({ backend: "keeper", messages: [] })
    })
  )

  it.live("does without where there is none, with one warning that says why and what is lost", () =>
    Effect.gen(function* () {
      yield* withEnvironment("NURSERY_KEEPER", "/nowhere/keeper")
      const { backend, messages } = yield* logged()
      expect(backend).toBe("portable")
      expect(messages).toHaveLength(1)
      expect(messages[0]).toContain("NURSERY_KEEPER")
      const [limit = "?"] = (yield* Nursery.guarantees.pipe(Effect.provide(Nursery.layerPortable))).limits
      expect(messages[0]).toContain(limit)
    })
  )

  it.live("does without where there is one that cannot be started", () =>
    Effect.gen(function* () {
      yield* withEnvironment("NURSERY_KEEPER", "/bin/true")
      const { backend, messages } = yield* logged()
      expect(backend).toBe("portable")
      expect(messages[0]).toContain("/bin/true")
    })
  )
})

describe("Nursery.processes", () => {
  it.live("shows what is alive, oldest first, and what it is", () =>
    Effect.gen(function* () {
      expect(yield* Nursery.processes).toEqual([])
      const one = yield* Process.spawn(sleep)
      const two = yield* Process.spawn(
        Command.make("/bin/sleep", ["2000"], { containment: "group", stdin: "null", stdout: "null" })
      )
      const before = Date.now()
      const [first, second, ...others] = yield* Nursery.processes
      const after = Date.now()
      expect(others).toEqual([])
      expect(first).toMatchObject({
        pid: one.pid,
        name: "sleep",
        command: "sleep 1000",
        level: "tree",
        state: "running"
      })
      expect(second).toMatchObject({ pid: two.pid, name: "sleep", command: "/bin/sleep 2000", level: "group" })
      expect(first?.helper).toBe(helpersOf(one.pid).reaper)
      expect(first?.age).toBeGreaterThan(second?.age ?? Number.POSITIVE_INFINITY)
      const now = (first?.startedAt ?? 0) + (first?.age ?? 0)
      // The clocks by which the two are taken may be set a little apart.
      expect(now).toBeGreaterThan(before - 1000)
      expect(now).toBeLessThan(after + 1000)
      yield* one.stop()
      expect((yield* Nursery.processes).map(({ pid }) => pid)).toEqual([two.pid])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("goes on showing a process whose leader has exited while something of it is left", () =>
    Effect.gen(function* () {
      const child = yield* Process.spawn(Command.make("sh", ["-c", "sleep 1000 & exit 0"], { stdout: "null" }))
      yield* child.exit
      expect(yield* Nursery.processes).toMatchObject([{ pid: child.pid, state: "exited" }])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

describe("Nursery.events", () => {
  /** Collects events while `effect` runs; the nursery has been closed when it returns. */
  const eventsDuring = <A, E>(effect: Effect.Effect<A, E, Nursery.Nursery | Scope.Scope>) =>
    Effect.gen(function* () {
      const { close, context } = yield* built(Nursery.layer)
      const listening = yield* Deferred.make<void>()
      const collecting = yield* Nursery.events.pipe(
        Stream.onStart(Deferred.succeed(listening, undefined)),
        Stream.runCollect,
        Effect.provide(context),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Deferred.await(listening)
      yield* effect.pipe(Effect.scoped, Effect.provide(context))
      yield* close
      return yield* Fiber.join(collecting)
    })

  it.live("tells the life of a process, and ends with the nursery", () =>
    Effect.gen(function* () {
      const events = yield* eventsDuring(Effect.flatMap(Process.spawn(quiet), (child) => child.ended))
      expect(events.map(({ _tag }) => _tag)).toEqual(["Started", "Exited", "Ended"])
      expect(events[1]).toMatchObject({ exit: { status: { _tag: "Exited", code: 0 } }, process: { command: "true" } })
    })
  )

  it.live("tells a spawn that failed", () =>
    Effect.gen(function* () {
      const events = yield* eventsDuring(Effect.exit(Process.spawn(Command.make("no-such-tool"))))
      expect(events).toMatchObject([{ _tag: "SpawnFailed", error: { reason: { _tag: "ProgramNotFound" } } }])
    })
  )

  it.live("tells the loss of the keeper, for each process", () =>
    Effect.gen(function* () {
      const events = yield* eventsDuring(
        Effect.gen(function* () {
          const child = yield* Process.spawn(sleep)
          process.kill(helpersOf(child.pid).keeper, "SIGKILL")
          yield* Effect.exit(child.exit)
        })
      )
      expect(events.map(({ _tag }) => _tag)).toEqual(["Started", "KeeperLost", "Ended"])
      expect(events[1]).toMatchObject({ process: { state: "lost" }, error: { helper: "keeper" } })
    })
  )

  it.live("tells what the drop-in spawner starts", () =>
    Effect.gen(function* () {
      const events = yield* eventsDuring(
        Effect.flatMap(ChildProcess.make("true"), (handle) => handle.exitCode).pipe(
          Effect.scoped,
          Effect.provide(Nursery.layerChildProcessSpawner)
        )
      )
      expect(events.map(({ _tag }) => _tag)).toEqual(["Started", "Exited", "Ended"])
    })
  )

  it.live("loses the oldest for a reader that is too slow, and slows nobody", () =>
    Effect.gen(function* () {
      const registry = new Registry(Context.empty())
      const nursery = Nursery.Nursery.of({
        internal: {
          registry,
          backend: (yield* Nursery.Nursery).internal.backend
        }
      })
      const go = yield* Deferred.make<void>()
      const listening = yield* Deferred.make<void>()
      const reader = yield* Nursery.events.pipe(
        Stream.onStart(Deferred.succeed(listening, undefined)),
        Stream.mapEffect((event) => Effect.as(Deferred.await(go), event)),
        Stream.runCollect,
        Effect.provideService(Nursery.Nursery, nursery),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Deferred.await(listening)
      const started = { helper: 0, name: "x", line: "x", level: "tree" } as const
      for (let pid = 1; pid <= 5000; pid++) registry.started({ ...started, pid })
      yield* Deferred.succeed(go, undefined)
      registry.close()
      const events = yield* Fiber.join(reader)
      expect(events.length).toBeLessThan(1500)
      expect(events.at(-1)).toMatchObject({ process: { pid: 5000 } })
    }).pipe(Effect.provide(Nursery.layerPortable))
  )

  it.live("tells what cannot be ended, and warns of it", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const logger = Logger.make(({ message }) => void warnings.push(String(message)))
      const context = yield* Layer.build(Logger.layer([logger]))
      const registry = new Registry(Context.omit()(context) as Context.Context<never>)
      const events: Array<Nursery.NurseryEvent> = []
      registry.listen({ event: (event) => events.push(event), end: () => {} })
      const live = registry.started({ pid: 7, helper: 6, name: "x", line: "x --y", level: "tree" })
      registry.unkillable(live, [7, 8])
      yield* Effect.yieldNow
      expect(events).toMatchObject([{ _tag: "Started" }, { _tag: "Unkillable", pids: [7, 8] }])
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toMatch(/x --y.*7, 8/)
      expect(registry.processes()).toMatchObject([{ state: "unkillable" }])
    })
  )
})

describe("Nursery.closeAll", () => {
  it.live("ends everything, and later spawns work", () =>
    Effect.gen(function* () {
      const one = yield* Process.spawn(sleep)
      const two = yield* Process.spawn(sleep)
      yield* Nursery.closeAll
      expect([one.pid, two.pid].map(isAlive)).toEqual([false, false])
      expect(yield* Nursery.processes).toEqual([])
      expect((yield* one.exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGTERM" })
      expect(yield* Process.string(Command.make("echo", ["again"]))).toBe("again\n")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("does the same without a keeper", () =>
    Effect.gen(function* () {
      const one = yield* Process.spawn(sleep)
      yield* Nursery.closeAll
      expect(isAlive(one.pid)).toBe(false)
      expect(yield* Process.string(Command.make("echo", ["again"]))).toBe("again\n")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layerPortable))
  )
})

describe("what a nursery measures and logs", () => {
  const measured = <A, E>(effect: Effect.Effect<A, E, Nursery.Nursery | Scope.Scope>) =>
    Effect.gen(function* () {
      const result = yield* effect.pipe(Effect.scoped, Effect.provide(Layer.fresh(Nursery.layer)))
      const metrics = yield* Metric.snapshot
      return { result, metrics: new Map(metrics.map(({ id, state }) => [id, state])) }
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

  it.live("counts processes alive, started, failed and ended by a signal", () =>
    Effect.gen(function* () {
      const { metrics, result } = yield* measured(
        Effect.gen(function* () {
          const child = yield* Process.spawn(sleep)
          yield* Effect.flatMap(Process.spawn(quiet), (other) => other.ended)
          yield* Effect.exit(Process.spawn(Command.make("no-such-tool")))
          const snapshot = yield* Metric.snapshot
          yield* child.stop()
          return snapshot.find(({ id }) => id === "nursery_processes_alive")?.state
        })
      )
      expect(result).toMatchObject({ value: 1 })
      expect(metrics.get("nursery_processes_alive")).toMatchObject({ value: 0 })
      expect(metrics.get("nursery_processes_started")).toMatchObject({ count: 2 })
      expect(metrics.get("nursery_processes_failed")).toMatchObject({ count: 1 })
      expect(metrics.get("nursery_processes_signaled")).toMatchObject({ count: 1 })
    })
  )

  const linesAt = (level: "Debug" | "Info") =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* Effect.flatMap(Process.spawn(quiet), (child) => child.ended).pipe(
        Effect.scoped,
        Effect.provide(Layer.fresh(Nursery.layer)),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, level)
      )
      return lines
    })

  it.live("logs the life of a process for those who debug", () =>
    Effect.gen(function* () {
      expect(yield* linesAt("Debug")).toEqual(["started true", "exited true", "ended true"])
    })
  )

  it.live("logs nothing of it otherwise", () =>
    Effect.gen(function* () {
      expect(yield* linesAt("Info")).toEqual([])
    })
  )
})

describe("interruption while the helpers start", () => {
  it.live("leaves nothing", () =>
    Effect.gen(function* () {
      const pidFile = join(folder(), "pid")
      const keeper = script("/bin/sh", `echo $$ > ${pidFile}; exec sleep 1000`)
      const building = yield* Layer.build(Layer.fresh(Nursery.layerWith({ keeper }))).pipe(
        Effect.scoped,
        Effect.forkChild({ startImmediately: true })
      )
      yield* Effect.promise(() => until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8").endsWith("\n")))
      yield* Fiber.interrupt(building)
      const exit = yield* Fiber.await(building)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      yield* Effect.promise(() => until(() => !isAlive(Number(readFileSync(pidFile, "utf8")))))
    })
  )
})
