/** How processes of the drop-in spawner end: by the scope's close, by `kill`, by themselves. */
import { closeSync, openSync, writeSync } from "node:fs"
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Nursery from "../../src/Nursery.ts"
import * as Proc from "../support/proc.ts"
import { both, bytes, canary, isAlive, keeper, linesOf, released, text } from "./support.ts"

/** Says when it is ready and which signals it gets, and ends with 0 when its input ends. */
const stubborn = (options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make(
    process.execPath,
    [
      "-e",
      `for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => console.log(signal))
       process.stdin.on("end", () => process.exit(0)).resume()
       console.log("ready")`
    ],
    options
  )

/** A leader that leaves a process in its group and ends as the script says; fd 9 is held by both. */
const leaving = (end: string, options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("sh", ["-c", `sleep 1000 & echo $!; ${end}`], { additionalFds: canary, ...options })

const signalOf = (exit: Exit.Exit<unknown, { readonly cause?: unknown }>): string =>
  Exit.isFailure(exit)
    ? String(exit.cause.reasons.map((reason) => (reason._tag === "Fail" ? reason.error.cause : reason)))
    : "an exit code"

for (const [name, spawner] of both) {
  layer(spawner)(`on the ${name}`, (it) => {
    describe("2. without forceKillAfter", () => {
      it.effect("the scope's close sends the command's signal and waits as long as it takes", () =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const handle = yield* Scope.provide(
            stubborn({ killSignal: "SIGINT", stdin: { stream: "pipe", endOnDone: false } }),
            scope
          )
          const line = yield* linesOf(handle.stdout)
          expect(yield* line).toBe("ready")
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
          expect(yield* line).toBe("SIGINT")
          expect(yield* handle.isRunning).toBe(true)
          expect(closing.pollUnsafe()).toBeUndefined()
          process.kill(handle.pid, "SIGKILL")
          yield* Fiber.join(closing)
          expect(yield* handle.isRunning).toBe(false)
        })
      )

      it.effect("kill waits for the leader as long as it takes, and ignores what the command says", () =>
        Effect.gen(function* () {
          const handle = yield* stubborn({ killSignal: "SIGKILL", forceKillAfter: 1 })
          const line = yield* linesOf(handle.stdout)
          expect(yield* line).toBe("ready")
          const killing = yield* Effect.forkChild(handle.kill(), { startImmediately: true })
          expect(yield* line).toBe("SIGTERM")
          expect(killing.pollUnsafe()).toBeUndefined()
          yield* Stream.run(Stream.empty, handle.stdin)
          yield* Fiber.join(killing)
          expect(yield* handle.exitCode).toBe(0)
        })
      )
    })

    describe("15. under a TestClock, whose time stands still", () => {
      it.effect("forceKillAfter ends what ignores the signal when the scope closes", () =>
        Effect.gen(function* () {
          const handle = yield* Effect.scoped(
            Effect.gen(function* () {
              const handle = yield* stubborn({ forceKillAfter: "50 millis" })
              expect(yield* yield* linesOf(handle.stdout)).toBe("ready")
              return handle
            })
          )
          expect(signalOf(yield* Effect.exit(handle.exitCode))).toContain("'SIGKILL'")
        })
      )

      it.effect("and when it is killed, with the rest of its group", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("sh", ["-c", "trap '' TERM; sleep 1000 & echo $!; wait"], {
            additionalFds: canary
          })
          const pid = Number(yield* yield* linesOf(handle.stdout))
          yield* handle.kill({ forceKillAfter: "50 millis" })
          expect(yield* handle.isRunning).toBe(false)
          expect(isAlive(pid)).toBe(false)
        })
      )

      it.effect("kill waits a second for what is left of the group, and not for longer", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("sh", ["-c", "(trap '' TERM; echo $$; sleep 1000) & wait"])
          yield* yield* linesOf(handle.stdout)
          const before = performance.now()
          yield* handle.kill()
          // Timers may be a moment early.
          expect(performance.now() - before).toBeGreaterThanOrEqual(990)
          expect(yield* handle.isRunning).toBe(false)
        })
      )
    })

    describe("3. the leader exits", () => {
      it.effect("with another code than 0: the group gets the signal at once", () =>
        Effect.gen(function* () {
          const handle = yield* leaving("exit 3")
          expect(yield* handle.exitCode).toBe(3)
          // Nobody closes a scope here: the end of file is the proof.
          yield* released(handle, 9)
        })
      )

      it.effect("with another code than 0: the group gets the signal of the command", () =>
        Effect.gen(function* () {
          const script = `trap 'echo got HUP; exit' HUP; trap '' TERM; echo ready; while :; do sleep 0.01; done`
          const handle = yield* ChildProcess.make("sh", ["-c", `(${script}) & read go; exit 3`], {
            killSignal: "SIGHUP"
          })
          const line = yield* linesOf(handle.stdout)
          expect(yield* line).toBe("ready")
          yield* Stream.run(Stream.make(bytes("go\n")), handle.stdin)
          expect(yield* line).toBe("got HUP")
        })
      )

      it.effect("with another code than 0 after unref: the same", () =>
        Effect.gen(function* () {
          const handle = yield* leaving("read go; exit 3")
          yield* Effect.asVoid(handle.unref)
          yield* Stream.run(Stream.make(bytes("go\n")), handle.stdin)
          expect(yield* handle.exitCode).toBe(3)
          yield* released(handle, 9)
        })
      )

      for (const [how, end] of [
        ["with 0", "exit 0"],
        ["by a signal", "kill -9 $$"]
      ] as const) {
        it.effect(`${how}: what it left lives until the scope closes`, () =>
          Effect.gen(function* () {
            const handle = yield* Effect.scoped(
              Effect.gen(function* () {
                const handle = yield* ChildProcess.make("sh", ["-c", `cat <&4 & ${end}`], {
                  additionalFds: { ...canary, fd4: { type: "input" } }
                })
                yield* Effect.exit(handle.exitCode)
                const question = Stream.concat(Stream.make(bytes("alive\n")), Stream.never)
                yield* Effect.forkScoped(Stream.run(question, handle.getInputFd(4)))
                expect(yield* yield* linesOf(handle.stdout)).toBe("alive")
                return handle
              })
            )
            yield* released(handle, 9)
          })
        )
      }

      it.effect("and kill still reaches what it left, but fails when nobody is left", () =>
        Effect.gen(function* () {
          const handle = yield* leaving("exit 0")
          expect(yield* handle.exitCode).toBe(0)
          yield* handle.kill()
          yield* released(handle, 9)
          const { reason } = yield* Effect.flip(handle.kill())
          expect(reason).toMatchObject({ _tag: "Unknown", module: "ChildProcess", method: "kill" })
          expect(String(reason.cause)).toBe("Error: Failed to kill child process")
          yield* Effect.flip(handle.kill({ forceKillAfter: "1 second" }))
        })
      )
    })

    it.effect("4. death by a signal is a failure of exitCode that names the signal", () =>
      Effect.gen(function* () {
        const handle = yield* ChildProcess.make("sh", ["-c", "kill -9 $$"])
        const { reason } = yield* Effect.flip(handle.exitCode)
        expect(reason).toMatchObject({
          _tag: "Unknown",
          module: "ChildProcess",
          method: "exitCode",
          pathOrDescriptor: "sh -c 'kill -9 $$'"
        })
        expect(String(reason.cause)).toBe("Error: Process interrupted due to receipt of signal: 'SIGKILL'")
      })
    )

    it.effect("kill of an unknown signal is a typed failure and ends nothing", () =>
      Effect.gen(function* () {
        const handle = yield* ChildProcess.make("cat")
        const { reason } = yield* Effect.flip(handle.kill({ killSignal: "SIGBREAK" }))
        expect(reason).toMatchObject({ _tag: "BadArgument", method: "kill" })
        yield* Stream.run(Stream.make(bytes("alive")), handle.stdin)
        expect(yield* text(handle.stdout)).toBe("alive")
      })
    )

    it.effect("a process that ended while it was being killed was killed", () =>
      Effect.gen(function* () {
        const handle = yield* ChildProcess.make("cat")
        const kills = yield* Effect.forkChild(Effect.all([handle.kill(), handle.kill()], { concurrency: 2 }), {
          startImmediately: true
        })
        yield* Fiber.join(kills)
        expect(yield* handle.isRunning).toBe(false)
      })
    )

    it.effect("several wait for one exit, and later ones still get it", () =>
      Effect.gen(function* () {
        const handle = yield* ChildProcess.make("sh", ["-c", "read go; exit 7"])
        const waiting = yield* Effect.forkChild(Effect.all([handle.exitCode, handle.exitCode], { concurrency: 2 }), {
          startImmediately: true
        })
        expect(yield* handle.isRunning).toBe(true)
        yield* Stream.run(Stream.make(bytes("go\n")), handle.stdin)
        expect(yield* Fiber.join(waiting)).toEqual([7, 7])
        expect(yield* handle.exitCode).toBe(7)
        expect(yield* handle.isRunning).toBe(false)
      })
    )

    it.effect("a scope that lives long keeps nothing of what has ended", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        for (let i = 0; i < 3; i++) {
          const handle = yield* Scope.provide(ChildProcess.make("true"), scope)
          yield* Stream.runDrain(handle.all)
          yield* handle.exitCode
          yield* Effect.flip(Scope.provide(ChildProcess.make("no-such-program"), scope))
        }
        while (scope.state._tag !== "Empty") yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
        yield* Scope.close(scope, Exit.void)
      })
    )

    it.effect("an interrupted spawn leaves nothing, whatever it has come to", () =>
      Effect.gen(function* () {
        for (let yields = 0; yields < 20; yields++) {
          const spawning = yield* Effect.forkChild(
            Effect.scoped(Effect.andThen(ChildProcess.make("cat"), Effect.never)),
            {
              startImmediately: true
            }
          )
          for (let i = 0; i < yields; i++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          yield* Fiber.interrupt(spawning)
          expect(yield* Nursery.processes).toEqual([])
        }
      })
    )
  })
}

