/** Where a process of the drop-in spawner lives: session, group, and the state of this program when it was started. */
import { realpathSync } from "node:fs"
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Nursery from "../../src/Nursery.ts"
import { both, isAlive, keeper, linesOf, statOf, temporary, text } from "./support.ts"

const groupAndSession = (pid: number | "self") => statOf(pid)?.slice(2, 4).map(Number)

const output = (command: ChildProcess.Command) =>
  Effect.scoped(Effect.flatMap(command, (handle) => text(handle.stdout)))

const changed = (change: () => () => void) => Effect.acquireRelease(Effect.sync(change), (undo) => Effect.sync(undo))

for (const [name, spawner] of both) {
  layer(spawner)(`on the ${name}`, (it) => {
    describe("8. sessions", () => {
      it.effect("by default the child leads a session and a group of its own", () =>
        Effect.gen(function* () {
          const { pid } = yield* ChildProcess.make("cat")
          expect(groupAndSession(pid)).toEqual([pid, pid])
        })
      )

      it.effect("detached: false keeps it in those of this program", () =>
        Effect.gen(function* () {
          const { pid } = yield* ChildProcess.make("cat", { detached: false })
          expect(groupAndSession(pid)).toEqual(groupAndSession("self"))
        })
      )

      it.effect("detached: false: a signal reaches the leader only", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("sh", ["-c", "sleep 1000 & echo $!; wait"], { detached: false })
          const pid = Number(yield* yield* linesOf(handle.stdout))
          yield* Effect.addFinalizer(() => Effect.sync(() => isAlive(pid) && process.kill(pid, "SIGKILL")))
          yield* handle.kill()
          expect(yield* handle.isRunning).toBe(false)
          expect(isAlive(pid)).toBe(true)
          yield* Effect.flip(handle.kill())
        })
      )
    })

    describe("10. the state of this program at the time of the spawn", () => {
      it.effect("its environment", () =>
        Effect.gen(function* () {
          const print = ChildProcess.make("sh", ["-c", "echo $NURSERY_TEST_VALUE"])
          for (const value of ["one", "two"]) {
            yield* changed(() => {
              process.env["NURSERY_TEST_VALUE"] = value
              return () => delete process.env["NURSERY_TEST_VALUE"]
            })
            expect(yield* output(print)).toBe(`${value}\n`)
          }
          delete process.env["NURSERY_TEST_VALUE"]
          expect(yield* output(print)).toBe("\n")
        })
      )

      it.effect("extendEnv adds to it and removes from it", () =>
        Effect.gen(function* () {
          yield* changed(() => {
            process.env["NURSERY_TEST_KEPT"] = "kept"
            process.env["NURSERY_TEST_GONE"] = "gone"
            return () => {
              delete process.env["NURSERY_TEST_KEPT"]
              delete process.env["NURSERY_TEST_GONE"]
            }
          })
          const print = 'echo "$NURSERY_TEST_KEPT,$NURSERY_TEST_GONE,$NURSERY_TEST_NEW"'
          const env = { NURSERY_TEST_GONE: undefined, NURSERY_TEST_NEW: "new" }
          expect(yield* output(ChildProcess.make("sh", ["-c", print], { env, extendEnv: true }))).toBe("kept,,new\n")
          expect(yield* output(ChildProcess.make("sh", ["-c", print], { env }))).toBe(",,new\n")
        })
      )

      it.effect("its working directory, which relative ones start from", () =>
        Effect.gen(function* () {
          const folder = realpathSync(yield* temporary)
          yield* changed(() => {
            const before = process.cwd()
            process.chdir(folder)
            return () => process.chdir(before)
          })
          expect(yield* output(ChildProcess.make("pwd"))).toBe(`${folder}\n`)
          expect(yield* output(ChildProcess.make("pwd", { cwd: ".." }))).toBe(`${realpathSync("..")}\n`)
        })
      )

      it.effect("its umask", () =>
        Effect.gen(function* () {
          yield* changed(() => {
            const before = process.umask(0o137)
            return () => process.umask(before)
          })
          expect(yield* output(ChildProcess.make("umask", { shell: true }))).toBe("0137\n")
        })
      )
    })

    it.effect("a nursery shows what was started, without secrets", () =>
      Effect.gen(function* () {
        const cat = yield* ChildProcess.make("/bin/cat", ["-", Redacted.make("/secret")])
        const shell = yield* ChildProcess.make("read x", { shell: true })
        expect(yield* Nursery.processes).toMatchObject([
          { pid: cat.pid, name: "cat", command: "/bin/cat - <redacted>", state: "running" },
          { pid: shell.pid, name: "sh", command: "/bin/sh -c 'read x'", state: "running" }
        ])
      })
    )
  })
}

layer(keeper)("on the keeper", (it) => {
  it.effect("8. detached: false: what the leader left ends with the scope", () =>
    Effect.gen(function* () {
      const pid = yield* Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("sh", ["-c", "sleep 1000 & echo $!; wait"], { detached: false })
          return Number(yield* yield* linesOf(handle.stdout))
        })
      )
      expect(isAlive(pid)).toBe(false)
    })
  )
})
