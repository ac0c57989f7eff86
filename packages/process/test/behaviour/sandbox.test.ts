/** What real programs in a sandbox can reach: all ways out are tried, as whoever runs the tests. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"
import { onEveryWay, sh } from "./setup.ts"

type Feature = Nursery.SandboxGuarantee["feature"]

/** Why something of it is not here; empty where all of it is. */
const lacking = (...features: ReadonlyArray<Feature>) =>
  Effect.map(Nursery.guarantees, ({ sandbox }) =>
    sandbox
      .filter(({ available, feature }) => !available && features.includes(feature))
      .map(({ feature, reason }) => `${feature}: ${reason}`)
      .join("; ")
  )

const refusal = (command: Command.Plain) => Effect.flip(Process.exitStatus(command))

/** A folder with something to read, somewhere to write, and a secret. */
const place = Effect.map(Stage.make, ({ folder }) => {
  for (const name of ["in", "out", "secret"]) {
    mkdirSync(join(folder, name))
    chmodSync(join(folder, name), 0o777)
  }
  for (const file of ["in/a", "secret/s"]) {
    writeFileSync(join(folder, file), file)
    chmodSync(join(folder, file), 0o777)
  }
  return folder
})

/** Runs lines of shell one by one, and tells which of them succeed. */
const attempts = (folder: string, sandbox: Command.Sandbox, lines: ReadonlyArray<string>) => {
  const script = lines.map((line) => `if (${line}) >/dev/null 2>&1; then echo yes; else echo no; fi`).join("\n")
  return Effect.map(Process.string(sh(script).pipe(Command.cwd(folder), Command.sandbox(sandbox))), (text) =>
    Object.fromEntries(
      text
        .trimEnd()
        .split("\n")
        .map((answer, index) => [lines[index], answer])
    )
  )
}

