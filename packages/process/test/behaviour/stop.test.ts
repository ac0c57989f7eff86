/** How processes are ended, on request and at the end of their scope. */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as ExitStatus from "../../src/ExitStatus.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { becomesEmpty, leftOn, leftOpen, onEveryWay, sh } from "./setup.ts"

const soon = Command.stop({ grace: "100 millis" })

const turns = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

onEveryWay("stop", (it, way) => {
  it.effect("sends the stop signal, and tells how the process ended", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const plain = yield* Process.spawn(stage.play("say up sleep"))
      const polite = yield* Process.spawn(stage.play("hold say up term exit 9"))
      yield* stage.hears("up", "up")
      expect((yield* plain.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
      expect((yield* polite.stop()).status).toEqual(ExitStatus.exited(9))
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("uses the signal of the command, or of the call", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const command = stage.play("say up sleep").pipe(Command.stop({ signal: "SIGINT" }))
      const first = yield* Process.spawn(command)
      const second = yield* Process.spawn(command)
      yield* stage.hears("up", "up")
      expect((yield* first.stop()).status).toEqual(ExitStatus.signaled("SIGINT"))
      expect((yield* second.stop({ signal: "SIGUSR2" })).status).toEqual(ExitStatus.signaled("SIGUSR2"))
    })
  )

  it.effect("sends SIGKILL after the grace", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("ignore say up sleep").pipe(soon))
      yield* stage.hears("up")
      expect((yield* process.stop()).status).toEqual(ExitStatus.signaled("SIGKILL"))
    })
  )

  it.effect("sends SIGKILL at once where that is the stop signal", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("ignore say up sleep"))
      yield* stage.hears("up")
      expect((yield* process.stop({ signal: "SIGKILL" })).status).toEqual(ExitStatus.signaled("SIGKILL"))
    })
  )

  it.effect("waits without end where the grace has none", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("hold say up read term exit 0").pipe(Command.stdin("pipe")))
      yield* stage.hears("up")
      const stopping = yield* Effect.forkChild(process.stop({ grace: "Infinity" }), { startImmediately: true })
      yield* Stream.run(Stream.empty, process.stdin)
      expect((yield* Fiber.join(stopping)).status).toEqual(ExitStatus.exited(0))
    })
  )

  it.effect("ends a process that is stopped by SIGSTOP, with a chance to end well", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("hold say up raise 19 term exit 4"))
      yield* stage.hears("up")
      while (Proc.entryOf(process.pid)?.state !== "T") yield* turns
      expect((yield* process.stop()).status).toEqual(ExitStatus.exited(4))
    })
  )

  it.effect("returns when all of the group is gone", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("fork { ignore say child sleep } say leader sleep").pipe(soon))
      yield* stage.hears("child", "leader")
      expect((yield* process.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
      expect(leftOn(stage, way)).toEqual([])
      yield* process.ended
    })
  )

  it.effect("ends what a leader has left behind that ended by itself", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("fork { say left sleep } exit 0"))
      yield* stage.hears("left")
      yield* process.exit
      expect(leftOn(stage, way)).not.toEqual([])
      expect((yield* process.stop()).status).toEqual(ExitStatus.exited(0))
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("gives the same answer to all who ask, and to who asks after the end", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("sleep", ["1000"]))
      const exits = yield* Effect.all([process.stop(), process.stop(), process.exit], { concurrency: 3 })
      expect(exits[1]).toBe(exits[0])
      expect(exits[2]).toBe(exits[0])
      expect(yield* process.stop()).toBe(exits[0])
    })
  )

  it.effect("is replaced by a harsher one", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("ignore say up sleep"))
      yield* stage.hears("up")
      const slow = yield* Effect.forkChild(process.stop({ grace: "Infinity" }), { startImmediately: true })
      expect((yield* process.stop({ signal: "SIGKILL" })).status).toEqual(ExitStatus.signaled("SIGKILL"))
      yield* Fiber.join(slow)
    })
  )

  it.effect("goes on when who asked for it is interrupted", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("hold say up term exit 0"))
      yield* stage.hears("up")
      const stopping = yield* Effect.forkChild(process.stop(), { startImmediately: true })
      yield* Fiber.interrupt(stopping)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(0))
    })
  )
})

onEveryWay("a scope", (it, way) => {
  it.effect("ends its processes by their policies when it closes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const scope = yield* Scope.make()
      const stubborn = yield* Process.spawn(stage.play("ignore say up sleep").pipe(soon)).pipe(Scope.provide(scope))
      const polite = yield* Process.spawn(stage.play("hold say up term exit 3")).pipe(Scope.provide(scope))
      yield* stage.hears("up", "up")
      yield* Scope.close(scope, Exit.void)
      expect(leftOn(stage, way)).toEqual([])
      expect((yield* stubborn.exit).status).toEqual(ExitStatus.signaled("SIGKILL"))
      expect((yield* polite.exit).status).toEqual(ExitStatus.exited(3))
    })
  )

  it.effect("does not keep processes that have ended", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      for (let i = 0; i < 3; i++) {
        const process = yield* Process.spawn(sh("exit 0")).pipe(Scope.provide(scope))
        yield* process.ended
      }
      const failed = yield* Effect.flip(Process.spawn(Command.make("/nowhere")).pipe(Scope.provide(scope)))
      expect(failed._tag).toBe("SpawnError")
      yield* becomesEmpty(scope)
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.effect("that is closed already starts nothing that stays", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      yield* Effect.exit(Process.spawn(stage.play("sleep")).pipe(Scope.provide(scope)))
      expect(leftOn(stage, way)).toEqual([])
      expect(yield* Nursery.processes).toEqual([])
    })
  )

  it.effect("that closes while a process is being started leaves nothing", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const attempt = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const spawning = yield* Process.spawn(stage.play("sleep").pipe(Command.stdout("pipe"))).pipe(
          Scope.provide(scope),
          Effect.forkChild({ startImmediately: true })
        )
        yield* Scope.close(scope, Exit.void)
        return yield* Fiber.await(spawning)
      })
      expect(yield* leftOpen(attempt)).toEqual([])
      expect(leftOn(stage, way)).toEqual([])
      expect(yield* Nursery.processes).toEqual([])
    })
  )
})

onEveryWay("an interrupted spawn", (it, way) => {
  // After so many turns of the scheduler or of the event loop: before it is asked for, on the way, started, handed over.
  for (const [what, step] of [
    ["turns of the scheduler", Effect.yieldNow],
    ["turns of the event loop", turns]
  ] as const) {
    it.effect(`leaves nothing, after any number of ${what}`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const command = stage.play("sleep").pipe(Command.stdin("pipe"), Command.stdout("pipe"))
        const attempts = Effect.forEach(
          Array.from({ length: 30 }, (_, i) => i),
          (count) =>
            Effect.gen(function* () {
              const reached = yield* Deferred.make<void>()
              const fiber = yield* Effect.scoped(
                Effect.andThen(Process.spawn(command), Deferred.succeed(reached, undefined))
              ).pipe(Effect.forkChild({ startImmediately: true }))
              for (let i = 0; i < count; i++) yield* step
              yield* Fiber.interrupt(fiber)
            }),
          { discard: true }
        )
        expect(yield* leftOpen(attempts)).toEqual([])
        expect(leftOn(stage, way)).toEqual([])
        expect(yield* Nursery.processes).toEqual([])
      })
    )
  }
})
