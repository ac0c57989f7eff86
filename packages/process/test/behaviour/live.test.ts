/** Streams and Sinks that a command carries. */
import { expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as ExitStatus from "../../src/ExitStatus.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"
import { becomesEmpty, bytes, onEveryWay, sh } from "./setup.ts"

class Words extends Context.Service<Words, ReadonlyArray<string>>()("test/Words") {}

const count = Sink.fold(
  () => 0,
  () => true,
  (sum: number, chunk: Uint8Array) => Effect.succeed(sum + chunk.length)
)

onEveryWay("live parts", (it) => {
  it.effect("a Stream is the input, with its own requirements", () =>
    Effect.gen(function* () {
      const words = Stream.unwrap(Words.use((words) => Effect.succeed(Stream.fromIterable(words.map(bytes)))))
      const written = yield* Process.string(Command.make("cat", [], { stdin: words })).pipe(
        Effect.provideService(Words, ["a ", "stream"])
      )
      expect(written).toBe("a stream")
    })
  )

  it.effect("a Sink takes the output, and its result is there", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        sh("head -c 1000000 /dev/zero; echo abc >&2").pipe(Command.stdout(count), Command.stderr(count))
      )
      expect(yield* process.stdout).toBe(1_000_000)
      expect(yield* process.stderr).toBe(4)
      yield* process.success
    })
  )

  it.effect("a Sink runs though nobody asks for its result", () =>
    Effect.gen(function* () {
      const taken = yield* Deferred.make<number>()
      const sink = Sink.mapEffect(count, (size) => Deferred.succeed(taken, size))
      yield* Process.spawn(sh("echo abc").pipe(Command.stdout(sink)))
      expect(yield* Deferred.await(taken)).toBe(4)
    })
  )

  it.effect("a Sink gets everything before the scope is closed", () =>
    Effect.gen(function* () {
      let taken = 0
      const slow = Sink.fold(
        () => 0,
        () => true,
        (sum: number, chunk: Uint8Array) => Effect.as(Effect.yieldNow, sum + chunk.length)
      ).pipe(
        Sink.mapEffect((sum) =>
          Effect.sync(() => {
            taken = sum
          })
        )
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(sh("head -c 3000000 /dev/zero").pipe(Command.stdout(slow)))
          yield* process.exit
        })
      )
      expect(taken).toBe(3_000_000)
    })
  )

  it.effect("a Sink that fails is the failure of its result, and of nothing else", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("echo a; exit 0").pipe(Command.stdout(Sink.fail("full" as const))))
      expect(yield* Effect.flip(process.stdout)).toBe("full")
      const { status } = yield* process.exit
      expect([ExitStatus.exited(0), ExitStatus.signaled("SIGPIPE")]).toContainEqual(status)
    })
  )

  it.effect("a Stream that fails is the failure of success, at once, and never of exit", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("hold say up term exit 3").pipe(Command.stdin(Stream.fail("broken" as const)))
      )
      yield* stage.hears("up")
      expect(yield* Effect.flip(process.success)).toBe("broken")
      expect(yield* process.isRunning).toBe(true)
      yield* process.signal("SIGTERM")
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(3))
      expect(yield* Effect.flip(process.success)).toBe("broken")
    })
  )

  it.effect("a Stream that dies is a defect of success", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("cat >/dev/null").pipe(Command.stdin(Stream.die("bug"))))
      const exit = yield* Effect.exit(process.success)
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBe("bug")
    })
  )

  it.effect("a process that does not read its Stream is no failure", () =>
    Effect.gen(function* () {
      const much = Stream.forever(Stream.make(new Uint8Array(100_000)))
      const process = yield* Process.spawn(sh("head -c 10 >/dev/null; exit 0").pipe(Command.stdin(much)))
      expect((yield* process.success).status).toEqual(ExitStatus.exited(0))
    })
  )

  it.effect("a Stream that goes on is interrupted when the process is gone, which is no failure", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const endless = Stream.never.pipe(Stream.onExit(() => Deferred.succeed(interrupted, undefined)))
      const process = yield* Process.spawn(sh("exit 0").pipe(Command.stdin(endless)))
      yield* process.success
      yield* Deferred.await(interrupted)
      expect((yield* process.success).status).toEqual(ExitStatus.exited(0))
    })
  )

  it.effect("does not keep a scope that lives on busy", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const command = Command.make("cat", [], { stdin: Stream.make(bytes("x")), stdout: count })
      const process = yield* Process.spawn(command).pipe(Scope.provide(scope))
      expect(yield* process.stdout).toBe(1)
      yield* process.ended
      yield* becomesEmpty(scope)
      yield* Scope.close(scope, Exit.void)
    })
  )
})
