/** What holds for real processes and for simulated ones alike: a test that passes on a simulation means something. */
import { expect } from "@effect/vitest"
import { Command, ExitStatus, Nursery, Process } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Name, onBothWays, type Way } from "./ways.ts"

const soon: Command.StopOptions = { grace: "150 millis" }
const long: Command.StopOptions = { grace: "1 hour" }

const text = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.mkString(Stream.decodeText(stream))

/** Lines of a stream as they come, one each time. */
const reading = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.toPull(stream.pipe(Stream.decodeText, Stream.splitLines, Stream.rechunk(1))), (pull) =>
    Effect.map(pull, ([line]) => line)
  )

/** Starts one whose stdout is piped, and waits until it is ready. */
const prepared = (way: Way, name: Name, stop: Command.StopOptions = {}) =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(way.command(name).pipe(Command.stdout("pipe"), Command.stop(stop)))
    const next = yield* reading(process.stdout)
    expect(yield* next).toBe("ready")
    return { process, next }
  })

onBothWays("exits", (it, way) => {
  it.effect.each([
    ["ok", ExitStatus.exited(0)],
    ["three", ExitStatus.exited(3)],
    ["talk", ExitStatus.exited(4)]
  ] as const)("%s", ([name, status]) =>
    Effect.gen(function* () {
      expect(yield* Process.exitStatus(way.command(name))).toEqual(status)
    })
  )

  it.effect("by a signal of its own", () =>
    Effect.gen(function* () {
      expect(yield* Process.exitStatus(way.command("segfault"))).toMatchObject({ _tag: "Signaled", signal: "SIGSEGV" })
    })
  )

  it.effect("are known however late one asks", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("three"))
      yield* process.ended
      expect(yield* process.isRunning).toBe(false)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(3))
      expect(yield* process.signal("SIGTERM")).toBe(false)
      expect(yield* process.descendants).toEqual([])
      expect((yield* process.stop()).status).toEqual(ExitStatus.exited(3))
    })
  )

  it.effect("that are no success fail with what was said last", () =>
    Effect.gen(function* () {
      const command = way.command("talk")
      expect(yield* Effect.flip(Process.run(command))).toMatchObject({
        _tag: "ExitError",
        status: ExitStatus.exited(4),
        stderr: "err\n"
      })
      const output = yield* Process.run(Command.successCodes(command, [4]))
      expect(output).toMatchObject({ stdout: "out\n", stderr: "err\n", status: ExitStatus.exited(4) })
    })
  )
})

onBothWays("streams", (it, way) => {
  it.effect("give all lines", () =>
    Effect.gen(function* () {
      expect(yield* Stream.runCollect(Process.lines(way.command("lines")))).toEqual(["a", "b", "c"])
    })
  )

  it.effect("can be read after the exit", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("lines").pipe(Command.stdout("pipe")))
      yield* process.ended
      expect(yield* text(process.stdout)).toBe("a\nb\nc")
    })
  )

  it.effect("carry much both ways, each side waiting for the other", () =>
    Effect.gen(function* () {
      const chunk = new Uint8Array(30_000).fill(120)
      const sum = yield* Stream.range(1, 40).pipe(
        Stream.map(() => chunk),
        Process.through(way.command("cat")),
        Stream.runFold(
          () => 0,
          (sum, bytes) => sum + bytes.length
        )
      )
      expect(sum).toBe(1_200_000)
    })
  )

  it.effect("end the writer when nobody reads on", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("flood").pipe(Command.stdout("pipe")))
      expect(yield* process.stdout.pipe(Stream.take(3), Stream.runCount)).toBe(3)
      expect((yield* process.exit).status).toMatchObject({ signal: "SIGPIPE" })
    })
  )

  it.effect("are bounded where they are kept", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Process.string(way.command("flood"), { maxOutput: "100 KiB" }))
      expect(error).toMatchObject({ _tag: "OutputTooLarge", stream: "stdout" })
    })
  )

  it.effect("fail the writer when the reader has gone", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("ok").pipe(Command.stdin("pipe")))
      yield* process.ended
      const error = yield* Effect.flip(Stream.run(Stream.make(new Uint8Array(10)), process.stdin))
      expect(error).toMatchObject({ _tag: "StreamError", stream: "stdin", operation: "write", errno: "EPIPE" })
    })
  )

  it.effect("have one consumer", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("lines").pipe(Command.stdout("pipe")))
      yield* Stream.runDrain(process.stdout)
      const exit = yield* Effect.exit(Stream.runDrain(process.stdout))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({ _tag: "StreamInUse" })
    })
  )

  it.effect("end when the process closes them, though it goes on", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("closing").pipe(Command.stdout("pipe"), Command.stdin("pipe")))
      expect(yield* text(process.stdout)).toBe("")
      expect(yield* process.isRunning).toBe(true)
      yield* Stream.run(Stream.empty, process.stdin)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(1))
    })
  )

  it.effect("have any descriptor number, in both directions", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(way.command("third").pipe(Command.fds({ 3: "pipe", 4: "pipe-in" })))
      yield* Stream.run(Stream.encodeText(Stream.make("word\n")), process.fd(4))
      expect(yield* text(process.fd(3))).toBe("got word\n")
    })
  )
})