layer(keeper)("on the keeper", (it) => {
  it.effect("the scope's close ends everything descended, also what left the group", () =>
    Effect.gen(function* () {
      const handle = yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make(
            "sh",
            ["-c", "setsid sh -c 'trap \"\" TERM HUP; echo escaped; sleep 1000 & wait'"],
            {
              additionalFds: canary
            }
          )
          expect(yield* yield* linesOf(handle.stdout)).toBe("escaped")
          return handle
        })
      )
      yield* released(handle, 9)
      expect(yield* Nursery.processes).toEqual([])
    })
  )

  it.effect(
    "a keeper that is killed fails what was running with a typed error, and the next spawn starts another",
    () =>
      Effect.gen(function* () {
        const handle = yield* ChildProcess.make("sh", ["-c", "cat; wait"])
        const [family] = Proc.families()
        process.kill(family?.keeper ?? 0, "SIGKILL")
        const { reason } = yield* Effect.flip(handle.exitCode)
        expect(reason).toMatchObject({ _tag: "Unknown", method: "exitCode", cause: { _tag: "KeeperLost" } })
        expect(yield* handle.isRunning).toBe(false)
        expect(yield* text(handle.stdout)).toBe("")
        yield* Effect.flip(handle.kill())
        const again = yield* ChildProcess.make("echo", ["again"])
        expect(yield* text(again.stdout)).toBe("again\n")
      })
  )

  it.effect("a stranger who holds the output does not keep it open beyond the scope", () =>
    Effect.gen(function* () {
      const [handle, held] = yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("sh", ["-c", "echo >&2; cat"])
          // Right after its exec a process is not yet open to others of its user, in /proc: it has run by the time it writes.
          yield* Stream.runDrain(Stream.take(handle.stderr, 1))
          return [handle, openSync(`/proc/${handle.pid}/fd/1`, "w")] as const
        })
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => closeSync(held)))
      expect(yield* text(handle.stdout)).toBe("")
      expect(() => writeSync(held, "nobody reads")).toThrow("EPIPE")
    })
  )
})
