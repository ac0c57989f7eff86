/** What SIGKILL does not end: nobody waits on it for ever, and it is waited for in the background. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chmodSync, copyFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import { actor } from "../support/native.ts"
import * as Owner from "../support/owner.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

const SIGUSR2 = 12

/** A process outside of all nurseries that traces another one, whose death it alone hears of. */
const trace = (stage: Stage.Stage, pid: number) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const tracer = spawn(actor(), ["trace", String(pid), "say", "tracing", "sleep"], {
        env: { NURSERY_NEWS: stage.news.path },
        stdio: "inherit"
      })
      yield* stage.hears("tracing")
      return tracer
    }),
    (tracer) => Effect.sync(() => tracer.kill("SIGKILL"))
  )

const provide = Effect.provide(Nursery.layerWith({ killDeadline: "300 millis" }))

describe("a dead process that a stranger keeps from being collected", () => {
  it.live("fails `stop` with Unkillable after the deadline; it is collected when that becomes possible", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("traceable say ready sleep").pipe(Command.stop({ grace: 0 })))
      yield* stage.hears("ready")
      const tracer = yield* trace(stage, process.pid)
      const error = yield* Effect.flip(process.stop())
      expect(error).toMatchObject({ _tag: "Unkillable", pid: process.pid, pids: [process.pid] })
      // It may need more time to die than the deadline gives it.
      yield* Effect.promise(() => until("see it dead", () => Proc.entryOf(process.pid)?.state === "Z"))
      tracer.kill("SIGKILL")
      yield* process.ended
      expect((yield* process.exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, provide)
  )

  it.live("does not hold the close of a scope, which publishes it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const outer = yield* Effect.scope
      let tracer: ChildProcess | undefined
      const events = yield* Effect.forkChild(
        Nursery.events.pipe(
          Stream.filter((event) => event._tag === "Unkillable"),
          Stream.take(1),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(stage.play("traceable say ready sleep").pipe(Command.stop({ grace: 0 })))
          yield* stage.hears("ready")
          tracer = yield* Scope.provide(trace(stage, process.pid), outer)
        })
      )
      const dead = () => Proc.below(Proc.families()[0]?.guard ?? 0).filter(({ state }) => state === "Z")
      yield* Effect.promise(() => until("see it dead", () => dead().length === 1))
      const [event] = Array.from(yield* Fiber.join(events))
      expect(event).toMatchObject({ _tag: "Unkillable" })
      tracer?.kill("SIGKILL")
      yield* Effect.promise(() => until("see it collected", () => stage.left().length === 0))
    }).pipe(Effect.scoped, provide)
  )

  it.live("does not hold the close of the nursery", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const outer = yield* Effect.scope
      const tracer = yield* Effect.gen(function* () {
        const process = yield* Process.spawn(stage.play("traceable say ready sleep").pipe(Command.stop({ grace: 0 })))
        yield* stage.hears("ready")
        return yield* Scope.provide(trace(stage, process.pid), outer)
      }).pipe(Effect.scoped, provide)
      expect(Proc.families().length).toBe(1)
      tracer.kill("SIGKILL")
      yield* Effect.promise(() => until("see the helpers leave", () => Proc.families().length === 0))
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped)
  )
})

/** An actor that may become root, or `undefined` where there is no such thing: an ordinary user, a file system without it. */
const privilegedActor = (stage: Stage.Stage): string | undefined => {
  if (!Owner.isPrivileged || Owner.ordinaryProblem() !== undefined) return undefined
  const path = join(stage.folder, "actor")
  copyFileSync(actor(), path)
  chmodSync(path, 0o4755)
  const { status } = spawnSync(path, ["become", "exit", "0"], { uid: 65534, gid: 65534 })
  return status === 0 ? path : undefined
}

describe("a process that has become another user", () => {
  it.live.skipIf(!Owner.isPrivileged)(
    "is Unkillable for an owner without privilege, which does not wait for it",
    (context) =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const privileged = privilegedActor(stage)
        if (privileged === undefined) return context.skip("no program can become root here")
        const owner = yield* Owner.start(stage, "stop.ts", ["become say ready sleep", "0", privileged], {
          ordinary: true
        })
        const [pid = 0] = yield* stage.hears("ready", "started")
        owner.kill(SIGUSR2, "owner")
        yield* stage.hears("Unkillable", "closed")
        expect(Proc.isAlive(pid)).toBe(true)
        process.kill(pid, "SIGKILL")
        // The helpers have gone on waiting for it, and leave after it.
        expect(yield* owner.ended).toMatchObject({ status: 0, left: [] })
        expect(stage.left()).toEqual([])
      })
  )
})