onBothWays("signals", (it, way) => {
  it.effect("reach the process that handles them", () =>
    Effect.gen(function* () {
      const { next, process } = yield* prepared(way, "counting")
      expect(yield* process.signal("SIGUSR1")).toBe(true)
      expect(yield* next).toBe("got")
      expect(yield* process.signal("SIGUSR1")).toBe(true)
      expect(yield* next).toBe("got")
      expect(yield* process.signal("SIGUSR2")).toBe(true)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(6))
    })
  )

  it.effect("have their effect on a process that says nothing about them", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "serve")
      expect(yield* process.signal("SIGWINCH")).toBe(true)
      expect(yield* process.isRunning).toBe(true)
      expect(yield* process.signal("SIGHUP")).toBe(true)
      expect((yield* process.exit).status).toEqual(ExitStatus.signaled("SIGHUP"))
    })
  )

  it.effect("wake a stopped process, which ends in its own way", () =>
    Effect.gen(function* () {
      const { next, process } = yield* prepared(way, "orderly", long)
      expect(yield* process.signal("SIGSTOP", { to: "tree" })).toBe(true)
      expect((yield* process.stop()).status).toEqual(ExitStatus.exited(5))
      expect(yield* next).toBe("bye")
    })
  )
})

onBothWays("a stop", (it, way) => {
  it.effect("ends what says nothing about the signal", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "serve", long)
      expect((yield* process.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
      expect(
        (yield* Effect.scoped(
          Effect.flatMap(prepared(way, "serve"), ({ process }) => process.stop({ signal: "SIGINT" }))
        )).status
      ).toEqual(ExitStatus.signaled("SIGINT"))
    })
  )

  it.effect("lets a process end in its own way", () =>
    Effect.gen(function* () {
      const { next, process } = yield* prepared(way, "orderly", long)
      const stop = yield* Effect.forkChild(process.stop())
      expect(yield* next).toBe("bye")
      expect((yield* Fiber.join(stop)).status).toEqual(ExitStatus.exited(5))
    })
  )

  it.effect("ends by SIGKILL what ignores the signal", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "stubborn", soon)
      expect((yield* process.stop()).status).toEqual(ExitStatus.signaled("SIGKILL"))
    })
  )

  it.effect("becomes harsher when it is asked for again", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "stubborn", long)
      const mild = yield* Effect.forkChild(process.stop(), { startImmediately: true })
      expect((yield* process.stop({ grace: "10 millis" })).status).toEqual(ExitStatus.signaled("SIGKILL"))
      expect((yield* Fiber.join(mild)).status).toEqual(ExitStatus.signaled("SIGKILL"))
    })
  )

  it.effect("never becomes milder", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "stubborn", soon)
      const harsh = yield* Effect.forkChild(process.stop(), { startImmediately: true })
      expect((yield* process.stop({ grace: "1 hour" })).status).toEqual(ExitStatus.signaled("SIGKILL"))
      yield* Fiber.join(harsh)
    })
  )
})

onBothWays("descendants", (it, way) => {
  it.effect("hold up neither the exit nor a one-shot", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "leaving")
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(0))
      expect((yield* process.descendants).length).toBe(1)
      expect(yield* Process.string(way.command("leaving"))).toBe("ready\n")
    })
  )

  it.effect("hold their output open until they are ended", () =>
    Effect.gen(function* () {
      const { next, process } = yield* prepared(way, "leaving")
      yield* process.exit
      const end = yield* Effect.forkChild(Effect.exit(next), { startImmediately: true })
      expect(end.pollUnsafe()).toBeUndefined()
      yield* process.stop()
      expect(Exit.isFailure(yield* Fiber.join(end))).toBe(true)
      expect(yield* process.descendants).toEqual([])
    })
  )

  it.effect("get the stop signal when the leader has ended, and SIGKILL after the grace period", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(
        way.command("leavingStubborn").pipe(Command.stdin("pipe"), Command.stdout("pipe"), Command.stop(soon))
      )
      const next = yield* reading(process.stdout)
      expect(yield* next).toBe("ready")
      yield* Stream.run(Stream.empty, process.stdin)
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(2))
      yield* process.stop()
      expect(Exit.isFailure(yield* Effect.exit(next))).toBe(true)
    })
  )

  it.effect("that left the group get it too", () =>
    Effect.gen(function* () {
      const { next, process } = yield* prepared(way, "daemonizing", long)
      const stop = yield* Effect.forkChild(process.stop())
      expect(yield* next).toBe("rest")
      expect((yield* Fiber.join(stop)).status).toEqual(ExitStatus.signaled("SIGTERM"))
    })
  )

  it.effect("end with the scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { process } = yield* Scope.provide(prepared(way, "leaving"), scope)
      yield* process.exit
      yield* Scope.close(scope, Exit.void)
      yield* process.ended
      expect(yield* Nursery.processes).toEqual([])
    })
  )
})