layer(Nursery.layer, { excludeTestServices: true })("a sandbox", (it) => {
  it.effect("lets through what it lists, and none of the ways around", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("read", "write", "execute")
      if (missing !== "") return context.skip(missing)
      const folder = yield* place
      const sandbox = { read: [join(folder, "in")], write: [join(folder, "out")], execute: ["/usr/bin", "/bin"] }
      const expected = {
        "cat in/a": "yes",
        "ls in": "yes",
        "cat secret/s": "no",
        "ls secret": "no",
        "cat out/../secret/s": "no",
        "echo x >out/new": "yes",
        "echo x >in/a": "no",
        "echo x >>secret/s": "no",
        "truncate -s 0 in/a": "no",
        "truncate -s 0 secret/s": "no",
        "rm in/a": "no",
        "mv in/a out/": "no",
        "mv out/new secret/": "no",
        "mv out/new out/newer": "yes",
        "ln secret/s out/hard": "no",
        "ln -s ../secret/s out/soft && cat out/soft": "no",
        "mkdir out/d": "yes",
        "mkdir secret/d": "no",
        "mkfifo secret/f": "no",
        "cp /bin/cat out/cat && chmod 755 out/cat": "yes",
        "out/cat in/a": "no",
        "in/a": "no"
      }
      expect(yield* attempts(folder, sandbox, Object.keys(expected))).toEqual(expected)
      expect(readFileSync(join(folder, "in/a"), "utf8")).toBe("in/a")
      return expect(readFileSync(join(folder, "secret/s"), "utf8")).toBe("secret/s")
    })
  )

  it.effect(
    "restricts only what it names: reading goes on where writing is restricted, and moving where reading is",
    (context) =>
      Effect.gen(function* () {
        const missing = yield* lacking("read", "write")
        if (missing !== "") return context.skip(missing)
        const folder = yield* place
        const writes = { "cat secret/s": "yes", "echo x >in/a": "no", "echo x >out/x": "yes" }
        expect(yield* attempts(folder, { write: [join(folder, "out")] }, Object.keys(writes))).toEqual(writes)
        const reads = { "cat secret/s": "no", "echo x >secret/x": "yes", "mv secret/x out/": "yes" }
        return expect(yield* attempts(folder, { read: ["/usr"] }, Object.keys(reads))).toEqual(reads)
      })
  )

  it.effect("lets the program itself, its interpreters and its libraries through", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("read", "execute")
      if (missing !== "") return context.skip(missing)
      const folder = yield* place
      for (const [name, first] of [
        ["script", "#!/bin/sh"],
        ["env", "#!/usr/bin/env sh"]
      ] as const) {
        writeFileSync(join(folder, name), `${first}\necho from ${name}\n`)
        chmodSync(join(folder, name), 0o755)
        const command = Command.make(`./${name}`, [], { cwd: folder, sandbox: { read: [], execute: [] } })
        expect(yield* Process.string(command)).toBe(`from ${name}\n`)
      }
      const dynamic = Command.make("expr", ["6", "*", "7"], { sandbox: { read: [], write: [], execute: [] } })
      expect(yield* Process.string(dynamic)).toBe("42\n")
      const other = sh("cat in/a").pipe(Command.cwd(folder), Command.stderr("null"), Command.sandbox({ execute: [] }))
      return expect(yield* Process.exitStatus(other)).toMatchObject({ _tag: "Exited", code: 126 })
    })
  )

  it.effect("holds for ports: what it lists can be connected to and bound, nothing else", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("connect", "bind")
      if (missing !== "") return context.skip(missing)
      const port = yield* Effect.acquireRelease(
        Effect.callback<{ readonly close: () => void; readonly port: number }>((resume) => {
          const server = createServer((socket) => socket.end())
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            const found = typeof address === "object" && address !== null ? address.port : 0
            resume(Effect.succeed({ close: () => server.close(), port: found }))
          })
        }),
        ({ close }) => Effect.sync(close)
      ).pipe(Effect.map(({ port: found }) => found))
      const connect = `require("net").connect(${port}, "127.0.0.1").on("connect", () => process.exit(0)).on("error", (e) => { console.log(e.code); process.exit(1) })`
      const listen = `require("net").createServer().listen(0, "127.0.0.1", () => process.exit(0)).on("error", (e) => { console.log(e.code); process.exit(1) })`
      const run = (script: string, sandbox: Command.Sandbox) =>
        Effect.map(
          Process.run(Command.make(process.execPath, ["-e", script], { sandbox, successCodes: [0, 1] })),
          ({ stdout }) => stdout.trim()
        )
      expect(yield* run(connect, { connect: [port] })).toBe("")
      expect(yield* run(connect, { connect: [port === 1 ? 2 : 1] })).toBe("EACCES")
      expect(yield* run(connect, { bind: [] })).toBe("")
      expect(yield* run(listen, { bind: [0] })).toBe("")
      return expect(yield* run(listen, { bind: [] })).toBe("EACCES")
    })
  )

  it.effect("keeps signals inside where it is told to", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("signals")
      if (missing !== "") return context.skip(missing)
      const script = `sleep 100 & kill -0 $! && echo inside; kill -0 ${process.pid} 2>/dev/null && echo outside; kill $!`
      expect(yield* Process.string(sh(script))).toBe("inside\noutside\n")
      return expect(yield* Process.string(sh(script).pipe(Command.sandbox({ scope: ["signals"] })))).toBe("inside\n")
    })
  )

  it.effect("is ended as any other process", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("write")
      if (missing !== "") return context.skip(missing)
      const stage = yield* Stage.make
      const sandbox = { write: [stage.folder] }
      yield* Effect.scoped(
        Effect.andThen(
          Process.spawn(
            stage
              .play("ignore fork { setsid say child sleep } say leader sleep")
              .pipe(Command.sandbox(sandbox), Command.stop({ grace: 0 }))
          ),
          stage.hears("child", "leader")
        )
      )
      return expect(stage.left()).toEqual([])
    })
  )

  it.effect("that names a path which is not there is an error with the option", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("read")
      if (missing !== "") return context.skip(missing)
      const error = yield* refusal(sh("true").pipe(Command.sandbox({ read: ["/usr", "/no/such"] })))
      expect(error).toMatchObject({
        step: "sandbox",
        errno: "ENOENT",
        reason: { _tag: "InvalidArgument", option: "sandbox.read[1]" }
      })
      return expect(error.message).toContain(
        "sandbox.read[1] names /no/such, which cannot be opened: no such file or directory"
      )
    })
  )

  it.effect("that this kernel does not offer is an error that says since when there is one", () =>
    Effect.gen(function* () {
      const backend = yield* Nursery.backend
      const old = Nursery.layerBackend(
        Effect.succeed({
          guarantees: () => ({
            ...backend.guarantees(),
            sandbox: backend
              .guarantees()
              .sandbox.map((each) => ({ ...each, available: false, reason: "since tomorrow" }))
          }),
          pipe: undefined,
          spawn: backend.spawn.bind(backend),
          close: (done: () => void) => done()
        })
      )
      const error = yield* Effect.provide(refusal(sh("true").pipe(Command.sandbox({ connect: [80] }))), old)
      expect(error).toMatchObject({
        reason: { _tag: "Unsupported", feature: "sandbox.connect", problem: "since tomorrow" }
      })
    })
  )
})

