import type { PlatformError } from "effect/PlatformError"
import { ChildProcess } from "effect/process"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import * as Command from "../src/Command.ts"
import type * as Fd from "../src/Fd.ts"
import type * as Namespace from "../src/Namespace.ts"
import type { Unsupported } from "../src/ProcessError.ts"
import * as Stdio from "../src/Stdio.ts"

declare const stream: Stream.Stream<Uint8Array, "stream failed", "stream needs">
declare const sink: Sink.Sink<number, Uint8Array, never, "sink failed", "sink needs">
declare const yes: boolean
declare const http: Fd.Listening
declare const fdStore: Fd.Store
declare const namespaces: Namespace.Namespace

describe("make", () => {
  it("has the types of the defaults", () => {
    type Default = Command.Command<"null", "inherit", "inherit", {}>
    expectTypeOf(Command.make("x")).toEqualTypeOf<Default>()
    expectTypeOf(Command.make("x", ["y"])).toEqualTypeOf<Default>()
    expectTypeOf(Command.make("x", ["y"], {})).toEqualTypeOf<Default>()
    expectTypeOf(Command.make`x ${"y"} ${1} ${["z"]} ${Redacted.make("s")}`).toEqualTypeOf<Default>()
    expectTypeOf(Command.make({})`x`).toEqualTypeOf<Default>()
  })

  it("has a type for each stream", () => {
    expectTypeOf(Command.make("x", [], { stdin: "pipe" })).toEqualTypeOf<
      Command.Command<"pipe", "inherit", "inherit", {}>
    >()
    expectTypeOf(Command.make("x", [], { stdin: stream, stdout: sink, stderr: Stdio.append("log") })).toEqualTypeOf<
      Command.Command<typeof stream, typeof sink, Stdio.Append, {}>
    >()
    expectTypeOf(Command.make({ stdout: "pipe", fds: { 3: "pipe", 4: "pipe-in", 5: sink } })`x`).toEqualTypeOf<
      Command.Command<"null", "pipe", "inherit", { readonly 3: "pipe"; readonly 4: "pipe-in"; readonly 5: typeof sink }>
    >()
  })

  it("keeps a mode wide that is known only when the program runs", () => {
    expectTypeOf(Command.make("x", [], { stdout: yes ? "pipe" : "inherit" })).toEqualTypeOf<
      Command.Command<"null", "pipe" | "inherit", "inherit", {}>
    >()
  })

  it("takes no option that does not exist", () => {
    // @ts-expect-error misspelt
    Command.make("x", [], { stdot: "pipe" })
    // @ts-expect-error misspelt, beside a right one
    Command.make("x", [], { stdout: "pipe", sterr: "pipe" })
    // @ts-expect-error misspelt, with a template
    Command.make({ cwdd: "/" })`x`
    // @ts-expect-error misspelt inside
    Command.make("x", [], { stop: { signall: "SIGTERM" } })
  })

  it("takes no value that an option cannot have", () => {
    // @ts-expect-error no mode
    Command.make("x", [], { stdout: "ignore" })
    // @ts-expect-error a Sink is no input
    Command.make("x", [], { stdin: sink })
    // @ts-expect-error a Stream is no output
    Command.make("x", [], { stdout: stream })
    // @ts-expect-error a file to write is no input
    Command.make("x", [], { stdin: Stdio.append("x") })
    // @ts-expect-error a file to read is no output
    Command.make("x", [], { stderr: Stdio.read("x") })
    // @ts-expect-error stdin has one direction
    Command.make("x", [], { stdin: "pipe-in" })
    // @ts-expect-error no signal
    Command.make("x", [], { stop: { signal: "TERM" } })
    // @ts-expect-error no real-time signal
    Command.make("x", [], { stop: { signal: "SIGRTMIN+31" } })
    // @ts-expect-error no duration
    Command.make("x", [], { stop: { grace: "5 parsecs" } })
    // @ts-expect-error no level
    Command.make("x", [], { containment: "docker" })
    // @ts-expect-error an argument is no number
    Command.make("x", [3])
    // @ts-expect-error the program is not secret
    Command.make(Redacted.make("x"))
    // @ts-expect-error a variable is no number
    Command.make("x", [], { env: { PORT: 80 } })
  })

  it("takes no number that is no further descriptor", () => {
    // @ts-expect-error stdout
    Command.make("x", [], { fds: { 1: "pipe" } })
    // @ts-expect-error negative
    Command.make("x", [], { fds: { [-1]: "pipe" } })
    // @ts-expect-error no integer
    Command.make("x", [], { fds: { 3.5: "pipe" } })
    // @ts-expect-error no number
    Command.make("x", [], { fds: { stdout: "pipe" } })
    // @ts-expect-error no mode
    Command.make("x", [], { fds: { 3: "ignore" } })
    // @ts-expect-error stderr, by the combinator
    Command.fds(Command.make("x"), { 2: "pipe" })
    // @ts-expect-error stderr, by the combinator in a pipe
    Command.make("x").pipe(Command.fds({ 2: "pipe" }))
  })
})

