import { spawnSync } from "node:child_process"
import { inspect } from "node:util"
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import * as Command from "../src/Command.ts"
import * as Stdio from "../src/Stdio.ts"
import { arranged, filter } from "./support/options.ts"

const secret = Redacted.make("hunter2")

const words = (command: Command.Command) => [command.program, ...command.args]

describe("make", () => {
  it("fills the defaults in", () => {
    expect({ ...Command.make("true") }).toEqual({
      program: "true",
      args: [],
      cwd: undefined,
      env: {},
      clearEnv: false,
      shell: false,
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
      fds: {},
      stop: {},
      successCodes: [0],
      containment: "tree",
      umask: undefined,
      session: "new",
      controllingTerminal: undefined,
      foreground: false,
      notify: false,
      limits: {},
      credentials: undefined,
      priority: undefined,
      affinity: undefined,
      oomScoreAdjust: undefined,
      sandbox: undefined,
      seccomp: undefined
    })
  })

  it("keeps every option", () => {
    const options = {
      cwd: "/tmp",
      env: { A: "1", B: undefined, C: secret },
      clearEnv: true,
      shell: "/bin/bash",
      stdin: Stdio.read("/in"),
      stdout: Stdio.append("/out"),
      stderr: Stdio.truncate("/err"),
      fds: { 3: "pipe", 4: "pipe-in" },
      stop: { signal: "SIGINT", grace: "1 second", to: "leader" },
      successCodes: [0, 1],
      umask: 0o077,
      ...arranged,
      controllingTerminal: false,
      foreground: true,
      seccomp: filter.bytes
    } as const
    const expected = { program: "x", args: [], ...options }
    expect({ ...Command.make("x", [], options) }).toEqual(expected)
    expect({ ...Command.make(options)`x` }).toEqual(expected)
  })

  it("takes an option that is undefined for one that is missing", () => {
    const nothing = { cwd: undefined, stdin: undefined, stdout: undefined, fds: undefined, stop: undefined }
    expect(Command.make("x", undefined, nothing)).toEqual(Command.make("x"))
  })

  it("splits a template into words, and a value never", () => {
    const value = "it's $HOME; rm -rf *"
    expect(words(Command.make`git commit -m ${value} --author="A B" ${["a b", "c"]} --n=${3}`)).toEqual([
      "git",
      "commit",
      "-m",
      value,
      "--author=A B",
      "a b",
      "c",
      "--n=3"
    ])
  })

  it("makes a word with a secret in it secret", () => {
    const { args } = Command.make`mysql --password=${secret} -e ${"select 1"}`
    const [password, ...rest] = args
    expect(Redacted.isRedacted(password) && Redacted.value(password)).toBe("--password=hunter2")
    expect(rest).toEqual(["-e", "select 1"])
  })

  it.each([
    ["a pipe", () => Command.make`ls | wc`],
    ["a variable", () => Command.make`echo $HOME`],
    ["a glob", () => Command.make`ls *.ts`],
    ["an open quote", () => Command.make`echo "a`],
    ["a secret program", () => Command.make`${secret} -x`],
    ["a value in a script", () => Command.make({ shell: true })`echo ${"a"}`]
  ])("throws a CommandLineError for %s in a template", (_, make) => {
    expect(make).toThrow(expect.objectContaining({ _tag: "CommandLineError" }))
  })

  it("takes a template for a shell as it is", () => {
    const command = Command.make({ shell: true })`ls | wc -l > "$OUT"`
    expect([command.program, command.args]).toEqual(['ls | wc -l > "$OUT"', []])
  })
})

