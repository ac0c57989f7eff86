/** Commands that cannot be started: each is a typed error that says what to do, and leaves nothing behind. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Stdio from "../../src/Stdio.ts"
import * as Levels from "../support/levels.ts"
import * as Stage from "../support/stage.ts"
import { leftOpen, onEveryWay, type Promised, sh } from "./setup.ts"

const program = (path: string, content: string, mode = 0o755): string => {
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

/** An ELF file for this machine's word size that names a dynamic loader which is not there. */
const elf = (loader: string): Buffer => {
  const file = Buffer.alloc(120 + loader.length + 1)
  file.write("\x7fELF", 0, "latin1")
  file.set([2, 1, 1], 4)
  file.writeUInt16LE(2, 16)
  file.writeUInt16LE(process.arch === "arm64" ? 183 : 62, 18)
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(0x400000n, 24)
  file.writeBigUInt64LE(64n, 32)
  file.writeUInt16LE(64, 52)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(1, 56)
  file.writeUInt32LE(3, 64)
  file.writeBigUInt64LE(120n, 72)
  file.writeBigUInt64LE(BigInt(loader.length + 1), 96)
  file.write(loader, 120)
  return file
}

interface Case {
  readonly name: string
  readonly command: (folder: string) => Command.Plain
  readonly step?: string
  readonly reason: object
  readonly message: RegExp
  readonly lacks?: Promised
}

const huge = "x".repeat(200_000)

const missingLevel = "a level of containment that is not there"

const cases: ReadonlyArray<Case> = [
  {
    name: "a program that is not on PATH",
    command: () => Command.make("no-such-program", [], { env: { PATH: "/usr/bin:/bin" } }),
    reason: { _tag: "ProgramNotFound", program: "no-such-program", searched: ["/usr/bin", "/bin"] },
    message: /^cannot start "no-such-program": no such program on PATH \(searched \/usr\/bin, \/bin\)$/
  },
  {
    name: "a program that is not on this program's PATH, when the command has none",
    command: () => Command.make("no-such-program", [], { clearEnv: true }),
    reason: { _tag: "ProgramNotFound", searched: ["/bin", "/usr/bin"] },
    message: /searched \/bin, \/usr\/bin/
  },
  {
    name: "a path that is not there",
    command: (folder) => Command.make(`${folder}/nothing`),
    reason: { _tag: "ProgramNotFound", searched: [] },
    message: /no such file/
  },
  {
    name: "a path below a file",
    command: (folder) => Command.make(`${program(`${folder}/file`, "", 0o644)}/nothing`),
    reason: { _tag: "ProgramNotFound", searched: [] },
    message: /no such file/
  },
  {
    name: "a directory",
    command: (folder) => Command.make(folder),
    reason: { _tag: "NotExecutable", problem: "directory" },
    message: /is a directory/
  },
  {
    name: "a file without permission to execute it",
    command: (folder) => Command.make(program(`${folder}/plain`, "#!/bin/sh\n", 0o644)),
    reason: { _tag: "NotExecutable", problem: "mode" },
    message: /not executable: try chmod \+x/
  },
  {
    name: "a file without permission on PATH",
    command: (folder) => {
      program(`${folder}/found`, "#!/bin/sh\n", 0o644)
      return Command.make("found", [], { env: { PATH: folder } })
    },
    reason: { _tag: "NotExecutable", problem: "mode" },
    message: /chmod \+x/
  },
  {
    name: "a text without #!",
    command: (folder) => Command.make(program(`${folder}/text`, "echo hello\n")),
    reason: { _tag: "NotExecutable", problem: "format" },
    message: /#!/,
    lacks: "scriptsNeedShebang"
  },
  {
    name: "a script whose interpreter is not there",
    command: (folder) => Command.make(program(`${folder}/script`, "#! /no/such/interpreter -x\n")),
    reason: { _tag: "InterpreterNotFound", interpreter: "/no/such/interpreter", kind: "script" },
    message: /\/no\/such\/interpreter/
  },
  {
    name: "a binary whose dynamic loader is not there",
    command: (folder) => {
      writeFileSync(`${folder}/binary`, elf("/no/such/loader.so"), { mode: 0o755 })
      return Command.make(`${folder}/binary`)
    },
    reason: { _tag: "InterpreterNotFound", interpreter: "/no/such/loader.so", kind: "loader" },
    message: /\/no\/such\/loader\.so/
  },
  {
    name: "a working directory that is not there",
    command: (folder) => sh("true").pipe(Command.cwd(`${folder}/nothing`)),
    step: "cwd",
    reason: { _tag: "WorkingDirectory", errno: "ENOENT" },
    message: /working directory .*\/nothing/
  },
  {
    name: "a working directory that is a file",
    command: (folder) => sh("true").pipe(Command.cwd(program(`${folder}/file`, ""))),
    step: "cwd",
    reason: { _tag: "WorkingDirectory", errno: "ENOTDIR" },
    message: /not a directory/
  },
  {
    name: "a relative program that is not in the working directory of the command",
    command: (folder) => Command.make("./here", [], { cwd: folder }),
    reason: { _tag: "ProgramNotFound", program: "./here" },
    message: /no such file/
  },
  {
    name: "a NUL character in an argument",
    command: () => Command.make("echo", ["a\0b"]),
    reason: { _tag: "InvalidArgument", option: "args[0]" },
    message: /NUL/
  },
  {
    name: "an empty program",
    command: () => Command.make(""),
    reason: { _tag: "InvalidArgument", option: "program" },
    message: /is empty/
  },
  {
    name: "a name with = in the environment",
    command: () => Command.make("echo", [], { env: { "A=B": "1" } }),
    reason: { _tag: "InvalidArgument", option: 'env["A=B"]' },
    message: /"=" in its name/
  },
  {
    name: "a NUL character in the environment",
    command: () => Command.make("echo", [], { env: { SECRET: Redacted.make("hunter2\0") } }),
    reason: { _tag: "InvalidArgument", option: "env.SECRET" },
    message: /^(?!.*hunter2).*NUL/
  },
  {
    name: "an argument that is too large",
    command: () => Command.make("echo", [Redacted.make(huge)]),
    reason: { _tag: "InvalidArgument", option: "args" },
    message: /^(?!.*xxx).*too large: 20\d{4} bytes of arguments, .* args\[0\] has more/
  },
  {
    name: "an environment that is too large",
    command: () => Command.make("echo", [], { env: { HUGE: huge } }),
    reason: { _tag: "InvalidArgument" },
    message: /too large/
  },
  {
    name: "a descriptor that is huge",
    command: () => Command.make("echo", [], { fds: { 1073741823: "null" } }),
    reason: { _tag: "InvalidArgument", option: "fds[1073741823]" },
    message: /larger than any descriptor number/
  },
  {
    name: "a descriptor above the limit of this program",
    command: () => Command.make("echo", [], { fds: { 1048575: "null" } }),
    reason: { _tag: expect.stringMatching(/^(Descriptor|Unsupported|ResourcesExhausted)$/) },
    message: /1048575|descriptors/
  },
  {
    name: "an input file that is not there",
    command: (folder) => Command.make("cat", [], { stdin: Stdio.read(`${folder}/nothing`) }),
    reason: { _tag: "Descriptor", descriptor: 0, errno: "ENOENT" },
    message: /\/nothing as stdin: no such file or directory/
  },
  {
    name: "an output file in a folder that is not there",
    command: (folder) => sh("true").pipe(Command.fds({ 5: Stdio.truncate(`${folder}/no/file`) })),
    reason: { _tag: "Descriptor", descriptor: 5, errno: "ENOENT" },
    message: /\/no\/file as descriptor 5/
  },
  {
    name: "an output file that is a directory",
    command: (folder) => sh("true").pipe(Command.stdout(Stdio.append(folder))),
    reason: { _tag: "Descriptor", descriptor: 1, errno: "EISDIR" },
    message: /is a directory/
  },
  {
    name: missingLevel,
    command: () => sh("true").pipe(Command.containment("cgroup")),
    reason: { _tag: "Containment", level: "cgroup" },
    message: /cgroup/
  }
]

