import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as ExitStatus from "../src/ExitStatus.ts"
import * as ProcessError from "../src/ProcessError.ts"

const usage: ExitStatus.ResourceUsage = {
  userTime: Duration.micros(1500n),
  systemTime: Duration.zero,
  maxResidentSet: ByteSize.mebibytes(2),
  minorFaults: 1,
  majorFaults: 0,
  blockInput: 0,
  blockOutput: 0,
  voluntarySwitches: 3,
  involuntarySwitches: 0
}

const spawnError = (reason: ProcessError.SpawnReason, step: ProcessError.SpawnStep = "exec") =>
  new ProcessError.SpawnError({ reason, command: "ffmpg -i a", step })

const { Descriptor, InterpreterNotFound, NotExecutable, ProgramNotFound } = ProcessError

describe("the message of a SpawnError", () => {
  it.each([
    [
      new ProgramNotFound({ program: "ffmpg", searched: ["/usr/bin", "/bin"] }),
      "no such program on PATH (searched /usr/bin, /bin)"
    ],
    [new ProgramNotFound({ program: "ffmpg", searched: [] }), "no such program: PATH is empty"],
    [new ProgramNotFound({ program: "/a b/c", searched: [] }), 'no such file: "/a b/c"'],
    [
      new ProcessError.PermissionDenied({ path: "/x" }),
      "permission to execute /x is denied: check the directories above it, and whether its file system is mounted noexec"
    ],
    [new NotExecutable({ path: "/tmp", problem: "directory" }), "/tmp is a directory"],
    [new NotExecutable({ path: "/x", problem: "mode" }), "/x is not executable: try chmod +x /x"],
    [
      new NotExecutable({ path: "/x", problem: "format" }),
      "/x is neither a program for this machine nor a script that begins with #!"
    ],
    [
      new InterpreterNotFound({ path: "/x", interpreter: "/bin/zsh", kind: "script" }),
      "/x is there, but the interpreter of its first line is not: /bin/zsh"
    ],
    [
      new InterpreterNotFound({ path: "/x", interpreter: "/lib/ld.so", kind: "loader" }),
      "/x is there, but its dynamic loader is not: /lib/ld.so (it was built for another system)"
    ],
    [
      new ProcessError.WorkingDirectory({ path: "/x", errno: "ENOENT" }),
      "cannot enter the working directory /x: no such file or directory: make it first, or correct the path"
    ],
    [new ProcessError.InvalidArgument({ option: "args[0]", problem: "is bad" }), "args[0] is bad"],
    [
      new Descriptor({ descriptor: 1, path: "/x", errno: "EACCES" }),
      "cannot open /x as stdout: permission denied: it takes permission for the file, and to search every folder above it"
    ],
    [new Descriptor({ descriptor: 7, errno: "EMFILE" }), "cannot set up descriptor 7: too many open files"],
    [
      new ProcessError.Credentials({ errno: "EPERM" }),
      "cannot change the user or groups of the process: operation not permitted"
    ],
    [
      new ProcessError.Limits({ limit: "NOFILE", errno: "EPERM" }),
      "cannot set the limit NOFILE: operation not permitted"
    ],
    [new ProcessError.Limits({ errno: "EPERM" }), "cannot set the limits of the process: operation not permitted"],
    [
      new ProcessError.NamespaceSetup({ namespace: "pid", errno: "EPERM" }),
      "cannot set up the pid namespace: operation not permitted"
    ],
    [new ProcessError.NamespaceSetup({ errno: "EPERM" }), "cannot set up namespaces: operation not permitted"],
    [
      new ProcessError.NamespaceSetup({
        namespace: "user, network",
        step: "make",
        errno: "ENOSPC",
        problem: "switched off"
      }),
      "cannot make the user, network namespaces: switched off"
    ],
    [
      new ProcessError.Containment({ level: "cgroup", problem: "no subtree is delegated" }),
      'containment "cgroup" is not available: no subtree is delegated'
    ],
    [
      new ProcessError.ResourcesExhausted({ errno: "EMFILE" }),
      "too many open descriptors: see RLIMIT_NOFILE (ulimit -n)"
    ],
    [new ProcessError.ResourcesExhausted({ errno: "ENOBUFS" }), "no buffer space available"],
    [
      new ProcessError.Unsupported({ feature: "umask", problem: "use the keeper" }),
      "umask is not supported here: use the keeper"
    ]
  ])("says why: $_tag", (reason, why) => {
    expect(spawnError(reason).message).toBe(`cannot start "ffmpg -i a": ${why}`)
  })
})