describe("a command", () => {
  it("is recognised", () => {
    expect(Command.isCommand(Command.make("x"))).toBe(true)
    for (const value of [{ program: "x", args: [] }, "x", null, undefined]) expect(Command.isCommand(value)).toBe(false)
  })

  it("compares by what it says", () => {
    expect(Equal.equals(Command.make("a", ["b"]), Command.make`a b`)).toBe(true)
    expect(Equal.equals(Command.make("a", ["b"]), Command.make`a c`)).toBe(false)
  })

  it("shows no secret, however it is printed", () => {
    const command = Command.make("curl", ["-u", secret], { env: { TOKEN: secret } })
    const shown = [String(command), JSON.stringify(command), inspect(command, { depth: 9 }), Command.display(command)]
    for (const text of shown) {
      expect(text).toContain("curl -u <redacted>")
      expect(text).not.toContain("hunter2")
    }
  })
})

describe("combinators", () => {
  const base = Command.make("x", ["y"])
  const stream = Stream.make(new Uint8Array())
  const sink = Sink.drain

  it.each([
    ["stdin", Command.stdin(base, stream), base.pipe(Command.stdin(stream)), { stdin: stream }],
    ["stdout", Command.stdout(base, sink), base.pipe(Command.stdout(sink)), { stdout: sink }],
    ["stderr", Command.stderr(base, "pipe"), base.pipe(Command.stderr("pipe")), { stderr: "pipe" }],
    ["fds", Command.fds(base, { 3: "pipe" }), base.pipe(Command.fds({ 3: "pipe" })), { fds: { 3: "pipe" } }],
    ["cwd", Command.cwd(base, "/"), base.pipe(Command.cwd("/")), { cwd: "/" }],
    ["env", Command.env(base, { A: "1" }), base.pipe(Command.env({ A: "1" })), { env: { A: "1" } }],
    ["clearEnv", Command.clearEnv(base, true), base.pipe(Command.clearEnv(true)), { clearEnv: true }],
    ["shell", Command.shell(base, true), base.pipe(Command.shell(true)), { shell: true }],
    ["stop", Command.stop(base, { to: "tree" }), base.pipe(Command.stop({ to: "tree" })), { stop: { to: "tree" } }],
    ["successCodes", Command.successCodes(base, [1]), base.pipe(Command.successCodes([1])), { successCodes: [1] }],
    [
      "containment",
      Command.containment(base, "group"),
      base.pipe(Command.containment("group")),
      { containment: "group" }
    ],
    ["umask", Command.umask(base, 0), base.pipe(Command.umask(0)), { umask: 0 }],
    ["session", Command.session(base, "group"), base.pipe(Command.session("group")), { session: "group" }],
    ["notify", Command.notify(base, true), base.pipe(Command.notify(true)), { notify: true }],
    ["limits", Command.limits(base, { core: 0 }), base.pipe(Command.limits({ core: 0 })), { limits: { core: 0 } }],
    [
      "credentials",
      Command.credentials(base, { user: 1 }),
      base.pipe(Command.credentials({ user: 1 })),
      { credentials: { user: 1 } }
    ],
    ["priority", Command.priority(base, 5), base.pipe(Command.priority(5)), { priority: 5 }],
    [
      "sandbox",
      Command.sandbox(base, { read: [] }),
      base.pipe(Command.sandbox({ read: [] })),
      { sandbox: { read: [] } }
    ],
    [
      "seccomp",
      Command.seccomp(base, new Uint8Array(8)),
      base.pipe(Command.seccomp(new Uint8Array(8))),
      { seccomp: filter.bytes }
    ],
    ["affinity", Command.affinity(base, [0]), base.pipe(Command.affinity([0])), { affinity: [0] }],
    ["oomScoreAdjust", Command.oomScoreAdjust(base, 9), base.pipe(Command.oomScoreAdjust(9)), { oomScoreAdjust: 9 }]
  ])("%s sets its option and nothing else, both ways to call it", (_, first, last, option) => {
    expect({ ...first }).toEqual({ ...base, ...option })
    expect({ ...last }).toEqual({ ...base, ...option })
    expect({ ...base }).toEqual({ ...Command.make("x", ["y"]) })
  })

  it("add to environment, descriptors and stop policy", () => {
    const command = base.pipe(
      Command.env({ A: "1", B: "2" }),
      Command.env({ B: undefined, C: "3" }),
      Command.fds({ 3: "pipe", 4: "null" }),
      Command.fds({ 4: "pipe-in" }),
      Command.stop({ signal: "SIGINT", grace: "1 second" }),
      Command.stop({ grace: "5 seconds" }),
      Command.limits({ core: 0, nofile: 9 }),
      Command.limits({ nofile: 8 }),
      Command.credentials({ user: 1, noNewPrivileges: true }),
      Command.credentials({ user: 2 })
    )
    expect(command.limits).toEqual({ core: 0, nofile: 8 })
    expect(command.credentials).toEqual({ user: 2, noNewPrivileges: true })
    expect(command.env).toEqual({ A: "1", B: undefined, C: "3" })
    expect(Object.hasOwn(command.env, "B")).toBe(true)
    expect(command.fds).toEqual({ 3: "pipe", 4: "pipe-in" })
    expect(command.stop).toEqual({ signal: "SIGINT", grace: "5 seconds" })
  })
})