const filter = (
  ...instructions: ReadonlyArray<readonly [code: number, yes: number, no: number, k: number]>
): Uint8Array => {
  const bytes = Buffer.alloc(instructions.length * 8)
  for (const [index, [code, yes, no, k]] of instructions.entries()) {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(yes, index * 8 + 2)
    bytes.writeUInt8(no, index * 8 + 3)
    bytes.writeUInt32LE(k, index * 8 + 4)
  }
  return new Uint8Array(bytes)
}

layer(Nursery.layer, { excludeTestServices: true })("a filter of system calls", (it) => {
  const uname = process.arch === "arm64" ? 160 : 63
  const allow = [6, 0, 0, 0x7fff_0000] as const
  const noUname = filter([0x20, 0, 0, 0], [0x15, 0, 1, uname], [6, 0, 0, 0x0005_0001], allow)

  it.effect("holds for the program, together with all other options", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("seccomp")
      if (missing !== "") return context.skip(missing)
      const command = sh(
        "uname 2>/dev/null || echo refused; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; ulimit -n"
      ).pipe(Command.seccomp(noUname), Command.limits({ nofile: 50 }))
      return expect(yield* Process.string(command)).toBe("refused\nNoNewPrivs:\t1\nSeccomp:\t2\n50\n")
    })
  )

  it.effect("that is no program is an error", (context) =>
    Effect.gen(function* () {
      const missing = yield* lacking("seccomp")
      if (missing !== "") return context.skip(missing)
      const error = yield* refusal(sh("true").pipe(Command.seccomp(new Uint8Array(8).fill(255))))
      return expect(error).toMatchObject({ step: "sandbox", reason: { _tag: "InvalidArgument", option: "seccomp" } })
    })
  )
})

onEveryWay("what is held back", (it, way) => {
  it.effect.skipIf(!way.lacks.has("setup"))("is refused where it cannot be, never left out", () =>
    Effect.gen(function* () {
      const sandboxed = sh("true").pipe(Command.sandbox({ read: [] }))
      expect(yield* refusal(sandboxed)).toMatchObject({ reason: { _tag: "Unsupported", feature: "sandbox" } })
      const filtered = sh("true").pipe(Command.seccomp(filter([6, 0, 0, 0x7fff_0000])))
      expect(yield* refusal(filtered)).toMatchObject({ reason: { _tag: "Unsupported", feature: "seccomp" } })
    })
  )
})
