/** What simulated programs can do, in the time of TestClock. */
import { describe, expect, it } from "@effect/vitest"
import { Command, ExitStatus, Nursery, Process } from "@nursery/process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Program, TestNursery } from "../src/index.ts"

const text = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.mkString(Stream.decodeText(stream))

const piped = (name: string) => Command.make(name, [], { stdout: "pipe" })

/** A program under the name `program`. */
const playing = <R>(program: Program.Program<R>) => Effect.provide(TestNursery.layer({ program }))

describe("a program", () => {
  it.effect("that fails is a crash: its cause on stderr, exit code 1", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Process.run(Command.make("program")))
      expect(error).toMatchObject({ _tag: "ExitError", status: ExitStatus.exited(1) })
      expect(error.message).toContain("out of paper")
    }).pipe(playing(Effect.fail(new Error("out of paper"))))
  )

  it.effect("that has a defect crashes alike", () =>
    Effect.gen(function* () {
      const output = yield* Process.run(Command.make("program").pipe(Command.successCodes([1])))
      expect(output.stderr).toContain("not a function")
    }).pipe(playing(Effect.die(new TypeError("x is not a function"))))
  )

  it.effect("may use services of the test", () => {
    class Paper extends Context.Service<Paper, { readonly size: string }>()("test/Paper") {}
    const program = Effect.flatMap(Paper, ({ size }) => Program.stdout(size))
    return Effect.gen(function* () {
      expect(yield* Process.string(Command.make("program"))).toBe("A4")
    }).pipe(Effect.provide(TestNursery.layer({ program }).pipe(Layer.provide(Layer.succeed(Paper, { size: "A4" })))))
  })

  it.effect("does nothing after its exit, nor after its death", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const late = (what: string) => Effect.sync(() => void seen.push(what))
      const layer = TestNursery.layer({
        exiting: Program.steps(Program.exit(2), late("after exit")),
        dying: Program.steps(
          Program.sleep("1 second"),
          Effect.ensuring(Program.runs, Program.stdout("too late")),
          late("after death")
        )
      })
      yield* Effect.gen(function* () {
        expect(yield* Process.exitStatus(Command.make("exiting"))).toEqual(ExitStatus.exited(2))
        const process = yield* Process.spawn(piped("dying"))
        yield* TestClock.adjust("2 seconds")
        yield* TestNursery.kill(process.pid)
        expect(yield* text(process.stdout)).toBe("")
        yield* TestClock.adjust("1 hour")
      }).pipe(Effect.provide(layer))
      expect(seen).toEqual([])
    })
  )

  it.effect("ends of a signal, with a core where it says so", () =>
    Effect.gen(function* () {
      expect(yield* Process.exitStatus(Command.make("program"))).toEqual(
        ExitStatus.signaled("SIGABRT", { coreDumped: true })
      )
    }).pipe(playing(Program.dieOf("SIGABRT", { coreDumped: true })))
  )

  it.effect("does nothing while it is stopped, and goes on where it was", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(piped("program"))
      const lines: Array<string> = []
      yield* process.stdout.pipe(
        Stream.decodeText,
        Stream.runForEach((line) => Effect.sync(() => void lines.push(line))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("2 seconds")
      expect(lines.length).toBe(2)
      yield* process.signal("SIGSTOP")
      yield* process.signal("SIGUSR1")
      expect(yield* TestNursery.alive).toMatchObject([{ pid: 1000, isStopped: true }])
      yield* TestClock.adjust("1 minute")
      expect(lines.length).toBe(2)
      yield* process.signal("SIGCONT")
      yield* TestClock.adjust("1 second")
      expect(lines).toEqual(["tick", "tick", "usr1", "tick", "tick"])
    }).pipe(
      playing(
        Program.steps(
          Program.onSignal("SIGUSR1", Program.stdout("usr1")),
          Effect.forever(Program.steps(Program.sleep("1 second"), Program.stdout("tick")))
        )
      )
    )
  )

  it.effect("takes its reactions back", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("program"))
      expect(yield* process.signal("SIGTERM")).toBe(true)
      expect(yield* process.isRunning).toBe(true)
      yield* TestClock.adjust("1 second")
      yield* process.signal("SIGTERM")
      expect((yield* process.exit).status).toEqual(ExitStatus.signaled("SIGTERM"))
    }).pipe(
      playing(
        Program.steps(Program.ignore("SIGTERM"), Program.sleep("1 second"), Program.reset("SIGTERM"), Program.runs)
      )
    )
  )

  it.effect("cannot ignore SIGKILL", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("program"))
      yield* process.signal("SIGKILL")
      expect((yield* process.exit).status).toEqual(ExitStatus.signaled("SIGKILL"))
    }).pipe(playing(Program.steps(Program.ignore("SIGKILL", "SIGSTOP"), Program.runs)))
  )

  it.effect("dies at last when it becomes killable", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("program"))
      yield* process.signal("SIGKILL")
      expect(yield* process.isRunning).toBe(true)
      yield* TestClock.adjust("1 minute")
      expect((yield* process.exit).status).toEqual(ExitStatus.signaled("SIGKILL"))
    }).pipe(playing(Program.steps(Program.unkillable, Program.sleep("1 minute"), Program.killable, Program.runs)))
  )

  it.effect("forks with the descriptors that it says, in a process of another pid", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("program", [], { stdout: "pipe", stderr: "pipe" }))
      expect(yield* text(process.stderr)).toBe("1001")
      expect(yield* process.descendants).toMatchObject([
        { pid: 1001, parent: 1000, name: "program" },
        { pid: 1002, parent: 1001, name: "deep" }
      ])
      expect(yield* process.isRunning).toBe(true)
      yield* TestClock.adjust("1 second")
      expect(yield* text(process.stdout)).toBe("below 1001 of 1000")
    }).pipe(
      playing(
        Effect.gen(function* () {
          const self = yield* Program.Self
          const pid = yield* Program.fork(
            Effect.gen(function* () {
              const { pid } = yield* Program.Self
              yield* Program.fork(Program.runs, { name: "deep", keep: [] })
              yield* Program.sleep("1 second")
              yield* Program.stdout(`below ${pid} of ${self.pid}`)
            }),
            { keep: [1] }
          )
          yield* Program.stderr(String(pid))
          yield* Program.close(2)
          yield* Program.close(1)
          yield* Program.runs
        })
      )
    )
  )

  it.effect("is found by the drop-in spawner, alone and in a pipeline", () =>
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const program = ChildProcess.make("program")
      expect(yield* spawner.lines(program)).toEqual(["one", "two"])
      expect(yield* spawner.exitCode(program)).toBe(0)
      expect(yield* spawner.string(ChildProcess.pipeTo(program, ChildProcess.make("cat")))).toBe("one\ntwo\n")
    }).pipe(
      Effect.provide(
        Nursery.layerChildProcessSpawner.pipe(
          Layer.provide(TestNursery.layer({ program: Program.stdout("one\ntwo\n"), cat: Program.cat }))
        )
      )
    )
  )
})

