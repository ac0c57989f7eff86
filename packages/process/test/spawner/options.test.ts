import { describe, expect, it } from "@effect/vitest"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { resolve, stopPolicy, toRequest } from "../../src/internal/spawner/options.ts"

const request = (command: string, args: ReadonlyArray<string>, options?: ChildProcess.CommandOptions) =>
  toRequest(Result.getOrThrow(resolve(ChildProcess.make(command, args, options))), "")

const descriptors = (options: ChildProcess.CommandOptions) =>
  request("true", [], options).fds.map(({ target, kind }) => `${target} ${kind}`)

const refusal = (command: ChildProcess.StandardCommand): string => {
  const resolved = resolve(command)
  if (Result.isSuccess(resolved)) throw new Error("nothing was wrong with the command")
  const { reason } = resolved.failure
  if (!(reason instanceof PlatformError.BadArgument)) throw new Error(`not a BadArgument but ${reason._tag}`)
  return `${reason.module}.${reason.method}: ${reason.description}`
}

const sink = Sink.succeed(new Uint8Array(0))

describe("the defaults of a command", () => {
  it("are three pipes, a new session, this program's environment and no time limit", () => {
    expect(request("ls", ["-l"])).toEqual({
      program: "ls",
      argv: ["ls", "-l"],
      searchPath: process.env["PATH"],
      cwd: "",
      clearEnv: false,
      env: [],
      level: "tree",
      session: "new",
      stop: { signal: 15, reach: "group", grace: undefined, linger: 1000 },
      umask: undefined,
      fds: [
        { target: 0, kind: "pipeIn" },
        { target: 1, kind: "pipeOut" },
        { target: 2, kind: "pipeOut" }
      ],
      shellFallback: true,
      groupOnFailure: true
    })
  })

  it("are, where detached is false, this program's session and group, and a stop that reaches the leader only", () => {
    const { groupOnFailure, session, stop } = request("ls", [], { detached: false })
    expect([session, stop.reach, groupOnFailure]).toEqual(["owner", "leader", false])
  })
})

describe("stdio", () => {
  it("takes words, streams, sinks and configurations of these", () => {
    expect(descriptors({ stdin: "ignore", stdout: "inherit", stderr: "overlapped" })).toEqual([
      "0 null",
      "1 inherit",
      "2 pipeOut"
    ])
    expect(descriptors({ stdin: Stream.empty, stdout: sink, stderr: { stream: "ignore" } })).toEqual([
      "0 pipeIn",
      "1 pipeOut",
      "2 null"
    ])
    expect(descriptors({ stdin: { stream: Stream.empty }, stdout: { stream: sink }, stderr: {} })).toEqual([
      "0 pipeIn",
      "1 pipeOut",
      "2 pipeOut"
    ])
  })

  it("has further descriptors by name, and ignores names that are none", () => {
    const additionalFds = {
      fd7: { type: "duplex" },
      fd3: { type: "input" },
      fd4: { type: "output" },
      fd2: { type: "output" },
      fdx: { type: "output" }
    } as const
    expect(descriptors({ additionalFds })).toEqual([
      "0 pipeIn",
      "1 pipeOut",
      "2 pipeOut",
      "7 duplex",
      "3 pipeIn",
      "4 pipeOut"
    ])
  })
})

describe("the environment", () => {
  const environment = (options: ChildProcess.CommandOptions) => {
    const { clearEnv, env, searchPath } = request("ls", [], options)
    return { clearEnv, env, searchPath }
  }

  it("replaces this program's, unless it extends it", () => {
    const env = { A: "1", B: undefined, PATH: "/opt/bin" }
    expect(environment({ env })).toEqual({
      clearEnv: true,
      env: [
        ["A", "1"],
        ["PATH", "/opt/bin"]
      ],
      searchPath: "/opt/bin"
    })
    expect(environment({ env: { A: "1", B: undefined }, extendEnv: true })).toEqual({
      clearEnv: false,
      env: [
        ["A", "1"],
        ["B", undefined]
      ],
      searchPath: process.env["PATH"]
    })
  })

  it("has a default path where it has no PATH, and the working directory where that is empty", () => {
    expect(environment({ env: {} }).searchPath).toBe("/bin:/usr/bin")
    expect(environment({ env: { PATH: undefined }, extendEnv: true }).searchPath).toBe("/bin:/usr/bin")
    expect(environment({ env: { PATH: "" } }).searchPath).toBe(".")
  })
})

