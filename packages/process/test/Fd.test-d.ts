import type * as Effect from "effect/Effect"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import * as Command from "../src/Command.ts"
import * as Fd from "../src/Fd.ts"
import type { FdError } from "../src/FdError.ts"
import * as Process from "../src/Process.ts"
import type { KeeperLost } from "../src/ProcessError.ts"

declare const read: Fd.Fd<"readable", "pipe">
declare const write: Fd.Fd<"writable", "pipe">
declare const socket: Fd.Fd<"duplex", "stream">
declare const message: Fd.Fd<"duplex", "message">
declare const listening: Fd.Listening
declare const pty: Fd.Pty

describe("an Fd", () => {
  it("is given to what it is for", () => {
    Command.make("x", [], { stdin: read, stdout: write, stderr: socket, fds: { 3: read, 4: write, 5: listening } })
    Command.make("x").pipe(Command.stdin(socket), Command.stdout(Fd.give(write)), Command.fds({ 3: message }))
    // @ts-expect-error the end to write is no input
    Command.make("x", [], { stdin: write })
    // @ts-expect-error the end to read is no output
    Command.make("x", [], { stdout: read })
    // @ts-expect-error nor given away
    Command.make("x").pipe(Command.stderr(Fd.give(read)))
  })

  it("gives the process no stream of its own", () => {
    const spawned = Process.spawn(Command.make("x", [], { stdin: read, stdout: write, fds: { 3: socket } }))
    type Started = Effect.Success<typeof spawned>
    expectTypeOf<Extract<keyof Started, "stdin" | "stdout" | "fd">>().toEqualTypeOf<never>()
  })

  it("makes a command that is not plain", () => {
    const command = Command.make("x", [], { stdin: read })
    // @ts-expect-error it lives in this program
    const plain: Command.Plain = command
    return plain
  })

  it("is not for what a one-shot captures", () => {
    Process.string(Command.make("x", [], { stdin: read }))
    // @ts-expect-error stdout is captured
    Process.string(Command.make("x", [], { stdout: write }))
    // @ts-expect-error stderr is captured
    Process.run(Command.make("x", [], { stderr: write }))
  })

  it("is read and written here the way it goes", () => {
    expectTypeOf(Fd.readable(read)).toEqualTypeOf<Stream.Stream<Uint8Array, FdError | KeeperLost>>()
    expectTypeOf(Fd.writable(socket)).toEqualTypeOf<Sink.Sink<void, Uint8Array, never, FdError | KeeperLost>>()
    // @ts-expect-error it is written
    Fd.readable(write)
    // @ts-expect-error it is read
    Fd.writable(read)
    // @ts-expect-error Node has no such sockets
    Fd.readable(message)
    // @ts-expect-error nobody reads a socket that listens
    Fd.readable(listening)
  })

  it("is a terminal for processes, and for this program what it shows and what is typed", () => {
    Command.make("x", [], { stdin: pty, stdout: pty, stderr: Fd.give(pty), fds: { 3: pty } })
    expectTypeOf(pty.output).toEqualTypeOf<Stream.Stream<Uint8Array, FdError | KeeperLost>>()
    expectTypeOf(pty.input).toEqualTypeOf<Sink.Sink<void, Uint8Array, never, FdError | KeeperLost>>()
    // @ts-expect-error it has its output
    Fd.readable(pty)
    // @ts-expect-error and its input
    Fd.writable(pty)
    // @ts-expect-error an end of a pipe is no terminal
    const other: Fd.Fd<"duplex", "terminal"> = read
    return other
  })

  it("has the direction that it was made with", () => {
    type Made<T> = T extends Effect.Effect<infer A, unknown, unknown> ? A : never
    const files = [Fd.file("x"), Fd.file("x", { access: "write" }), Fd.file("x", { access: "read-write" })] as const
    expectTypeOf<Made<(typeof files)[0]>>().toEqualTypeOf<Fd.Fd<"readable", "file">>()
    expectTypeOf<Made<(typeof files)[1]>>().toEqualTypeOf<Fd.Fd<"writable", "file">>()
    expectTypeOf<Made<(typeof files)[2]>>().toEqualTypeOf<Fd.Fd<"duplex", "file">>()
    const memories = [Fd.memory("x"), Fd.memory("x", { sealed: true })] as const
    expectTypeOf<Made<(typeof memories)[0]>>().toEqualTypeOf<Fd.Fd<"duplex", "memory">>()
    expectTypeOf<Made<(typeof memories)[1]>>().toEqualTypeOf<Fd.Fd<"readable", "memory">>()
  })
})
