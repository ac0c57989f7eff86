/** Sockets that listen, and files: where, as whom, and what is said when it cannot be. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Command from "../../src/Command.ts"
import * as Fd from "../../src/Fd.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E | undefined, never, R> =>
  Effect.map(Effect.exit(effect), (exit) =>
    Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  )

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-fd-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A server of one line: it accepts on descriptor 3, and says who it is. */
const greeter = (name: string, socket: Fd.Listening) =>
  Command.make(
    process.execPath,
    ["-e", `require("node:net").createServer((c) => c.end(${JSON.stringify(name)})).listen({ fd: 3 })`],
    { fds: { 3: socket } }
  )

const ask = (where: { readonly port: number; readonly host: string } | { readonly path: string }) =>
  Effect.callback<string, Error>((resume) => {
    const socket = connect(where)
    let said = ""
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => resume(Effect.succeed(said)))
  })

const isRoot = process.getuid?.() === 0

layer(Nursery.layer, { excludeTestServices: true })("listening sockets", (it) => {
  it.effect("are there before their server, and wait for it: TCP, of a path and abstract", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "socket")
      const name = `nursery-test-${process.pid}`
      const all = [
        yield* Fd.listen({ tcp: 0 }),
        yield* Fd.listen({ tcp: { host: "::1", port: 0 } }).pipe(
          Effect.catchReason("FdError", "AddressUnavailable", () => Fd.listen({ tcp: 0 }))
        ),
        yield* Fd.listen({ unix: path, mode: 0o600, backlog: 5 }),
        yield* Fd.listen({ abstract: name })
      ]
      expect(statSync(path).mode & 0o777).toBe(0o600)
      for (const [index, socket] of all.entries()) {
        const { address } = socket
        const where =
          address._tag === "Unix"
            ? { path: address.path }
            : address._tag === "Abstract"
              ? { path: `\0${address.name}` }
              : { host: address.host, port: address.port }
        const [said] = yield* Effect.all([ask(where), Process.spawn(greeter(`${index}`, socket))], { concurrency: 2 })
        expect(said).toBe(`${index}`)
      }
    })
  )

  it.effect("of a path remove it with their scope", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "socket")
      yield* Effect.scoped(Fd.listen({ unix: path, type: "datagram" }))
      // When it answers, the keeper has done what it was asked before.
      yield* Effect.scoped(Fd.pipe())
      expect(existsSync(path)).toBe(false)
    })
  )

  it.effect("are refused an address in use, with its name", () =>
    Effect.gen(function* () {
      const { address } = yield* Fd.listen({ tcp: 0 })
      const port = address._tag === "Tcp" ? address.port : 0
      const taken = yield* failure(Fd.listen({ tcp: port }))
      expect(taken).toMatchObject({ _tag: "FdError", reason: { _tag: "AddressInUse", address: `127.0.0.1:${port}` } })
      expect(taken?.message).toContain(`cannot listen on 127.0.0.1:${port}: the address is in use`)
      const path = join(yield* folder, "socket")
      yield* Fd.listen({ unix: path })
      for (const replaceStale of [false, true]) {
        expect(yield* failure(Fd.listen({ unix: path, replaceStale }))).toMatchObject({
          reason: { _tag: "AddressInUse", address: path }
        })
      }
    })
  )

  it.effect("replace a socket that somebody has left when asked to, and nothing else", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "socket")
      // A server that is killed leaves its path.
      const server = createServer()
      yield* Effect.callback<void>((resume) => {
        server.listen(`${path}-moved`, () => resume(Effect.void))
      })
      execFileSync("mv", [`${path}-moved`, path])
      yield* Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
      })
      const stale = yield* failure(Fd.listen({ unix: path }))
      expect(stale).toMatchObject({ reason: { _tag: "StaleSocket", path } })
      expect(stale?.message).toContain("replaceStale: true")
      yield* Fd.listen({ unix: path, replaceStale: true })
      const text = join(yield* folder, "text")
      writeFileSync(text, "text")
      expect(yield* failure(Fd.listen({ unix: text, replaceStale: true }))).toMatchObject({
        reason: { _tag: "PathTaken", path: text }
      })
      expect(readFileSync(text, "utf8")).toBe("text")
    })
  )

  it.effect("say what is wrong with a path, an address, a user or an option", () =>
    Effect.gen(function* () {
      const long = join(yield* folder, "x".repeat(120))
      const reasonOf = (options: Fd.ListenOptions) =>
        Effect.map(failure(Fd.listen(options)), (error) => (error?._tag === "FdError" ? error.reason : error))
      expect(yield* reasonOf({ unix: long })).toMatchObject({ _tag: "PathTooLong", bytes: long.length, max: 107 })
      expect(yield* reasonOf({ abstract: "x".repeat(107) })).toMatchObject({ _tag: "PathTooLong", max: 106 })
      const nowhere = "/no/such/folder/socket"
      expect(yield* reasonOf({ unix: nowhere })).toMatchObject({ _tag: "PathUnusable", path: nowhere, errno: "ENOENT" })
      const path = join(yield* folder, "socket")
      expect(yield* reasonOf({ unix: path, user: "no-such-user" })).toMatchObject({
        _tag: "UnknownUser",
        kind: "user",
        name: "no-such-user"
      })
      expect(yield* reasonOf({ unix: path, group: "no-such-group" })).toMatchObject({
        _tag: "UnknownUser",
        kind: "group"
      })
      expect(existsSync(path)).toBe(false)
      expect(yield* reasonOf({ tcp: { host: "192.0.2.1", port: 0 } })).toMatchObject({ _tag: "AddressUnavailable" })
      for (const [options, option] of [
        [{ tcp: 70_000 }, "tcp.port"],
        [{ tcp: { host: "example.com", port: 1 } }, "tcp.host"],
        [{ udp: -1 }, "udp.port"],
        [{ unix: "" }, "unix"],
        [{ unix: path, mode: 0o7777 }, "mode"],
        [{ abstract: "" }, "abstract"],
        [{ tcp: 0, backlog: -1 }, "backlog"]
      ] as const) {
        expect(yield* reasonOf(options)).toMatchObject({ _tag: "InvalidArgument", option })
      }
    })
  )

  it.effect.runIf(isRoot)("of a path belong to whom is named (needs root)", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "socket")
      yield* Fd.listen({ unix: path, user: "daemon", group: "daemon", mode: 0o660 })
      const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "daemon"], { encoding: "utf8" })))
      expect(statSync(path)).toMatchObject({ uid, gid })
      expect(statSync(path).mode & 0o777).toBe(0o660)
    })
  )

  it.effect.skipIf(isRoot)(
    "need privilege for low ports, for the owner of a path and for folders of others (not as root)",
    () =>
      Effect.gen(function* () {
        const lowest = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"))
        const low = yield* failure(Fd.listen({ tcp: 80 }))
        if (lowest > 80) expect(low).toMatchObject({ reason: { _tag: "PrivilegedPort", port: 80, lowest } })
        const path = join(yield* folder, "socket")
        expect(yield* failure(Fd.listen({ unix: path, user: 0 }))).toMatchObject({ reason: { _tag: "AccessDenied" } })
        expect(existsSync(path)).toBe(false)
        expect(yield* failure(Fd.listen({ unix: "/etc/nursery-test" }))).toMatchObject({
          reason: { _tag: "AccessDenied", target: "/etc/nursery-test" }
        })
      })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("held files", (it) => {
  it.effect("are opened once: what follows a process writes where it stopped", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "log")
      const log = yield* Fd.file(path, { access: "write", create: "missing", mode: 0o640 })
      for (const word of ["one", "two"])
        yield* Process.exitStatus(Command.make("sh", ["-c", `echo ${word} >&3`], { fds: { 3: log } }))
      expect(readFileSync(path, "utf8")).toBe("one\ntwo\n")
    })
  )

  it.effect("say why they cannot be opened", () =>
    Effect.gen(function* () {
      const missing = yield* failure(Fd.file("/no/such/file"))
      expect(missing).toMatchObject({ reason: { _tag: "PathUnusable", path: "/no/such/file", errno: "ENOENT" } })
      expect(missing?.message).toBe(
        'cannot open /no/such/file: no such file or directory: ask for `create: "missing"` to make it, or correct the path'
      )
      const path = join(yield* folder, "file")
      writeFileSync(path, "")
      expect(yield* failure(Fd.file(path, { access: "write", create: "always" }))).toMatchObject({
        reason: { _tag: "PathUnusable", errno: "EEXIST" }
      })
      expect(yield* failure(Fd.file("a\0b"))).toMatchObject({ reason: { _tag: "InvalidArgument", option: "path" } })
    })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("held memory", (it) => {
  it.effect("is read from its start by each, whatever its size, and sealed by nobody written", () =>
    Effect.gen(function* () {
      const large = "0123456789abcdef".repeat(200_000)
      const sealed = yield* Fd.memory(large, { sealed: true })
      const sum = Command.make("md5sum", ["/dev/fd/3"], { fds: { 3: sealed } })
      const both = [yield* Process.string(sum), yield* Process.string(sum)]
      expect(both[0]).toBe(both[1])
      expect(yield* Process.string(Command.make("wc", ["-c"], { stdin: sealed }))).toContain(`${large.length}`)
      const memory = yield* Fd.memory("", { size: "4 KiB" })
      const write = (target: Fd.Fd) =>
        Process.exitStatus(Command.make("sh", ["-c", "echo x >&3"], { stderr: "null", fds: { 3: target } }))
      expect(yield* write(memory)).toMatchObject({ code: 0 })
      const final = yield* Fd.seal(memory)
      expect(yield* write(memory)).not.toMatchObject({ code: 0 })
      expect(yield* write(sealed)).not.toMatchObject({ code: 0 })
      expect(yield* Process.string(Command.make("head", ["-n1"], { stdin: final }))).toBe("x\n")
    })
  )
})
