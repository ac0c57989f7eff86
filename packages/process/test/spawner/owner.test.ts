/** What only shows in a program of its own: whom its end ends, what holds its event loop, and what it inherits on. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { describe, expect, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Command from "effect/process/ChildProcess"
import * as Scope from "effect/Scope"
import * as Nursery from "../../src/Nursery.ts"
import { both, canary, isAlive, keeper, released } from "./support.ts"

/** A program of `programs/owner.ts`, whose lines are taken one after the other. */
class Owner {
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  /** Everything that holds its stdout and stderr is gone. */
  readonly closed: Promise<void>
  readonly #lines: AsyncIterator<string>

  constructor(backend: string, scenario: string) {
    const program = join(import.meta.dirname, "programs/owner.ts")
    const owner = spawn(process.execPath, [program, backend, scenario], { stdio: ["pipe", "pipe", "pipe"] })
    this.process = owner
    this.ended = new Promise((resolve) => owner.once("exit", resolve))
    this.closed = new Promise((resolve) => owner.once("close", () => resolve()))
    this.#lines = createInterface({ input: owner.stdout })[Symbol.asyncIterator]()
    owner.stderr.pipe(process.stderr)
  }

  async line(): Promise<string> {
    const { done, value } = await this.#lines.next()
    if (done === true) throw new Error("the owner ended before it said a line")
    return value
  }
}

/** Runs a check on a process that is meant to be alive afterwards, and ends it. */
const thenEnded = (pid: number, check: () => void): void => {
  try {
    check()
  } finally {
    process.kill(pid, "SIGKILL")
  }
}

for (const [name, spawner] of both) {
  describe(`1. on the ${name}, an unreferenced process`, () => {
    it("outlives its scope, its nursery and its program", async () => {
      const owner = new Owner(name, "unref")
      const pid = Number(await owner.line())
      expect(await owner.ended).toBe(0)
      // Neither it nor a helper that is left for it holds what the program had.
      await owner.closed
      thenEnded(pid, () => expect(isAlive(pid)).toBe(true))
    })

    it("holds no event loop, though nobody reads its output", async () => {
      const owner = new Owner(name, "unref with pipes")
      const pid = Number(await owner.line())
      // Node's own status for a program whose event loop is empty while it still awaits something.
      expect(await owner.ended).toBe(13)
      thenEnded(pid, () => expect(isAlive(pid)).toBe(true))
    })

    it("holds it again after reref", async () => {
      const owner = new Owner(name, "reref")
      await owner.line()
      owner.process.stdin?.end()
      expect(await owner.line()).toBe("exited 0")
      expect(await owner.ended).toBe(0)
    })
  })

  layer(spawner)(`1. on the ${name}, an unreferenced process`, (it) => {
    const detached = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const handle = yield* Scope.provide(
        Command.make("sh", ["-c", "read x; exit 5"], { additionalFds: canary }),
        scope
      )
      return { handle, scope }
    })

    it.effect("survives its scope's close, and still answers kill and exitCode", () =>
      Effect.gen(function* () {
        const { handle, scope } = yield* detached
        yield* Effect.asVoid(handle.unref)
        yield* Scope.close(scope, Exit.void)
        expect(yield* handle.isRunning).toBe(true)
        expect(isAlive(handle.pid)).toBe(true)
        yield* handle.kill()
        yield* Effect.flip(handle.exitCode)
        expect(yield* handle.isRunning).toBe(false)
        yield* released(handle, 9)
      })
    )

    it.effect("is ended by its scope's close after reref", () =>
      Effect.gen(function* () {
        const { handle, scope } = yield* detached
        const reref = yield* handle.unref
        yield* reref
        yield* Scope.close(scope, Exit.void)
        expect(yield* handle.isRunning).toBe(false)
        expect(isAlive(handle.pid)).toBe(false)
      })
    )

    it.effect("may be unreferenced twice, and after its end", () =>
      Effect.gen(function* () {
        const { handle, scope } = yield* detached
        yield* Effect.asVoid(handle.unref)
        const reref = yield* handle.unref
        yield* handle.kill()
        yield* reref
        yield* Effect.flatten(handle.unref)
        yield* Scope.close(scope, Exit.void)
      })
    )

    it.effect("is every process of a pipeline", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const sleep = Command.make("sleep", ["1000"])
        const handle = yield* Scope.provide(sleep.pipe(Command.pipeTo(sleep)), scope)
        const reref = yield* handle.unref
        yield* Scope.close(scope, Exit.void)
        expect(yield* Nursery.processes).toHaveLength(2)
        yield* reref
        yield* handle.kill()
        expect(yield* Nursery.processes).toEqual([])
      })
    )
  })

  it(`9. on the ${name}, inherited descriptors block, whatever this program does with them`, async () => {
    const owner = new Owner(name, "inherit")
    const flags = [await owner.line(), await owner.line(), await owner.line()]
    const nonblocking = flags.map((line) => (Number.parseInt(line.replace(/^flags:\s*/, ""), 8) & 0o4000) !== 0)
    expect(nonblocking).toEqual([false, false, false])
    expect(await owner.ended).toBe(0)
  })
}

describe("on the keeper", () => {
  it("2. the owner is killed: what has no time limit ends nevertheless, what is unreferenced lives", async () => {
    const owner = new Owner("keeper", "killed")
    const pid = Number(await owner.line())
    owner.process.kill("SIGKILL")
    // The child that ignores SIGTERM holds stderr, until it has been killed.
    await owner.closed
    thenEnded(pid, () => expect(isAlive(pid)).toBe(true))
  })
})

layer(keeper)("on the keeper", (it) => {
  it.effect.skipIf(process.getuid?.() !== 0)(
    "10. a program that has become another user starts processes as that user",
    () =>
      Effect.promise(async () => {
        const owner = new Owner("keeper", "setuid")
        expect([await owner.line(), await owner.line()]).toEqual(["0 0", "65534 65534"])
        expect(await owner.ended).toBe(0)
      })
  )
})