describe("stopPolicy", () => {
  it("is SIGTERM to the group and 2 seconds where nothing is said", () => {
    expect(Command.stopPolicy(Command.make("x"))).toEqual({
      signal: "SIGTERM",
      grace: Duration.seconds(2),
      to: "group"
    })
  })

  it("fills in what is missing", () => {
    const command = Command.make("x", [], { stop: { grace: "Infinity" } })
    expect(Command.stopPolicy(command)).toEqual({ signal: "SIGTERM", grace: Duration.infinity, to: "group" })
    const other = Command.make("x", [], { stop: { signal: "SIGINT", to: "tree" } })
    expect(Command.stopPolicy(other)).toEqual({ signal: "SIGINT", grace: Duration.seconds(2), to: "tree" })
  })
})

describe("display", () => {
  it("is a line that a shell reads as the same words", () => {
    const args = ["", "a b", "it's", '"', "\\", "$HOME", "`id`", "*", "~", "#x", "-n", "a=b", "ä€𝄞", "!", "{a,b}", ";"]
    const line = Command.display(Command.make("printf", ["%s\\0", ...args]))
    const { stdout } = spawnSync("/bin/sh", ["-c", line], { encoding: "utf8" })
    expect(stdout.split("\0").slice(0, -1)).toEqual(args)
  })

  it("shows control characters as escapes", () => {
    expect(Command.display(Command.make("echo", ["a\nb\u001b[31m"]))).toBe("echo 'a\\nb\\u001b[31m'")
  })

  it("shows a script with its shell", () => {
    expect(Command.display(Command.make("ls | wc", [], { shell: true }))).toBe("/bin/sh -c 'ls | wc'")
    expect(Command.display(Command.make("ls | wc", [], { shell: "/bin/zsh" }))).toBe("/bin/zsh -c 'ls | wc'")
  })
})

describe("validate", () => {
  it("accepts what the types admit", () => {
    const command = Command.make("x", ["", secret], {
      cwd: "..",
      env: { A: "=", B: undefined, C: secret, "a b": "" },
      stdin: Stream.empty,
      stdout: Sink.drain,
      stderr: Stdio.append("log"),
      fds: { 3: "pipe", 4: "pipe-in", 5: Stdio.read("x"), 6: Sink.drain, 7: Stream.empty, 1048575: "inherit" },
      stop: { signal: "SIGRTMIN+3", grace: "Infinity", to: "leader" },
      successCodes: [0, 255],
      umask: 0o777,
      ...arranged,
      containment: "pid-namespace",
      session: "group",
      seccomp: filter.bytes
    })
    expect(Command.validate(command)).toEqual(Result.succeed(undefined))
    expect(Command.validate(Command.make("ls | wc", [], { shell: "/bin/zsh" }))).toEqual(Result.succeed(undefined))
  })
})