onEveryWay("a command that cannot be started", (it, way) => {
  for (const { name, command, step, reason, message, lacks } of cases) {
    const isThere = name === missingLevel && way.name === "keeper" && Levels.because("cgroup") === ""
    const skipped = isThere || (lacks !== undefined && way.lacks.has(lacks))
    it.effect.skipIf(skipped)(`${name}: says so, and leaves nothing`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const attempt = Effect.flip(Process.exitStatus(command(stage.folder)))
        const error = yield* attempt
        expect(error).toMatchObject({ _tag: "SpawnError", reason, ...(step === undefined ? undefined : { step }) })
        expect(error.message).toMatch(message)
        expect(yield* leftOpen(attempt)).toEqual([])
        expect(yield* Nursery.processes).toEqual([])
      })
    )
  }

  const unsupported = [
    { name: "umask", command: sh("true").pipe(Command.umask(0o27)), lacks: "umask" },
    { name: 'session "group"', command: sh("true").pipe(Command.session("group")), lacks: "sessionGroup" },
    { name: "notify", command: sh("true").pipe(Command.notify(true)), lacks: "notifications" }
  ] as const
  for (const { name, command, lacks } of unsupported) {
    it.effect.skipIf(!way.lacks.has(lacks))(`${name} where it is not supported`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Process.spawn(command))
        expect(error).toMatchObject({ _tag: "SpawnError", reason: { _tag: "Unsupported" } })
        expect(error.message).toContain(name)
      })
    )
  }

  it.effect("can be told apart by their reasons", () =>
    Effect.gen(function* () {
      const found = yield* Process.string(Command.make("no-such-program")).pipe(
        Effect.catchReason("SpawnError", "ProgramNotFound", (reason) => Effect.succeed(reason.program))
      )
      expect(found).toBe("no-such-program")
    })
  )

  it.effect("a program that an ordinary user may not reach", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      mkdirSync(`${stage.folder}/closed`, { mode: 0o700 })
      program(`${stage.folder}/closed/program`, "#!/bin/sh\n")
      chmodSync(`${stage.folder}/closed`, 0)
      const result = yield* Effect.result(Process.spawn(Command.make(`${stage.folder}/closed/program`)))
      // Or its own user could not remove it.
      chmodSync(`${stage.folder}/closed`, 0o700)
      // Nothing is closed to root.
      if (process.getuid?.() === 0) expect(result._tag).toBe("Success")
      else expect(result).toMatchObject({ failure: { reason: { _tag: "PermissionDenied" } } })
    })
  )
})