describe("a simulated nursery", () => {
  it.effect("ends at once with its layer, whatever is in it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        TestNursery.layer({
          stubborn: Program.steps(Program.ignore("SIGTERM"), Program.runs),
          stuck: Program.steps(Program.unkillable, Program.runs)
        }),
        scope
      )
      yield* Effect.gen(function* () {
        const [one, two] = yield* Effect.all([
          Process.spawn(Command.make("stubborn")),
          Process.spawn(Command.make("stuck"))
        ])
        yield* Scope.close(scope, Exit.void)
        expect((yield* one.exit).status).toEqual(ExitStatus.signaled("SIGKILL"))
        expect((yield* two.exit).status).toEqual(ExitStatus.signaled("SIGKILL"))
        expect(yield* TestNursery.alive).toEqual([])
        expect(yield* Effect.flip(Process.run(Command.make("stubborn")))).toMatchObject({ _tag: "KeeperLost" })
      }).pipe(Effect.provide(context))
    })
  )

  it.effect("gives each process its stop policy when it is closed, within two seconds", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("program").pipe(Command.stop({ grace: "1 hour" })))
      const close = yield* Effect.forkChild(Nursery.closeAll, { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      expect(close.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(close)
      expect((yield* process.exit).status).toEqual(ExitStatus.signaled("SIGKILL"))
    }).pipe(playing(Program.steps(Program.ignore("SIGTERM"), Program.runs)))
  )

  it.effect("holds thousands of processes, and its time is that of the clock alone", () =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(
        Array.from({ length: 2_000 }, (_, index) => index + 1),
        (index) => Process.spawn(Command.make("program", [String(index)]))
      )
      expect((yield* TestNursery.alive).length).toBe(2_000)
      yield* TestClock.adjust("1 hour")
      const codes = yield* Effect.forEach(all, (process) => Effect.map(process.exit, ({ status }) => status))
      expect(codes).toEqual(all.map((_, index) => ExitStatus.exited(index + 1)))
      expect(yield* TestNursery.alive).toEqual([])
    }).pipe(
      Effect.provide(
        TestNursery.layer({ program: ({ argv }) => Program.exits(Number(argv[1]), { after: Number(argv[1]) }) })
      )
    )
  )

  it.effect("waits for the start of a program, the first or a later one", () =>
    Effect.gen(function* () {
      const third = yield* Effect.forkChild(TestNursery.awaitStart("program", 3), { startImmediately: true })
      yield* Effect.forkChild(Effect.repeat(Process.exitStatus(Command.make("program")), { times: 5 }))
      expect(yield* TestNursery.awaitStart("program")).toMatchObject({ pid: 1000, nth: 1, time: 0 })
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(third)).toMatchObject({ pid: 1002, nth: 3, time: 2_000 })
      expect(yield* TestNursery.started).toHaveLength(4)
    }).pipe(playing(Program.exits(0, { after: "1 second" })))
  )

  it.effect("loses the reaper of one process alone", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([
        Process.spawn(Command.make("program")),
        Process.spawn(Command.make("program"))
      ])
      expect(yield* TestNursery.loseReaper(one.pid)).toBe(true)
      expect(yield* Effect.flip(one.exit)).toMatchObject({ helper: "reaper" })
      expect(yield* other.isRunning).toBe(true)
      expect(yield* TestNursery.loseReaper(one.pid)).toBe(false)
    }).pipe(playing(Program.runs))
  )
})