describe("SpawnError", () => {
  it("is caught by its reason", () => {
    const reason = new ProgramNotFound({ program: "ffmpg", searched: ["/bin"] })
    const caught = Effect.fail(spawnError(reason)).pipe(
      Effect.catchReasons("SpawnError", {
        ProgramNotFound: ({ searched }) => Effect.succeed(searched),
        WorkingDirectory: ({ path }) => Effect.succeed(path)
      })
    )
    expect(Effect.runSync(caught)).toEqual(["/bin"])
  })

  it("passes other reasons on", () => {
    const error = spawnError(new ProcessError.Unsupported({ feature: "a", problem: "b" }))
    const caught = Effect.fail(error).pipe(
      Effect.catchReason("SpawnError", "ProgramNotFound", () => Effect.succeed("caught"))
    )
    expect(Effect.runSync(Effect.flip(caught))).toBe(error)
  })
})

const exitError = (status: ExitStatus.ExitStatus, stderr: string) =>
  new ProcessError.ExitError({ status, usage, command: "make all", stderr })

const streamError = (rest: { readonly errno?: string; readonly cause?: unknown }) =>
  new ProcessError.StreamError({ stream: "stdin", operation: "write", command: "cat", ...rest })

describe("messages", () => {
  it("an ExitError says how it ended, then what the process said", () => {
    expect(exitError(ExitStatus.exited(2), "").message).toBe('"make all" exited with code 2')
    expect(exitError(ExitStatus.signaled("SIGKILL"), "\n").message).toBe('"make all" was killed by SIGKILL')
    expect(exitError(ExitStatus.exited(2), "make: no rule\nmake: stop\n").message).toBe(
      '"make all" exited with code 2\nmake: no rule\nmake: stop'
    )
  })

  it("a StreamError says what failed", () => {
    expect(streamError({ errno: "EPIPE" }).message).toBe('cannot write stdin of "cat": broken pipe')
    expect(streamError({ cause: new Error("no") }).message).toBe('cannot write stdin of "cat": no')
    expect(streamError({}).message).toBe('cannot write stdin of "cat"')
  })

  it("an OutputTooLarge says the bound", () => {
    const error = new ProcessError.OutputTooLarge({ command: "yes", stream: "stdout", limit: ByteSize.mebibytes(10) })
    expect(error.message).toBe('"yes" wrote more than 10 MiB to its stdout: allow more, or read it as a Stream')
  })

  it("an Unkillable says who is left", () => {
    const error = new ProcessError.Unkillable({ command: "dd", pid: 12, pids: [12, 14] })
    expect(error.message).toMatch(/^cannot end "dd" \(pid 12\), left are pids 12, 14: /)
  })
})

describe("every error", () => {
  it.each([
    spawnError(new Descriptor({ descriptor: 1, path: "/x", errno: "EACCES" })),
    exitError(ExitStatus.signaled("SIGSEGV", { coreDumped: true }), "x"),
    new ProcessError.OutputTooLarge({ command: "yes", stream: "stdout", limit: ByteSize.mebibytes(10) }),
    streamError({ errno: "EPIPE" }),
    new ProcessError.Unkillable({ command: "dd", pid: 12, pids: [12, 14] }),
    new ProcessError.KeeperLost({ helper: "reaper", message: "it was killed" }),
    new ProcessError.KeeperUnavailable({ reason: "version", path: "/keeper", message: "it is of another version" })
  ])("goes through JSON: $_tag", (error) => {
    const schema = Schema.Union([
      ProcessError.SpawnError,
      ProcessError.ExitError,
      ProcessError.OutputTooLarge,
      ProcessError.StreamError,
      ProcessError.Unkillable,
      ProcessError.KeeperLost,
      ProcessError.KeeperUnavailable
    ])
    const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
    const decoded = Schema.decodeSync(codec)(Schema.encodeSync(codec)(error))
    expect(decoded).toEqual(error)
    expect(decoded.message).toBe(error.message)
    expect(decoded).toBeInstanceOf(error.constructor)
    expect(decoded).toBeInstanceOf(Error)
  })
})

describe("an error in a JSON log", () => {
  it("is written without the numbers that JSON does not have", () => {
    const exit = new ProcessError.ExitError({ status: ExitStatus.exited(3), usage, command: "false", stderr: "no" })
    expect(JSON.parse(JSON.stringify(exit))).toEqual({
      _tag: "ExitError",
      command: "false",
      status: { _tag: "Exited", code: 3 },
      stderr: "no"
    })
    const large = new ProcessError.OutputTooLarge({ command: "yes", stream: "stdout", limit: ByteSize.kibibytes(1) })
    expect(JSON.parse(JSON.stringify(large))).toMatchObject({ _tag: "OutputTooLarge", limit: 1024 })
  })
})
