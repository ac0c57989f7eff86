/** Services whose life is a process. */
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as ExitStatus from "../../src/ExitStatus.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"
import { leftOn, onEveryWay, sh } from "./setup.ts"

interface Shape {
  readonly greeting: string
  readonly ended: Effect.Effect<void>
  readonly kill: Effect.Effect<boolean>
}
class Server extends Context.Service<Server, Shape>()("test/Server") {}

onEveryWay("a service of a process", (it, way) => {
  const serve = (stage: Stage.Stage, words: string, onEnd?: Process.OnEnd) =>
    Process.layer(
      Server,
      stage.play(words).pipe(Command.stdout("pipe")),
      (process) =>
        Effect.gen(function* () {
          const lines = yield* process.stdout.pipe(Stream.decodeText, Stream.take(1), Stream.runCollect)
          return { greeting: lines.join(""), ended: process.ended, kill: process.signal("SIGKILL") }
        }),
      onEnd === undefined ? undefined : { onEnd }
    )

  it.effect("is there once it is made, and ends with the layer", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const greeting = Server.use(({ greeting }) => Effect.succeed(greeting))
      expect(yield* Effect.provide(greeting, serve(stage, "write hello sleep"))).toBe("hello")
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("interrupts its users when the process ends first", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const using = yield* Deferred.make<void>()
      const user = Server.use(({ kill }) =>
        Effect.andThen(Deferred.succeed(using, undefined), Effect.andThen(kill, Effect.never))
      )
      const fiber = yield* Effect.forkChild(Effect.provide(user, serve(stage, "write hello sleep")))
      const exit = yield* Fiber.await(fiber)
      expect(yield* Deferred.isDone(using)).toBe(true)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      expect(leftOn(stage, way)).toEqual([])
    })
  )

  it.effect("lets its users see the end, where they want to", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const user = Server.use(({ kill, ended }) => Effect.as(Effect.andThen(kill, ended), "seen"))
      expect(yield* Effect.provide(user, serve(stage, "write hello sleep", "ignore"))).toBe("seen")
    })
  )

  it.effect("fails the layer when the process ends before it is made", () =>
    Effect.gen(function* () {
      const layer = Process.layer(Server, sh("echo sorry >&2; exit 3").pipe(Command.stderr("pipe")), () => Effect.never)
      const error = yield* Effect.flip(Layer.build(layer))
      expect(error).toMatchObject({ _tag: "ExitError", status: ExitStatus.exited(3), stderr: "sorry\n" })
    })
  )

  it.effect("fails the layer as making it fails, and ends the process", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const layer = Process.layer(Server, stage.play("sleep"), () => Effect.fail("not made" as const))
      expect(yield* Effect.flip(Effect.scoped(Layer.build(layer)))).toBe("not made")
      expect(leftOn(stage, way)).toEqual([])
    })
  )
})