onBothWays("starts", (it, way) => {
  it.effect("fail for a program that is not there, in the same words", () =>
    Effect.gen(function* () {
      const command = Command.make("no-such-program", ["x"], { env: { PATH: "/nowhere:/usr/bin" } })
      const error = yield* Effect.flip(Process.run(command))
      expect(error).toMatchObject({ _tag: "SpawnError", step: "exec", errno: "ENOENT" })
      expect(error.message).toBe(
        'cannot start "no-such-program x": no such program on PATH (searched /nowhere, /usr/bin)'
      )
      const byPath = yield* Effect.flip(Process.run(Command.make("/no/such/program")))
      expect(byPath.message).toBe('cannot start "/no/such/program": no such file: /no/such/program')
    })
  )

  it.effect("fail for what cannot be a command, and for a level that is not there", () =>
    Effect.gen(function* () {
      const wrong = yield* Effect.flip(Process.run(Command.make("a\0b")))
      expect(wrong).toMatchObject({ reason: { _tag: "InvalidArgument", option: "program" } })
      // Which one that is depends on the machine; where all are there, nothing is missing.
      const { levels } = yield* Nursery.guarantees
      for (const { available, level } of levels) {
        if (available) continue
        const error = yield* Effect.flip(Process.run(way.command("ok").pipe(Command.containment(level))))
        expect(error).toMatchObject({ reason: { _tag: "Containment", level } })
      }
    })
  )

  it.effect("leave nothing when they are interrupted", () =>
    Effect.gen(function* () {
      const early = yield* Effect.forkChild(Effect.scoped(Process.spawn(way.command("serve"))), {
        startImmediately: true
      })
      yield* Fiber.interrupt(early)
      expect(yield* Nursery.processes).toEqual([])
      const running = yield* Effect.forkChild(Process.run(way.command("serve")))
      yield* Nursery.events.pipe(
        Stream.filter((event) => event._tag === "Started"),
        Stream.take(1),
        Stream.runDrain
      )
      yield* Fiber.interrupt(running)
      expect(yield* Nursery.processes).toEqual([])
    })
  )
})

class Server extends Context.Service<Server, { readonly line: string | undefined }>()("test/Server") {}

onBothWays("the nursery", (it, way) => {
  it.effect("tells what happens, in order", () =>
    Effect.gen(function* () {
      const events = yield* Effect.forkChild(
        Nursery.events.pipe(
          Stream.map((event) => event._tag),
          Stream.take(4),
          Stream.runCollect
        ),
        { startImmediately: true }
      )
      yield* Process.exitStatus(way.command("three"))
      yield* Effect.exit(Process.run(Command.make("no-such-program")))
      expect(yield* Fiber.join(events)).toEqual(["Started", "Exited", "Ended", "SpawnFailed"])
    })
  )

  it.effect("shows what is alive, and ends all of it", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "serve")
      const other = yield* prepared(way, "leaving")
      yield* other.process.exit
      expect((yield* Nursery.processes).map(({ pid, state }) => ({ pid, state }))).toEqual([
        { pid: process.pid, state: "running" },
        { pid: other.process.pid, state: "exited" }
      ])
      yield* Nursery.closeAll
      expect(yield* Nursery.processes).toEqual([])
      expect((yield* process.exit).status).toEqual(ExitStatus.signaled("SIGTERM"))
      expect(yield* Process.exitStatus(way.command("ok"))).toEqual(ExitStatus.exited(0))
    })
  )

  it.effect("makes a service of a process", () =>
    Effect.gen(function* () {
      const layer = Process.layer(Server, way.command("serve").pipe(Command.stdout("pipe")), (process) =>
        Effect.map(
          process.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.take(1), Stream.runCollect),
          ([line]) => ({ line })
        )
      )
      const line = Server.use(({ line }) => Effect.succeed(line))
      expect(yield* Effect.provide(line, layer)).toBe("ready")
      expect(yield* Nursery.processes).toEqual([])
      const early = Process.layer(Server, way.command("three"), () => Effect.never)
      expect(yield* Effect.flip(Effect.scoped(Layer.build(early)))).toMatchObject({ _tag: "ExitError" })
    })
  )

  it.effect("is lost with its keeper, and starts another", () =>
    Effect.gen(function* () {
      const { process } = yield* prepared(way, "serve")
      yield* way.killKeeper(process.pid)
      expect(yield* Effect.flip(process.exit)).toMatchObject({ _tag: "KeeperLost", helper: "keeper" })
      yield* process.ended
      expect(yield* Process.exitStatus(way.command("ok"))).toEqual(ExitStatus.exited(0))
    })
  )
})