describe("combinators", () => {
  const base = Command.make("x")

  it("change the type of their stream alone", () => {
    expectTypeOf(
      base.pipe(Command.stdin(stream), Command.stdout("pipe"), Command.stderr(sink), Command.cwd("/"))
    ).toEqualTypeOf<Command.Command<typeof stream, "pipe", typeof sink, {}>>()
    expectTypeOf(Command.stdin(base, "pipe")).toEqualTypeOf<Command.Command<"pipe", "inherit", "inherit", {}>>()
    expectTypeOf(Command.stdout(base, "pipe")).toEqualTypeOf<Command.Command<"null", "pipe", "inherit", {}>>()
    expectTypeOf(Command.stderr(base, "pipe")).toEqualTypeOf<Command.Command<"null", "inherit", "pipe", {}>>()
  })

  it("merge descriptors", () => {
    expectTypeOf(base.pipe(Command.fds({ 3: "pipe", 4: "null" }), Command.fds({ 4: "pipe-in" })).fds).toEqualTypeOf<{
      readonly 3: "pipe"
      readonly 4: "pipe-in"
    }>()
  })

  it("leave the type as it is where no stream is meant", () => {
    const piped = Command.make("x", [], { stdout: "pipe", fds: { 3: "pipe" } })
    const same = piped.pipe(
      Command.env({ A: "1" }),
      Command.clearEnv(true),
      Command.shell(false),
      Command.stop({ signal: "SIGINT" }),
      Command.successCodes([0, 1]),
      Command.containment("group"),
      Command.umask(0o077),
      Command.session("group"),
      Command.notify(true)
    )
    expectTypeOf(same).toEqualTypeOf<typeof piped>()
  })

  it("take no value that the option cannot have", () => {
    // @ts-expect-error no mode
    base.pipe(Command.stdout("ignore"))
    // @ts-expect-error a Sink is no input
    Command.stdin(base, sink)
    // @ts-expect-error misspelt
    base.pipe(Command.stop({ gracee: "1 second" }))
  })
})

describe("Command.Command", () => {
  it("is any command without its parameters", () => {
    expectTypeOf(Command.make("x", [], { stdin: stream, fds: { 3: "pipe" } })).toExtend<Command.Command>()
    expectTypeOf(Command.make("x")).toExtend<Command.Command>()
  })

  it("encodes plain commands", () => {
    const encode = Schema.encodeSync(Command.Command)
    expectTypeOf(encode(Command.make("x"))).toEqualTypeOf<Command.Encoded>()
    encode(
      Command.make("x", [], { stdin: Stdio.read("a"), stdout: "pipe", fds: { 3: "pipe-in", 4: Stdio.append("b") } })
    )
  })

  it("encodes no command with live parts", () => {
    const encode = Schema.encodeSync(Command.Command)
    // @ts-expect-error a Stream
    encode(Command.make("x", [], { stdin: stream }))
    // @ts-expect-error a Sink
    encode(Command.make("x", [], { stdout: sink }))
    // @ts-expect-error a Sink
    encode(Command.make("x", [], { stderr: sink }))
    // @ts-expect-error a Stream
    encode(Command.make("x", [], { fds: { 3: stream } }))
    // @ts-expect-error sockets that the keeper holds
    encode(Command.make("x", [], { activation: { http } }))
    // @ts-expect-error a store, beside a descriptor that is plain
    encode(Command.make({ fdStore, fds: { 3: "pipe" } })`x`)
    // @ts-expect-error namespaces
    encode(Command.make("x", [], { namespaces }))
    // @ts-expect-error sockets, by the combinator
    encode(Command.make("x").pipe(Command.activation({ http })))
    // @ts-expect-error a store, by the combinator, and a descriptor after it
    encode(Command.fds(Command.fdStore(Command.make("x"), fdStore), { 3: "null" }))
    // @ts-expect-error namespaces, by the combinator
    encode(Command.make("x").pipe(Command.namespaces(namespaces)))
    encode(Command.make("x", [], { activation: undefined, fdStore: undefined, namespaces: undefined }))
    encode(Command.make("x").pipe(Command.namespaces(undefined)))
  })

  it("says in its type that something of it is held, and has the streams that it had", () => {
    const command = Command.make("x", [], { stdout: "pipe", fds: { 3: "pipe" }, activation: { http } })
    expectTypeOf(command).toEqualTypeOf<
      Command.Command<"null", "pipe", "inherit", { readonly 3: "pipe" } & Stdio.Held>
    >()
    expectTypeOf(Command.activation(Command.make("x"), { http })).toEqualTypeOf<
      Command.Command<"null", "inherit", "inherit", Stdio.Held>
    >()
    expectTypeOf(command).toExtend<Command.Command>()
    expectTypeOf(command).toExtend<Command.Streamless>()
    expectTypeOf<keyof Stdio.OpenDescriptors<(typeof command)["fds"]>>().toEqualTypeOf<3>()
    expectTypeOf<Stdio.Requirements<"null", "pipe", "inherit", (typeof command)["fds"]>>().toEqualTypeOf<never>()
    expectTypeOf(Command.make("x", [], { stdin: stream })).not.toExtend<Command.Streamless>()
    expectTypeOf(Command.make("x", [], { fds: { 3: sink } })).not.toExtend<Command.Streamless>()
  })
})

describe("fromChildProcess", () => {
  it("knows the streams only when the program runs", () => {
    const result = Command.fromChildProcess(ChildProcess.make`x`)
    expectTypeOf(result).toEqualTypeOf<Result.Result<Command.FromChildProcess, Unsupported>>()
    expectTypeOf<Stdio.InputError<Command.FromChildProcess["stdin"]>>().toEqualTypeOf<PlatformError>()
  })

  it("takes no piped command", () => {
    // @ts-expect-error two processes
    Command.fromChildProcess(ChildProcess.make`x`.pipe(ChildProcess.pipeTo(ChildProcess.make`y`)))
  })
})
