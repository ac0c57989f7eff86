import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import * as Command from "../../../src/Command.ts"
import { defaults, make } from "../../../src/internal/command/value.ts"
import * as Stdio from "../../../src/Stdio.ts"

// As from a program without types: any field can be anything.
const untyped = (fields: Record<string, unknown>): Command.Command =>
  make({ ...defaults, program: "x", args: [], ...fields }) as Command.Command

const problemOf = (fields: Record<string, unknown>): string => {
  const result = Command.validate(untyped(fields))
  return Result.isFailure(result) ? result.failure.message : "valid"
}

const wiped = Redacted.make("gone")
Redacted.wipeUnsafe(wiped)

const nul = "contains a NUL character, which the operating system cannot pass on"

describe("validate", () => {
  it.each([
    [{ program: "" }, "program is empty"],
    [{ program: "a\0b" }, `program ${nul}`],
    [{ program: undefined }, "program is not a string"],
    [{ args: "-l" }, "args is not an array"],
    [{ args: ["a", "b\0"] }, `args[1] ${nul}`],
    [{ args: ["a", 3] }, "args[1] is not a string"],
    [{ args: [Redacted.make("a\0")] }, `args[0] ${nul}`],
    [{ args: [Redacted.make(3)] }, "args[0] is not a string"],
    [{ args: [wiped] }, "args[0] is a Redacted whose value has been wiped"],

    [
      { shell: true, args: ["a"] },
      "shell takes no args: the program is the whole script, pass values to it through env"
    ],
    [{ shell: "" }, "shell is empty"],
    [{ shell: "/bin/\0sh" }, `shell ${nul}`],
    [{ shell: 1 }, "shell is not a string"],

    [{ env: null }, "env is not an object"],
    [{ env: { "": "x" } }, "env has a variable with an empty name"],
    [{ env: { "A=B": "x" } }, 'env["A=B"] has "=" in its name'],
    [{ env: { "A\0": "x" } }, 'env["A\\u0000"] has a NUL character in its name'],
    [{ env: { A: "x\0" } }, `env.A ${nul}`],
    [{ env: { A: 1 } }, "env.A is not a string"],
    [{ env: { "a b": null } }, 'env["a b"] is not a string'],
    [{ env: { A: Redacted.make("x\0") } }, `env.A ${nul}`],

    [{ cwd: "" }, "cwd is empty"],
    [{ cwd: "/\0" }, `cwd ${nul}`],
    [{ clearEnv: "yes" }, "clearEnv is not a boolean"],

    [{ stdin: "ignore" }, 'stdin is none of "null", "inherit", "pipe", Stdio.read(path), a Stream and an Fd'],
    [{ stdin: Sink.drain }, 'stdin is none of "null", "inherit", "pipe", Stdio.read(path), a Stream and an Fd'],
    [{ stdin: Stdio.append("x") }, "stdin is read by the child: Stdio.append is for output"],
    [{ stdin: Stdio.read("") }, "stdin names a file whose path is empty"],
    [{ stdout: Stdio.append("\0") }, `stdout names a file whose path ${nul}`],
    [{ stdout: Stdio.read("x") }, "stdout is written by the child: Stdio.read is for input"],
    [
      { stderr: Stream.empty },
      'stderr is none of "null", "inherit", "pipe", Stdio.append(path), Stdio.truncate(path), a Sink and an Fd'
    ],

    [{ fds: undefined }, "fds is not an object"],
    [{ fds: { [-1]: "pipe" } }, "fds[-1] is negative: descriptor numbers go from 3 on"],
    [{ fds: { 2: "pipe" } }, "fds[2] is given twice: descriptor 2 is the option stderr"],
    [{ fds: { 3.5: "pipe" } }, "fds[3.5] is not a descriptor number: an integer from 3 on"],
    [{ fds: { foo: "pipe" } }, "fds.foo is not a descriptor number: an integer from 3 on"],
    [{ fds: { 3: "pipe", "03": "pipe" } }, "fds[03] is not the usual form of a descriptor number: write 3"],
    [{ fds: { 1048576: "pipe" } }, "fds[1048576] is larger than any descriptor number: at most 1048575"],
    [{ fds: { 1e21: "pipe" } }, "fds[1e+21] is larger than any descriptor number: at most 1048575"],
    [
      { fds: { 3: "ignore" } },
      'fds[3] is none of "null", "inherit", "pipe", "pipe-in", a file of Stdio, a Stream, a Sink and an Fd'
    ],
    [{ fds: { 3: Stdio.read("") } }, "fds[3] names a file whose path is empty"],

    [{ stop: null }, "stop is not an object"],
    [{ stop: { signal: "SIGNOT" } }, "stop.signal is not the name of a signal"],
    [{ stop: { signal: 15 } }, "stop.signal is not the name of a signal"],
    [{ stop: { to: "everyone" } }, 'stop.to is none of "leader", "group" and "tree"'],
    [{ stop: { grace: -1 } }, "stop.grace is negative"],
    [{ stop: { grace: "-1 seconds" } }, "stop.grace is negative"],
    [{ stop: { grace: "-Infinity" } }, "stop.grace is negative"],
    [{ stop: { grace: Number.NaN } }, "stop.grace is not a duration"],
    [{ stop: { grace: [Number.NaN, 0] } }, "stop.grace is not a duration"],
    [{ stop: { grace: { seconds: Number.NaN } } }, "stop.grace is not a duration"],
    [{ stop: { grace: "soon" } }, "stop.grace is not a duration"],
    [{ stop: { grace: null } }, "stop.grace is not a duration"],

    [{ successCodes: 0 }, "successCodes is not an array"],
    [{ successCodes: [0, 256] }, "successCodes[1] is not an exit code: an integer from 0 to 255"],
    [{ successCodes: [-1] }, "successCodes[0] is not an exit code: an integer from 0 to 255"],
    [{ successCodes: [0.5] }, "successCodes[0] is not an exit code: an integer from 0 to 255"],
    [{ umask: 0o1000 }, "umask is not a file mode mask: an integer from 0 to 0o777"],
    [{ umask: "022" }, "umask is not a file mode mask: an integer from 0 to 0o777"],
    [{ containment: "docker" }, 'containment is none of "tree", "group", "pid-namespace" and "cgroup"'],
    [{ session: "own" }, 'session is none of "new", "group" and "owner"'],
    [{ notify: 1 }, "notify is not a boolean"],
    [{ notify: true, env: { NOTIFY_SOCKET: "x" } }, "env.NOTIFY_SOCKET is given together with notify, which sets it"],
    [{ notify: false, env: { NOTIFY_SOCKET: "x" } }, "valid"],
    [{ notify: true, env: { NOTIFY_SOCKET: undefined } }, "valid"]
  ])("%j: %s", (fields, problem) => {
    expect(problemOf(fields)).toBe(problem)
  })

  it("never repeats a value, which may be secret", () => {
    const secret = "hunter2\0"
    const cases = [
      { args: [secret] },
      { args: [Redacted.make(secret)] },
      { env: { A: secret } },
      { env: { A: Redacted.make(secret) } },
      { program: secret }
    ]
    for (const fields of cases) expect(problemOf(fields)).not.toContain("hunter2")
  })
})
