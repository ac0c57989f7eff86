import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import * as Command from "../../../src/Command.ts"
import { defaults, make } from "../../../src/internal/command/value.ts"
import * as Stdio from "../../../src/Stdio.ts"
import { arranged, filter } from "../../support/options.ts"

const json = Schema.fromJsonString(Command.Command)

const encodeFailure = (value: unknown): string => {
  const result = Schema.encodeUnknownResult(Command.Command, { reportInput: true })(value)
  return Result.isFailure(result) ? String(result.failure) : "encoded"
}

const decodeFailure = (value: unknown): string => {
  const result = Schema.decodeUnknownResult(Command.Command, { reportInput: true })(value)
  return Result.isFailure(result) ? String(result.failure) : "decoded"
}

describe("Command.Command", () => {
  it("leaves out what has its default", () => {
    expect(Schema.encodeSync(Command.Command)(Command.make("ls"))).toEqual({ program: "ls", args: [] })
  })

  it("takes every option through JSON", () => {
    const command = Command.make("x", ["a b", ""], {
      cwd: "/tmp",
      env: { A: "1", B: undefined },
      clearEnv: true,
      stdin: Stdio.read("/in"),
      stdout: Stdio.truncate("/out"),
      stderr: "pipe",
      fds: { 3: "pipe", 4: "pipe-in", 5: Stdio.append("/log"), 6: "null", 7: "inherit", 8: Stdio.read("/x") },
      stop: { signal: "SIGRTMIN+3", grace: "30 seconds", to: "tree" },
      successCodes: [0, 1],
      umask: 0o022,
      ...arranged,
      seccomp: filter.bytes
    })
    const text = Schema.encodeSync(json)(command)
    const decoded = Schema.decodeSync(json)(text)
    expect(JSON.parse(text)).toEqual({
      program: "x",
      args: ["a b", ""],
      cwd: "/tmp",
      env: { A: "1", B: null },
      clearEnv: true,
      stdin: { _tag: "Read", path: "/in" },
      stdout: { _tag: "Truncate", path: "/out" },
      stderr: "pipe",
      fds: {
        3: "pipe",
        4: "pipe-in",
        5: { _tag: "Append", path: "/log" },
        6: "null",
        7: "inherit",
        8: { _tag: "Read", path: "/x" }
      },
      stop: { signal: "SIGRTMIN+3", grace: "30000 millis", to: "tree" },
      successCodes: [0, 1],
      umask: 0o022,
      ...arranged,
      seccomp: filter.encoded
    })
    expect({ ...decoded, stop: undefined }).toEqual({ ...command, stop: undefined })
    expect(Command.stopPolicy(decoded)).toEqual(Command.stopPolicy(command))
    expect(Object.hasOwn(decoded.env, "B")).toBe(true)
    expect(Schema.encodeSync(json)(decoded)).toBe(text)
  })

  it("takes scripts and any grace period through JSON", () => {
    for (const grace of ["Infinity", 1500, 1n, { minutes: 1, seconds: 1 }] as const) {
      const command = Command.make("ls | wc", [], { shell: true, stop: { grace } })
      const decoded = Schema.decodeSync(json)(Schema.encodeSync(json)(command))
      expect(decoded.shell).toBe(true)
      expect(Command.stopPolicy(decoded)).toEqual(Command.stopPolicy(command))
    }
  })

  it("needs no more than a program", () => {
    expect(Schema.decodeSync(Command.Command)({ program: "ls" })).toEqual(Command.make("ls"))
  })

  it("names the live part of a command from untyped code", () => {
    const base = Command.make("x")
    expect(encodeFailure(Command.stdin(base, Stream.empty))).toContain(
      "stdin holds a Stream, which lives in this program"
    )
    expect(encodeFailure(Command.stdout(base, Sink.drain))).toContain(
      "stdout holds a Sink, which lives in this program"
    )
    expect(encodeFailure(Command.stderr(base, Sink.drain))).toContain("stderr holds a Sink")
    expect(encodeFailure(Command.fds(base, { 7: Stream.empty }))).toContain("fds[7] holds a Stream")
  })

  it("names what is wrong with a command from untyped code", () => {
    const base = { ...defaults, program: "x", args: [] }
    const untyped = (fields: object): unknown => make({ ...base, ...fields })
    expect(encodeFailure(untyped({ fds: undefined }))).toContain("fds is not an object")
    expect(encodeFailure(untyped({ args: undefined }))).toContain("args is not an array")
    expect(encodeFailure(untyped({ env: null }))).toContain("env is not an object")
    expect(encodeFailure(untyped({ stdout: 1 }))).toContain("stdout is none of")
  })

  it.each([
    ["an argument", Command.make("x", ["a", Redacted.make("hunter2")]), "args[1] is Redacted"],
    ["a variable", Command.make("x", [], { env: { TOKEN: Redacted.make("hunter2") } }), "env.TOKEN is Redacted"],
    ["a part of a word", Command.make`x --password=${Redacted.make("hunter2")}`, "args[0] is Redacted"]
  ])("refuses to encode %s that is Redacted, and does not show it", (_, command, message) => {
    const failure = encodeFailure(command)
    expect(failure).toContain(message)
    expect(failure).not.toContain("hunter2")
    expect(() => Schema.encodeSync(json)(command)).toThrow(expect.not.stringContaining("hunter2"))
    expect(() => Schema.encodeSync(Schema.toCodecJson(Command.Command))(command)).toThrow("is Redacted")
  })

  it("shows no secret of a command whose encoding fails for another reason", () => {
    const command = Command.make("x", [Redacted.make("hunter2")], { env: { A: Redacted.make("hunter2") } })
    for (const broken of [Command.stdin(command, Stream.empty), Command.umask(command, -1)]) {
      expect(encodeFailure(broken)).not.toContain("hunter2")
    }
  })

  it.each([
    [{ program: "" }, "program is empty"],
    [{ program: "x", args: ["a\0"] }, "contains a NUL character"],
    [{ program: "x", fds: { 1: "pipe" } }, "is given twice"],
    [{ program: "x", shell: true, args: ["a"] }, "shell takes no args"],
    [{ program: "x", umask: 512 }, "umask is not a file mode mask"],
    [{ program: "x", stop: { signal: "SIGNOT" } }, '["stop"]["signal"]'],
    [{ program: "x", stop: { grace: "soon" } }, '["stop"]["grace"]'],
    [{ program: "x", stop: { grace: "-1 seconds" } }, "grace is negative"],
    [{ program: "x", stdin: { _tag: "Append", path: "x" } }, '["stdin"]'],
    [{ program: "x", stdin: "ignore" }, '["stdin"]'],
    [{ args: [] }, '["program"]'],
    ["ls", "Expected object"]
  ])("does not decode %j, and says why", (value, message) => {
    expect(decodeFailure(value)).toContain(message)
  })

  it("encodes no command that could not be decoded", () => {
    expect(encodeFailure(Command.make("x", ["a\0"]))).toContain("args[0] contains a NUL character")
    expect(encodeFailure({ program: "x", args: [] })).toContain("Expected Command")
  })
})
