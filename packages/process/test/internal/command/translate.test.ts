import { ChildProcess } from "effect/process"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import * as Command from "../../../src/Command.ts"
import { Unsupported } from "../../../src/ProcessError.ts"

const translate = (options: ChildProcess.CommandOptions) => Command.fromChildProcess(standard(options))

// The overload of ChildProcess.make with options gives the type that fromChildProcess takes.
const standard = (options: ChildProcess.CommandOptions) => ChildProcess.make("x", ["a"], options)

const fields = (options: ChildProcess.CommandOptions) => Result.getOrThrow(translate(options))

const secret = Redacted.make("hunter2")
const stream = Stream.make(new Uint8Array())
const sink: Sink.Sink<Uint8Array, Uint8Array> = Sink.succeed(new Uint8Array())

describe("fromChildProcess", () => {
  it("has the defaults of effect/process", () => {
    expect({ ...Result.getOrThrow(Command.fromChildProcess(ChildProcess.make`x a`)) }).toEqual({
      ...Command.make("x", ["a"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" })
    })
  })

  it.each([
    ["pipe", "pipe"],
    ["overlapped", "pipe"],
    ["inherit", "inherit"],
    ["ignore", "null"]
  ] as const)("takes %s for %s, plain or in a configuration", (theirs, ours) => {
    const expected = { stdin: ours, stdout: ours, stderr: ours }
    expect(fields({ stdin: theirs, stdout: theirs, stderr: theirs })).toMatchObject(expected)
    const config = { stream: theirs }
    expect(fields({ stdin: config, stdout: config, stderr: config })).toMatchObject(expected)
  })

  it("keeps Streams and Sinks", () => {
    const command = fields({ stdin: { stream }, stdout: sink, stderr: { stream: sink } })
    expect([command.stdin, command.stdout, command.stderr]).toEqual([stream, sink, sink])
    expect(fields({ stdout: {} }).stdout).toBe("pipe")
  })

  it("replaces the environment unless it is told to extend it", () => {
    const env = { A: "1", B: undefined, C: secret }
    expect(fields({ env })).toMatchObject({ env, clearEnv: true })
    expect(fields({ env, extendEnv: true })).toMatchObject({ env, clearEnv: false })
    expect(fields({})).toMatchObject({ env: {}, clearEnv: false })
  })

  it("translates descriptors in either direction", () => {
    const { fds } = fields({
      additionalFds: {
        fd3: { type: "input" },
        fd4: { type: "output" },
        fd5: { type: "input", stream },
        fd6: { type: "output", sink }
      }
    })
    expect(fds).toEqual({ 3: "pipe-in", 4: "pipe", 5: stream, 6: sink })
  })

  it("translates the other options", () => {
    expect(fields({ cwd: "/tmp", shell: "/bin/bash", detached: false })).toMatchObject({
      cwd: "/tmp",
      shell: "/bin/bash",
      session: "owner"
    })
    expect(fields({ detached: true }).session).toBe("new")
    expect(fields({ killSignal: "SIGINT", forceKillAfter: "5 seconds" }).stop).toEqual({
      signal: "SIGINT",
      grace: "5 seconds"
    })
  })

  it("keeps secrets", () => {
    const command = Result.getOrThrow(Command.fromChildProcess(ChildProcess.make("x", [secret])))
    expect(command.args).toEqual([secret])
    expect(Command.display(command)).toBe("x <redacted>")
  })

  it.each([
    ["stdin.endOnDone", { stdin: { stream: "pipe", endOnDone: false } }],
    ["additionalFds.fd3", { additionalFds: { fd3: { type: "duplex" } } }],
    ["killSignal", { killSignal: "SIGBREAK" }]
  ] as const)("says that %s cannot be translated", (feature, options) => {
    const result = translate(options)
    expect(Result.isFailure(result) && result.failure).toBeInstanceOf(Unsupported)
    expect(Result.isFailure(result) && result.failure.feature).toBe(feature)
  })

  it("says that a piped command cannot be translated", () => {
    // Only untyped code gets here: the type takes a StandardCommand alone.
    const piped: unknown = ChildProcess.make`a`.pipe(ChildProcess.pipeTo(ChildProcess.make`b`))
    const result = Command.fromChildProcess(piped as ChildProcess.StandardCommand)
    expect(Result.isFailure(result) && result.failure.feature).toBe("a piped command")
  })
})
