/** Descriptors between processes, and between a process and this program. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Fd from "../../src/Fd.ts"
import type { FdError } from "../../src/FdError.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import type { KeeperLost } from "../../src/ProcessError.ts"
import { leftOpen, sh, text } from "../behaviour/setup.ts"
import { tryMaps } from "../support/maps.ts"
import * as Proc from "../support/proc.ts"
import { isCampaign } from "../support/random.ts"

const encoded = (words: string) => Stream.make(new TextEncoder().encode(words))

const failure = <A, E>(exit: Exit.Exit<A, E>): E | undefined => (Exit.isFailure(exit) ? failOf(exit.cause) : undefined)
const failOf = <E>(cause: Cause.Cause<E>): E | undefined => cause.reasons.find(Cause.isFailReason)?.error

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-fd-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

layer(Nursery.layer, { excludeTestServices: true })("descriptors", (it) => {
  it.effect("of a pipe join two processes, and end with the one that it was given to", () =>
    Effect.gen(function* () {
      const { read, write } = yield* Fd.pipe({ size: "1 MiB" })
      yield* Process.spawn(Command.make("printf", ["b\na\n"], { stdout: Fd.give(write) }))
      expect(yield* Process.string(Command.make("sort", [], { stdin: read }))).toBe("a\nb\n")
    })
  )

  for (const type of ["stream", "seqpacket"] as const) {
    it.effect(`of a pair (${type}): either process's death is the end of file for the other`, () =>
      Effect.gen(function* () {
        for (const order of [0, 1] as const) {
          const [left, right] = yield* type === "stream" ? Fd.socketpair() : Fd.socketpair({ type })
          const [dies, sees] = order === 0 ? [left, right] : [right, left]
          const victim = yield* Process.spawn(Command.make("sleep", ["1000"], { fds: { 3: Fd.give(dies) } }))
          const witness = yield* Process.spawn(Command.make("cat", [], { stdin: Fd.give(sees), stdout: "null" }))
          expect(yield* witness.isRunning).toBe(true)
          yield* victim.signal("SIGKILL")
          expect((yield* witness.exit).status).toEqual({ _tag: "Exited", code: 0 })
        }
      })
    )
  }

  it.effect("of a pair that is held survive their users, until it is closed", () =>
    Effect.gen(function* () {
      const [left, right] = yield* Fd.socketpair()
      const reader = yield* Process.spawn(Command.make("cat", [], { stdin: right, stdout: "pipe" }))
      const output = yield* Effect.forkChild(text(reader.stdout))
      for (const word of ["one", "two", "three"]) {
        const writer = yield* Process.spawn(Command.make("echo", [word], { stdout: left }))
        yield* writer.ended
      }
      yield* Fd.close(left)
      expect(yield* Fiber.join(output)).toBe("one\ntwo\nthree\n")
    })
  )

  it.effect("are not given away by a start that fails, and once only", () =>
    Effect.gen(function* () {
      const { read, write } = yield* Fd.pipe()
      const gift = { stdout: Fd.give(write) }
      const failed = yield* Effect.exit(Process.spawn(Command.make("no-such-program", [], gift)))
      expect(failure(failed)).toMatchObject({ _tag: "SpawnError", reason: { _tag: "ProgramNotFound" } })
      yield* Process.spawn(Command.make("echo", ["given"], gift))
      const again = failure(yield* Effect.exit(Process.spawn(Command.make("echo", [], gift))))
      expect(again).toMatchObject({ _tag: "SpawnError", reason: { _tag: "Descriptor", descriptor: 1, errno: "EBADF" } })
      expect(again?.message).toContain("it was given away")
      expect(yield* text(Fd.readable(Fd.give(read)))).toBe("given\n")
      const gone = failure(yield* Effect.exit(text(Fd.readable(read))))
      expect(gone).toMatchObject({ _tag: "FdError", reason: { _tag: "DescriptorGone" } })
    })
  )

  it.effect("that two starts want to give away at once go to one of them", () =>
    Effect.gen(function* () {
      const { read, write } = yield* Fd.pipe()
      const command = Command.make("echo", ["one"], { stdout: Fd.give(write) })
      const exits = yield* Effect.all([Effect.exit(Process.spawn(command)), Effect.exit(Process.spawn(command))], {
        concurrency: 2
      })
      expect(exits.map(Exit.isSuccess).toSorted()).toEqual([false, true])
      expect(yield* text(Fd.readable(read))).toBe("one\n")
    })
  )

  it.effect("of pipes, files and memory are read and written here", () =>
    Effect.gen(function* () {
      const { read, write } = yield* Fd.pipe()
      const upper = yield* Effect.forkChild(Process.string(Command.make("tr", ["a-z", "A-Z"], { stdin: read })))
      yield* Stream.run(encoded("through a pipe"), Fd.writable(Fd.give(write)))
      expect(yield* Fiber.join(upper)).toBe("THROUGH A PIPE")
      const path = join(yield* folder, "file")
      const file = yield* Fd.file(path, { access: "read-write", create: "always" })
      yield* Stream.run(encoded("from here\n"), Fd.writable(file))
      yield* Process.exitStatus(Command.make("sh", ["-c", "cat >/dev/null; echo from there >&3"], { fds: { 3: file } }))
      expect(readFileSync(path, "utf8")).toMatch(/^from (here|there)\n/)
      const memory = yield* Fd.memory("x".repeat(100_000))
      expect((yield* text(Fd.readable(memory))).length).toBe(100_000)
      yield* Stream.run(encoded("written"), Fd.writable(memory))
      expect((yield* text(Fd.readable(memory))).slice(0, 9)).toBe("writtenxx")
    })
  )

  it.effect("of a pair are read and written here, in both directions at once, until one side is done", () =>
    Effect.gen(function* () {
      const [here, there] = yield* Fd.socketpair()
      const answer = yield* Effect.forkChild(text(Fd.readable(here)), { startImmediately: true })
      const written = yield* Effect.forkChild(Stream.run(encoded("to and fro"), Fd.writable(here)), {
        startImmediately: true
      })
      yield* Fiber.join(written)
      yield* Process.spawn(Command.make("cat", [], { stdin: there, stdout: Fd.give(there) }))
      expect(yield* Fiber.join(answer)).toBe("to and fro")
    })
  )

  it.effect("of a pair that a process has got an end of cannot be opened here any more, and say so", () =>
    Effect.gen(function* () {
      const [here, there] = yield* Fd.socketpair()
      yield* Process.spawn(Command.make("cat", [], { stdin: there, stdout: "null" }))
      const late = failure(yield* Effect.exit(text(Fd.readable(here))))
      expect(late).toMatchObject({ _tag: "FdError", reason: { _tag: "DescriptorGone" } })
      expect(late?.message).toContain("before the other is given to a process")
      const [mine, other] = yield* Fd.socketpair()
      yield* Stream.run(encoded("x"), Fd.writable(mine))
      const taken = failure(yield* Effect.exit(Process.spawn(Command.make("cat", [], { stdin: mine }))))
      expect(taken?.message).toContain("give the process the other one")
      expect(yield* Process.string(Command.make("head", ["-c1"], { stdin: other }))).toBe("x")
    })
  )

  it.effect("of a closed scope, another nursery or a lost keeper are errors that say so", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { read } = yield* Scope.provide(Fd.pipe(), scope)
      yield* Scope.close(scope, Exit.void)
      const closed = failure(yield* Effect.exit(Process.spawn(Command.make("cat", [], { stdin: read }))))
      expect(closed).toMatchObject({ reason: { _tag: "Descriptor", descriptor: 0 } })
      expect(closed?.message).toContain("its scope has closed")
      const own = yield* Fd.pipe()
      const elsewhere = Process.spawn(Command.make("cat", [], { fds: { 7: own.read } })).pipe(
        Effect.scoped,
        Effect.provide(Layer.fresh(Nursery.layer))
      )
      expect(failure(yield* Effect.exit(elsewhere))?.message).toContain("it belongs to another nursery")
    })
  )

  it.effect("that are not for the stream are found also in untyped code, and no Schema encodes them", () =>
    Effect.gen(function* () {
      const { read, write } = yield* Fd.pipe()
      const wrong = (options: object) =>
        Option.getOrUndefined(Result.getFailure(Command.validate(Command.make("x", [], options))))
      expect(wrong({ stdin: write })?.message).toBe("stdin is read by the child: this Fd is for output")
      expect(wrong({ stdout: read })?.message).toBe("stdout is written by the child: this Fd is for input")
      expect(wrong({ fds: { 3: read, 4: write } })).toBeUndefined()
      const encode = Schema.encodeUnknownExit(Command.Command)
      for (const [options, option] of [
        [{ stdin: read }, "stdin"],
        [{ fds: { 5: write } }, "fds[5]"]
      ] as const) {
        const refused = failure(encode(Command.make("x", [], options)))
        expect(refused?.message).toContain(`${option} holds an Fd, which lives in this program and cannot be encoded`)
      }
    })
  )

  it.effect("leave nothing open here or in the keeper when their scope closes", () =>
    Effect.gen(function* () {
      const keeper = Proc.families()[0]?.keeper ?? 0
      // When it answers, the keeper has done what it was asked before.
      const open = Effect.gen(function* () {
        yield* Effect.scoped(Fd.pipe())
        yield* Process.exitStatus(sh("true"))
        return readdirSync(`/proc/${keeper}/fd`).length
      })
      const once = Effect.scoped(
        Effect.gen(function* () {
          const { read, write } = yield* Fd.pipe()
          const [here, there] = yield* Fd.socketpair()
          const memory = yield* Fd.memory("x")
          yield* Stream.run(encoded("x"), Fd.writable(here))
          const fds = { 3: Fd.give(write), 4: there, 5: memory }
          yield* Process.spawn(Command.make("true", [], { stdin: read, fds }))
        })
      )
      yield* once
      const before = yield* open
      expect(yield* leftOpen(once)).toEqual([])
      expect(yield* open).toBe(before)
    })
  )

  it.effect("are exactly the declared ones in the child, hundreds of times at random", () =>
    Effect.gen(function* () {
      const { levels } = yield* Nursery.guarantees
      const there = levels.filter(({ available, level }) => available && level !== "cgroup").map(({ level }) => level)
      expect(yield* tryMaps(isCampaign ? 3000 : 200, there)).toEqual([])
    })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("descriptors of a keeper that is killed", (it) => {
  it.effect("are lost, which is said, and can be made anew", () =>
    Effect.gen(function* () {
      const { read } = yield* Fd.pipe()
      const process = yield* Process.spawn(Command.make("cat", [], { stdin: read, stdout: "null" }))
      const [family] = Proc.families()
      Proc.kill(family?.keeper ?? 0)
      expect(failure(yield* Effect.exit(process.exit))).toMatchObject({ _tag: "KeeperLost" })
      const lost = failure(yield* Effect.exit(Process.spawn(Command.make("cat", [], { stdin: read }))))
      expect(lost).toMatchObject({ _tag: "KeeperLost", helper: "keeper" })
      expect(lost?.message).toContain("make the descriptor anew")
      expect(failure(yield* Effect.exit(text(Fd.readable(read))))).toMatchObject({ _tag: "KeeperLost" })
      const [left, right] = yield* Fd.socketpair()
      yield* Process.spawn(Command.make("echo", ["anew"], { stdout: Fd.give(left) }))
      expect(yield* Process.string(Command.make("cat", [], { stdin: right }))).toBe("anew\n")
    })
  )
})

layer(Nursery.layerPortable, { excludeTestServices: true })("descriptors without a keeper", (it) => {
  it.effect("cannot be held, which is said", () =>
    Effect.gen(function* () {
      const all = [Fd.pipe(), Fd.socketpair(), Fd.memory("x"), Fd.listen({ tcp: 0 })].map((made) =>
        Effect.asVoid<unknown, FdError | KeeperLost, Nursery.Nursery | Scope.Scope>(made)
      )
      for (const made of all) {
        const refused = failure(yield* Effect.exit(Effect.scoped(made)))
        expect(refused).toMatchObject({ _tag: "FdError", reason: { _tag: "Unsupported", feature: "Fd" } })
        expect(refused?.message).toContain("only the keeper (Nursery.layer) holds descriptors")
      }
    })
  )
})
