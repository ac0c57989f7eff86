/** Simulated processes, in the time of TestClock. */
import { describe, expect, it } from "@effect/vitest"
import { Command, ExitStatus, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Program, TestNursery } from "../src/index.ts"

/** What a fiber has come to at this moment; nothing where it goes on. */
const stateOf = <A, E>(fiber: Fiber.Fiber<A, E>) => fiber.pollUnsafe()

const text = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.mkString(Stream.decodeText(stream))

describe("a simulated process", () => {
  it.effect("starts, and exits in virtual time", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("job", ["-x"]))
      expect(process.pid).toBe(1000)
      const exit = yield* Effect.forkChild(process.exit)
      yield* TestClock.adjust("2999 millis")
      expect(stateOf(exit)).toBeUndefined()
      expect(yield* process.isRunning).toBe(true)
      yield* TestClock.adjust("1 millis")
      expect(stateOf(exit)).toMatchObject(Exit.succeed({ status: ExitStatus.exited(7) }))
      yield* process.ended
      expect(yield* TestNursery.alive).toEqual([])
      expect(yield* TestNursery.started).toMatchObject([
        { pid: 1000, program: "job", argv: ["job", "-x"], time: 0, nth: 1 }
      ])
    }).pipe(Effect.provide(TestNursery.layer({ job: Program.exits(7, { after: "3 seconds" }) })))
  )

  it.effect("is told apart by its arguments, environment, directory and number", () =>
    Effect.gen(function* () {
      const run = (argument: string) =>
        Process.string(Command.make("say", [argument], { env: { NAME: "x" }, cwd: "/tmp" }))
      expect(yield* run("a")).toBe("say a of x in /tmp, 1")
      expect(yield* run("b")).toBe("say b of x in /tmp, 2")
    }).pipe(
      Effect.provide(
        TestNursery.layer({
          say: ({ argv, cwd, env, nth }) => Program.stdout(`${argv.join(" ")} of ${env["NAME"]} in ${cwd}, ${nth}`)
        })
      )
    )
  )

  it.effect("ends by the signal of a stop, at once", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("server"))
      expect((yield* process.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
      expect(yield* TestNursery.signals).toEqual([{ time: 0, pid: 1000, program: "server", signal: "SIGTERM" }])
    }).pipe(Effect.provide(TestNursery.layer({ server: Program.runs })))
  )

  it.effect("gets SIGKILL at the end of the grace period, and not before", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("stubborn").pipe(Command.stop({ grace: "10 seconds" })))
      const stop = yield* Effect.forkChild(process.stop())
      yield* TestClock.adjust("9999 millis")
      expect(stateOf(stop)).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect((yield* Fiber.join(stop)).status).toEqual(ExitStatus.signaled("SIGKILL"))
      expect(yield* TestNursery.signals).toMatchObject([
        { time: 0, signal: "SIGTERM" },
        { time: 10_000, signal: "SIGKILL" }
      ])
    }).pipe(Effect.provide(TestNursery.layer({ stubborn: Program.steps(Program.ignore("SIGTERM"), Program.runs) })))
  )

  it.effect("may take its time to end in order", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("slow", [], { stdout: "pipe" }))
      const output = yield* Effect.forkChild(text(process.stdout), { startImmediately: true })
      const stop = yield* Effect.forkChild(process.stop())
      yield* TestClock.adjust("1500 millis")
      expect((yield* Fiber.join(stop)).status).toEqual(ExitStatus.exited(0))
      expect(yield* Fiber.join(output)).toBe("bye")
    }).pipe(
      Effect.provide(
        TestNursery.layer({
          slow: Program.steps(
            Program.onSignal(
              "SIGTERM",
              Program.steps(Program.sleep("1500 millis"), Program.stdout("bye"), Program.exit())
            ),
            Program.runs
          )
        })
      )
    )
  )

  it.effect("writes and reads, with delays", () =>
    Effect.gen(function* () {
      const lines = yield* Effect.forkChild(
        Stream.make("one\n", "two\n").pipe(
          Stream.encodeText,
          Process.through(Command.make("tee")),
          Stream.decodeText,
          Stream.splitLines,
          Stream.runCollect
        )
      )
      yield* TestClock.adjust("1 second")
      expect(stateOf(lines)).toBeUndefined()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(lines)).toEqual(["one", "two"])
    }).pipe(Effect.provide(TestNursery.layer({ tee: Program.steps(Program.cat, Program.sleep("2 seconds")) })))
  )

  it.effect("is not there where nobody has described it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Process.run(Command.make("git", [], { env: { PATH: "/usr/bin:/bin" } })))
      expect(error.message).toBe('cannot start "git": no such program on PATH (searched /usr/bin, /bin)')
    }).pipe(Effect.provide(TestNursery.layer({})))
  )

  it.effect("fails to start when it is told to", () =>
    Effect.gen(function* () {
      const run = Process.exitStatus(Command.make("worker"))
      expect(yield* run).toEqual(ExitStatus.exited(0))
      expect(yield* Effect.flip(run)).toMatchObject({ reason: { _tag: "ResourcesExhausted", errno: "EAGAIN" } })
      expect(yield* run).toEqual(ExitStatus.exited(0))
    }).pipe(
      Effect.provide(
        TestNursery.layer({ worker: ({ nth }) => (nth === 2 ? Program.cannotStart("EAGAIN") : Program.exits(0)) })
      )
    )
  )

  it.effect("leaves descendants, which hold its output and end with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const process = yield* Scope.provide(Process.spawn(Command.make("daemonize", [], { stdout: "pipe" })), scope)
      const output = yield* Effect.forkChild(text(process.stdout), { startImmediately: true })
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(0))
      expect(yield* process.descendants).toMatchObject([{ pid: 1001, name: "daemon", parent: 1 }])
      expect(stateOf(output)).toBeUndefined()
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(output)).toBe("started")
      expect(yield* TestNursery.alive).toEqual([])
    }).pipe(
      Effect.provide(
        TestNursery.layer({
          daemonize: Program.steps(
            Program.fork(Program.runs, { name: "daemon", session: true }),
            Program.stdout("started")
          )
        })
      )
    )
  )

  it.effect("is Unkillable where SIGKILL does not help", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("stuck"))
      const stop = yield* Effect.forkChild(Effect.flip(process.stop({ signal: "SIGKILL" })))
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(stop)).toMatchObject({ _tag: "Unkillable", pid: 1000, pids: [1000] })
    }).pipe(
      Effect.scoped,
      Effect.provide(TestNursery.layer({ stuck: Program.steps(Program.unkillable, Program.runs) }))
    )
  )

  it.effect("is lost with the keeper, and later ones start", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("server"))
      yield* TestNursery.loseKeeper
      expect(yield* Effect.flip(process.exit)).toMatchObject({ _tag: "KeeperLost", helper: "keeper" })
      yield* process.ended
      expect((yield* Process.spawn(Command.make("server"))).pid).toBe(1001)
    }).pipe(Effect.provide(TestNursery.layer({ server: Program.runs })))
  )

  it.effect("is shown by the nursery, with virtual times", () =>
    Effect.gen(function* () {
      yield* Process.spawn(Command.make("server"))
      yield* TestClock.adjust("1 hour")
      expect(yield* Nursery.processes).toMatchObject([{ pid: 1000, name: "server", startedAt: 0, age: 3_600_000 }])
      yield* Nursery.closeAll
      expect(yield* Nursery.processes).toEqual([])
    }).pipe(Effect.provide(TestNursery.layer({ server: Program.runs })))
  )
})
