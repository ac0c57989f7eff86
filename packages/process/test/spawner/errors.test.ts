/** The errors of the drop-in spawner: typed where Node's dies, by error number, and without secrets. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import { describe, expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Nursery from "../../src/Nursery.ts"
import { both, temporary, text } from "./support.ts"

/** What a program matches on. */
const shape = ({ reason }: PlatformError.PlatformError) =>
  reason._tag === "BadArgument"
    ? { tag: reason._tag, method: `${reason.module}.${reason.method}` }
    : {
        tag: reason._tag,
        method: `${reason.module}.${reason.method}`,
        syscall: reason.syscall,
        path: reason.pathOrDescriptor,
        code: reason.cause instanceof Error && "code" in reason.cause ? reason.cause.code : undefined
      }

const failure = (command: ChildProcess.Command) => Effect.map(Effect.flip(Effect.scoped(command)), shape)

/** Directories that everybody may search: one that may not be searched turns NotFound into PermissionDenied, as in execvp(3). */
const searched = { PATH: "/usr/bin:/bin" }

const isRoot = process.getuid?.() === 0

for (const [name, spawner] of both) {
  layer(spawner)(`on the ${name}`, (it) => {
    describe("5. errors come by errno", () => {
      const spawnFailure = (tag: string, code: string, program: string, path: string = program) => ({
        tag,
        method: "ChildProcess.spawn",
        syscall: `spawn ${program}`,
        path,
        code
      })

      it.effect("a program that is not there is NotFound", () =>
        Effect.gen(function* () {
          expect(yield* failure(ChildProcess.make("no-such-program", ["a b"], { env: searched }))).toEqual(
            spawnFailure("NotFound", "ENOENT", "no-such-program", "no-such-program 'a b'")
          )
          expect(yield* failure(ChildProcess.make("/no/such/program"))).toEqual(
            spawnFailure("NotFound", "ENOENT", "/no/such/program")
          )
        })
      )

      it.effect("and the nursery publishes the reason of Process.spawn for it", () =>
        Effect.gen(function* () {
          const event = yield* Nursery.events.pipe(Stream.runHead, Effect.forkScoped)
          yield* Effect.yieldNow
          yield* failure(ChildProcess.make("no-such-program", { env: searched }))
          const published = yield* Effect.flatMap(Fiber.join(event), Effect.fromOption)
          expect(published).toMatchObject({ _tag: "SpawnFailed", error: { reason: { _tag: "ProgramNotFound" } } })
        })
      )

      it.effect("a shell that is not there is NotFound", () =>
        Effect.gen(function* () {
          expect(yield* failure(ChildProcess.make("echo hi", { shell: "/no/such/shell" }))).toEqual(
            spawnFailure("NotFound", "ENOENT", "/no/such/shell", "'echo hi'")
          )
        })
      )

      it.effect("a directory and a file without permission are PermissionDenied", () =>
        Effect.gen(function* () {
          const file = join(yield* temporary, "file")
          writeFileSync(file, "text")
          expect(yield* failure(ChildProcess.make("/tmp"))).toEqual(spawnFailure("PermissionDenied", "EACCES", "/tmp"))
          expect(yield* failure(ChildProcess.make(file))).toEqual(spawnFailure("PermissionDenied", "EACCES", file))
        })
      )

      it.effect("a missing interpreter is NotFound, and the error says which", () =>
        Effect.gen(function* () {
          const file = join(yield* temporary, "script")
          writeFileSync(file, "#!/no/such/interpreter\n")
          chmodSync(file, 0o755)
          const error = yield* Effect.flip(Effect.scoped(ChildProcess.make(file)))
          expect(shape(error)).toEqual(spawnFailure("NotFound", "ENOENT", file))
          expect(error.message).toContain("/no/such/interpreter")
        })
      )

      it.effect("a missing working directory is NotFound of FileSystem.access, also relative or empty", () =>
        Effect.gen(function* () {
          for (const cwd of ["/no/such/directory", "no/such/directory", ""]) {
            expect(yield* failure(ChildProcess.make("true", { cwd }))).toEqual({
              tag: "NotFound",
              method: "FileSystem.access",
              syscall: "access",
              path: cwd,
              code: "ENOENT"
            })
          }
        })
      )

      it.effect("a working directory below a file is BadResource of FileSystem.access", () =>
        Effect.gen(function* () {
          const file = join(yield* temporary, "file")
          writeFileSync(file, "")
          const cwd = join(file, "below")
          expect(yield* failure(ChildProcess.make("true", { cwd }))).toMatchObject({
            tag: "BadResource",
            method: "FileSystem.access",
            path: cwd,
            code: "ENOTDIR"
          })
        })
      )

      it.effect("what dies under Node is typed: a file as working directory, arguments that are too large", () =>
        Effect.gen(function* () {
          const file = join(yield* temporary, "file")
          writeFileSync(file, "")
          expect(yield* failure(ChildProcess.make("true", { cwd: file }))).toEqual(
            spawnFailure("BadResource", "ENOTDIR", "true")
          )
          expect(yield* failure(ChildProcess.make("true", ["x".repeat(3_000_000)]))).toMatchObject({
            tag: "Unknown",
            code: "E2BIG"
          })
          expect(yield* failure(ChildProcess.make(""))).toEqual({ tag: "BadArgument", method: "ChildProcess.spawn" })
          expect(yield* failure(ChildProcess.make("true", { killSignal: "SIGLOST" }))).toEqual({
            tag: "BadArgument",
            method: "ChildProcess.spawn"
          })
        })
      )

      it.effect.skipIf(isRoot)("a forbidden working directory is PermissionDenied", () =>
        Effect.gen(function* () {
          const folder = join(yield* temporary, "forbidden")
          mkdirSync(folder, { mode: 0o000 })
          yield* Effect.addFinalizer(() => Effect.sync(() => chmodSync(folder, 0o700)))
          expect(yield* failure(ChildProcess.make("true", { cwd: folder }))).toEqual(
            spawnFailure("PermissionDenied", "EACCES", "true")
          )
        })
      )
    })

    describe("11. programs are found and run as execvp(3) does", () => {
      it.effect("a text file without #! is run by /bin/sh", () =>
        Effect.gen(function* () {
          const file = join(yield* temporary, "script")
          writeFileSync(file, 'echo "$0 $1 $#"\n')
          chmodSync(file, 0o755)
          const handle = yield* ChildProcess.make(file, ["a b"])
          expect(yield* text(handle.stdout)).toBe(`${file} a b 1\n`)
        })
      )

      it.effect("without PATH in env the default path is searched", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("env", { env: { A: "1" } })
          expect(yield* text(handle.stdout)).toBe("A=1\n")
        })
      )

      it.effect("PATH of env is searched, not this program's", () =>
        Effect.gen(function* () {
          const folder = yield* temporary
          writeFileSync(join(folder, "my-program"), "#!/bin/sh\necho mine\n")
          chmodSync(join(folder, "my-program"), 0o755)
          const handle = yield* ChildProcess.make("my-program", { env: { PATH: folder } })
          expect(yield* text(handle.stdout)).toBe("mine\n")
          expect(yield* failure(ChildProcess.make("true", { env: { PATH: folder } }))).toMatchObject({
            tag: "NotFound"
          })
        })
      )

      it.effect("a relative program is resolved against the command's working directory", () =>
        Effect.gen(function* () {
          const folder = yield* temporary
          writeFileSync(join(folder, "program"), "#!/bin/sh\npwd\n")
          chmodSync(join(folder, "program"), 0o755)
          const handle = yield* ChildProcess.make("./program", { cwd: folder })
          expect(yield* text(handle.stdout)).toBe(`${folder}\n`)
        })
      )
    })

    describe("16. secrets", () => {
      const secret = Redacted.make("hunter2")

      it.effect("reach the child in clear, as arguments and in the environment", () =>
        Effect.gen(function* () {
          const handle = yield* ChildProcess.make("sh", ["-c", "echo $1 $TOKEN", "sh", secret], {
            env: { TOKEN: secret }
          })
          expect(yield* text(handle.stdout)).toBe("hunter2 hunter2\n")
        })
      )

      it.effect("are in no error", () =>
        Effect.gen(function* () {
          const options = { env: { TOKEN: secret } }
          const spawn = yield* Effect.sandbox(
            Effect.flip(Effect.scoped(ChildProcess.make("no-such-program", [secret], options)))
          )
          const handle = yield* ChildProcess.make("sh", ["-c", "kill $$", "sh", secret], options)
          const exit = yield* Effect.flip(handle.exitCode)
          const kill = yield* Effect.flip(handle.kill())
          const shown = [spawn, exit, kill].flatMap((error) => [
            inspect(error, { depth: 20, showHidden: true }),
            JSON.stringify(error),
            error.message,
            Cause.pretty(Cause.fail(error))
          ])
          expect(shown.filter((line) => line.includes("hunter2"))).toEqual([])
          expect(exit.message).toContain("<redacted>")
        })
      )
    })
  })
}
