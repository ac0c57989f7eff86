import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import * as Command from "../src/Command.ts"
import type { ExitStatus, ProcessExit } from "../src/ExitStatus.ts"
import type { Nursery } from "../src/Nursery.ts"
import * as Process from "../src/Process.ts"
import type { ExitError, KeeperLost, OutputTooLarge, SpawnError, StreamError } from "../src/ProcessError.ts"
import * as Stdio from "../src/Stdio.ts"

declare const stream: Stream.Stream<Uint8Array, "stream failed", "stream needs">
declare const sink: Sink.Sink<number, Uint8Array, never, "sink failed", "sink needs">
declare const wide: "pipe" | "inherit"

type Reader = Stream.Stream<Uint8Array, StreamError>
type Writer = Sink.Sink<void, Uint8Array, never, StreamError>
type Handle<E> = E extends Effect.Effect<infer A, infer _E, infer _R> ? A : never

describe("spawn", () => {
  it("fails with its own errors, and needs a nursery and a scope", () => {
    const spawn = Process.spawn(Command.make("x"))
    expectTypeOf<Effect.Error<typeof spawn>>().toEqualTypeOf<SpawnError | KeeperLost>()
    expectTypeOf<Effect.Services<typeof spawn>>().toEqualTypeOf<Nursery | Scope.Scope>()
  })

  it("has no streams but those that are pipes", () => {
    const spawn = Process.spawn(Command.make("x", [], { stdout: "pipe", stderr: Stdio.append("log") }))
    type P = Handle<typeof spawn>
    expectTypeOf<P["stdout"]>().toEqualTypeOf<Reader>()
    expectTypeOf<P>().not.toHaveProperty("stdin")
    expectTypeOf<P>().not.toHaveProperty("stderr")
    expectTypeOf<P>().not.toHaveProperty("fd")
  })

  it("has a Sink for stdin, and streams for both outputs", () => {
    const spawn = Process.spawn(Command.make("x", [], { stdin: "pipe", stdout: "pipe", stderr: "pipe" }))
    type P = Handle<typeof spawn>
    expectTypeOf<P["stdin"]>().toEqualTypeOf<Writer>()
    expectTypeOf<P["stderr"]>().toEqualTypeOf<Reader>()
  })

  it("has no stream for a mode that is known only when the program runs", () => {
    const spawn = Process.spawn(Command.make("x", [], { stdout: wide }))
    expectTypeOf<Handle<typeof spawn>>().not.toHaveProperty("stdout")
  })

  it("gives further descriptors by number", () => {
    const spawn = Process.spawn(Command.make("x", [], { fds: { 3: "pipe", 4: "pipe-in", 5: "null", 6: sink } }))
    const use = (process: Handle<typeof spawn>) => {
      expectTypeOf(process.fd(3)).toEqualTypeOf<Reader>()
      expectTypeOf(process.fd(4)).toEqualTypeOf<Writer>()
      expectTypeOf(process.fd(6)).toEqualTypeOf<Effect.Effect<number, "sink failed" | StreamError>>()
      // @ts-expect-error: it is /dev/null
      process.fd(5)
      // @ts-expect-error: there is none
      process.fd(7)
    }
    expectTypeOf(use).toBeFunction()
  })

  it("takes the requirements of its Streams and Sinks", () => {
    const spawn = Process.spawn(Command.make("x", [], { stdin: stream, stdout: sink }))
    expectTypeOf<Effect.Services<typeof spawn>>().toEqualTypeOf<Nursery | Scope.Scope | "stream needs" | "sink needs">()
  })

  it("has the failure of its Stream in success only, and the result of its Sink as stdout", () => {
    const spawn = Process.spawn(Command.make("x", [], { stdin: stream, stdout: sink }))
    type P = Handle<typeof spawn>
    expectTypeOf<P["exit"]>().toEqualTypeOf<Effect.Effect<ProcessExit, KeeperLost>>()
    expectTypeOf<P["success"]>().toEqualTypeOf<Effect.Effect<ProcessExit, ExitError | KeeperLost | "stream failed">>()
    expectTypeOf<P["stdout"]>().toEqualTypeOf<Effect.Effect<number, "sink failed" | StreamError>>()
  })

  it("has its messages, whatever the command is", () => {
    const spawn = Process.spawn(Command.make("x"))
    expectTypeOf<Handle<typeof spawn>["notifications"]>().toEqualTypeOf<Stream.Stream<Process.Notification>>()
  })

  it("is a process of any kind", () => {
    const spawn = Process.spawn(Command.make("x", [], { stdin: "pipe", stdout: "pipe", fds: { 3: "pipe" } }))
    expectTypeOf<Handle<typeof spawn>>().toExtend<Process.ProcessBase>()
    expectTypeOf<Handle<typeof spawn>>().toExtend<Process.Process>()
  })
})

describe("one-shots", () => {
  it("have their errors", () => {
    const run = Process.run(Command.make("x", [], { stdin: stream }))
    expectTypeOf(run).toEqualTypeOf<
      Effect.Effect<
        Process.Output,
        SpawnError | ExitError | OutputTooLarge | KeeperLost | "stream failed",
        Nursery | "stream needs"
      >
    >()
    const status = Process.exitStatus(Command.make("x", [], { stdout: sink }))
    expectTypeOf(status).toEqualTypeOf<Effect.Effect<ExitStatus, SpawnError | KeeperLost, Nursery | "sink needs">>()
    const lines = Process.lines(Command.make("x"))
    expectTypeOf(lines).toEqualTypeOf<
      Stream.Stream<string, SpawnError | ExitError | StreamError | KeeperLost, Nursery>
    >()
  })

  it("do not take a command whose output goes elsewhere", () => {
    // @ts-expect-error: stdout is a file
    Process.string(Command.make("x", [], { stdout: Stdio.append("log") }))
    // @ts-expect-error: stdout is a Sink
    Process.string(Command.make("x", [], { stdout: sink }))
    // @ts-expect-error: stderr is a file
    Process.run(Command.make("x", [], { stderr: Stdio.append("log") }))
    Process.string(Command.make("x", [], { stderr: Stdio.append("log") }))
  })

  it("through joins errors and requirements of the stream with those of the command", () => {
    const through = stream.pipe(Process.through(Command.make("x", [], { stderr: sink })))
    expectTypeOf(through).toEqualTypeOf<
      Stream.Stream<
        Uint8Array,
        "stream failed" | SpawnError | ExitError | StreamError | KeeperLost,
        Nursery | "stream needs" | "sink needs"
      >
    >()
    // @ts-expect-error: a stream of text
    Stream.make("text").pipe(Process.through(Command.make("x")))
  })
})

describe("layer", () => {
  it("gives the service, with the errors and requirements of making it", () => {
    interface Service {
      readonly id: unique symbol
    }
    const make = (key: Context.Key<Service, number>) =>
      Process.layer(key, Command.make("x", [], { stdout: "pipe" }), (process) => {
        expectTypeOf(process.stdout).toEqualTypeOf<Reader>()
        return making
      })
    expectTypeOf(make).returns.toEqualTypeOf<
      Layer.Layer<Service, "not made" | SpawnError | ExitError | KeeperLost, "making needs" | Nursery>
    >()
  })
})

declare const making: Effect.Effect<number, "not made", "making needs" | Scope.Scope>
