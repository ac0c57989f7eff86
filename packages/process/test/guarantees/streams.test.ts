/** A descendant holds the child's stdout open after the child has exited: exit is exit, end of stream is end of stream. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"

const holder = "fork { setsid say escaped sleep } write hello exit 0"

const provide = Effect.provide(Nursery.layer)

describe("a descendant that holds stdout open", () => {
  it.live("holds up neither the exit nor what was written before it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(stage.play(holder).pipe(Command.stdout("pipe")))
          const exit = yield* process.exit
          expect(exit.status).toMatchObject({ _tag: "Exited", code: 0 })
          yield* stage.hears("escaped")
          // It lives, so the stream has not ended; but what was written is there.
          const first = yield* process.stdout.pipe(Stream.decodeText(), Stream.take(1), Stream.mkString)
          expect(first).toBe("hello")
          expect(stage.canary.isHeld()).toBe(true)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(provide)
  )

  it.live("ends the stream with its own end", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage
          .play("fork { setsid hold say escaped term write -later exit 0 } write hello exit 0")
          .pipe(Command.stdout("pipe"))
      )
      const reading = yield* Effect.forkChild(process.stdout.pipe(Stream.decodeText(), Stream.mkString))
      yield* process.exit
      yield* stage.hears("escaped")
      yield* process.signal("SIGTERM", { to: "tree" })
      expect(yield* Fiber.join(reading)).toBe("hello-later")
    }).pipe(Effect.scoped, provide)
  )

  it.live("ends the stream of a reader outside when the scope closes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const reading = yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(stage.play(holder).pipe(Command.stdout("pipe")))
          yield* process.exit
          yield* stage.hears("escaped")
          return yield* Effect.forkDetach(process.stdout.pipe(Stream.decodeText(), Stream.mkString), {
            startImmediately: true
          })
        })
      )
      expect(yield* Fiber.join(reading)).toBe("hello")
    }).pipe(provide)
  )

  const oneShots = {
    lines: (command: Stage.Play) => Stream.mkString(Process.lines(command.pipe(Command.stdout("pipe")))),
    string: (command: Stage.Play) => Process.string(command.pipe(Command.stdout("pipe"))),
    run: (command: Stage.Play) => Effect.map(Process.run(command.pipe(Command.stdout("pipe"))), ({ stdout }) => stdout),
    exitStatus: (command: Stage.Play) =>
      Effect.map(Process.exitStatus(command.pipe(Command.stdout("pipe"))), ({ _tag }) => _tag)
  }

  for (const [name, run] of Object.entries(oneShots)) {
    it.live(`is ended by Process.${name}, which returns when the child has exited`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        expect(yield* run(stage.play(holder))).toBe(name === "exitStatus" ? "Exited" : "hello")
        expect(stage.left()).toEqual([])
      }).pipe(provide)
    )
  }
})