describe("a shell", () => {
  it("gets the command as its script", () => {
    const shells = [true, "/bin/bash"].map((shell) => request("echo $X", [], { shell }))
    expect(shells.map(({ argv, program }) => [program, argv])).toEqual([
      ["/bin/sh", ["/bin/sh", "-c", "echo $X"]],
      ["/bin/bash", ["/bin/bash", "-c", "echo $X"]]
    ])
    expect([false, ""].map((shell) => request("ls", [], { shell }).argv)).toEqual([["ls"], ["ls"]])
  })
})

describe("what no process can be started with", () => {
  const secret = Redacted.make("hidden\0secret")
  const wiped = Redacted.make("wiped")
  Redacted.wipeUnsafe(wiped)
  for (const [what, command, description] of [
    ["an empty command", ChildProcess.make(""), "The command is empty"],
    ["a NUL in the command", ChildProcess.make("l\0s"), "The command contains a NUL character"],
    ["a NUL in an argument", ChildProcess.make("ls", ["-l", secret]), "Argument 2 contains a NUL character"],
    ["a secret that is gone", ChildProcess.make("ls", [wiped]), "Argument 1 is a Redacted whose value has been wiped"],
    ["a NUL in the shell", ChildProcess.make("ls", { shell: "/bin/s\0h" }), "The shell contains a NUL character"],
    ["a NUL in the cwd", ChildProcess.make("ls", { cwd: "/\0" }), "The working directory contains a NUL character"],
    [
      "a NUL in a variable",
      ChildProcess.make("ls", { env: { A: secret } }),
      "The environment variable A contains a NUL character"
    ],
    [
      "a variable's name with =",
      ChildProcess.make("ls", { env: { "A=B": "" } }),
      '"A=B" cannot be the name of an environment variable'
    ],
    [
      "a variable without a name",
      ChildProcess.make("ls", { env: { "": "1" } }),
      '"" cannot be the name of an environment variable'
    ],
    [
      "a shell with arguments",
      ChildProcess.make("ls", ["-l"], { shell: true }),
      "The shell option cannot be combined with arguments; pass the whole script as the command"
    ],
    [
      "an empty shell with arguments",
      ChildProcess.make("ls", ["-l"], { shell: "" }),
      "The shell option cannot be combined with arguments; pass the whole script as the command"
    ],
    [
      "a signal of another platform",
      ChildProcess.make("ls", { killSignal: "SIGINFO" }),
      "This platform has no signal SIGINFO"
    ],
    [
      "a descriptor given twice",
      ChildProcess.make("ls", { additionalFds: { fd3: { type: "input" }, fd03: { type: "output" } } }),
      "The descriptor 3 is configured twice"
    ],
    [
      "a descriptor that is no number of the kernel",
      ChildProcess.make("ls", { additionalFds: { fd4294967296: { type: "input" } } }),
      "fd4294967296 is not a descriptor number"
    ]
  ] as const) {
    it(`is a BadArgument: ${what}`, () => {
      expect(refusal(command)).toBe(`ChildProcess.spawn: ${description}`)
    })
  }
})

describe("a stop policy", () => {
  const policy = (options: ChildProcess.KillOptions | undefined) => Result.getOrThrow(stopPolicy("kill", options, true))

  it("has no time limit without forceKillAfter, but a second for the rest of the tree", () => {
    expect(policy(undefined)).toEqual({ signal: 15, reach: "group", grace: undefined, linger: 1000 })
    expect(policy({ killSignal: "SIGINT" })).toEqual({ signal: 2, reach: "group", grace: undefined, linger: 1000 })
  })

  it("takes any duration, for the leader and for the rest", () => {
    expect(policy({ forceKillAfter: "2 seconds" })).toMatchObject({ grace: 2000, linger: 2000 })
    expect(policy({ forceKillAfter: 0.5 })).toMatchObject({ grace: 1, linger: 1 })
    expect(policy({ forceKillAfter: 0 })).toMatchObject({ grace: 0, linger: 0 })
    expect(policy({ forceKillAfter: Number.POSITIVE_INFINITY })).toMatchObject({ grace: undefined, linger: undefined })
  })
})
