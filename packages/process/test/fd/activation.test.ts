/** Socket activation, and the descriptors that a process leaves for the next. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Command from "../../src/Command.ts"
import * as Fd from "../../src/Fd.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import { sh } from "../behaviour/setup.ts"
import { actor } from "../support/native.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-fd-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<E | undefined, never, R> =>
  Effect.map(Effect.exit(effect), (exit) =>
    Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  )

/** What a server says to a first line. */
const ask = (where: { readonly port: number } | { readonly path: string }, line: string) =>
  Effect.callback<string, Error>((resume) => {
    const socket = connect(where, () => socket.write(line))
    let said = ""
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => resume(Effect.succeed(said)))
  })

const portOf = ({ address }: Fd.Listening): number => (address._tag === "Tcp" ? address.port : 0)

/** Debian has servers where ordinary users do not look for programs. */
const path = `${process.env["PATH"]}:/usr/sbin`
const has = (program: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(program, args, { env: { ...process.env, PATH: path } }).error === undefined
const uuidd = has("uuidd", "--version")
const nginx = has("nginx", "-v")

layer(Nursery.layer, { excludeTestServices: true })("socket activation", (it) => {
  it.effect("gives the descriptors from 3 on, their count and names, and the pid", () =>
    Effect.gen(function* () {
      const http = yield* Fd.listen({ tcp: 0 })
      const admin = yield* Fd.listen({ udp: 0 })
      const command = sh("echo $$ $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES; readlink /proc/$$/fd/3 /proc/$$/fd/4").pipe(
        Command.activation({ http, "admin.udp": admin })
      )
      for (const containment of ["tree", "group"] as const) {
        const said = yield* Process.string(Command.containment(command, containment))
        expect(said).toMatch(/^(\d+) \1 2 http:admin\.udp\nsocket:.*\nsocket:/)
      }
    })
  )

  it.effect("inherits nothing of what this program was activated with", () =>
    Effect.gen(function* () {
      const names = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
      for (const name of names) process.env[name] = "9"
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const name of names) delete process.env[name]
        })
      )
      const command = Command.activation(sh("env | grep ^LISTEN_; true"), {})
      expect(yield* Process.string(command)).toBe("")
    })
  )

  it.effect("is refused with names, numbers and variables that clash, and by the Schema", () =>
    Effect.gen(function* () {
      const socket = yield* Fd.listen({ tcp: 0 })
      const problem = (options: object) =>
        Option.getOrUndefined(Result.getFailure(Command.validate(Command.make("x", [], options))))?.message
      expect(problem({ activation: { "a:b": socket } })).toContain('activation["a:b"] is not a name')
      expect(problem({ activation: { "": socket } })).toContain("is not a name")
      expect(problem({ activation: { a: "pipe" } })).toBe("activation.a is no Fd")
      expect(problem({ activation: { a: socket }, fds: { 3: "null" } })).toContain("fds[3] is one of those")
      expect(problem({ activation: { a: socket }, fds: { 4: "null" } })).toBeUndefined()
      expect(problem({ activation: { a: socket }, env: { LISTEN_FDS: "1" } })).toContain("env.LISTEN_FDS is set by")
      const encoded = yield* failure(
        Schema.encodeUnknownEffect(Command.Command)(Command.make("x", [], { activation: { a: socket } }))
      )
      expect(encoded?.message).toContain("activation.a holds an Fd, which lives in this program")
    })
  )

  it.effect("starts a Node server, whose restarts refuse nobody", () =>
    Effect.gen(function* () {
      const http = yield* Fd.listen({ tcp: 0 })
      const script =
        'const [, fds, pid] = [0, process.env.LISTEN_FDS, process.env.LISTEN_PID]; if (fds !== "1" || pid !== String(process.pid)) process.exit(9); require("node:net").createServer((c) => c.end("served")).listen({ fd: 3 })'
      const server = Command.make(process.execPath, ["-e", script], { activation: { http } })
      for (let round = 0; round < 3; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            // It is asked before it is there.
            const [said] = yield* Effect.all([ask({ port: portOf(http) }, ""), Process.spawn(server)], {
              concurrency: 2
            })
            expect(said).toBe("served")
          })
        )
      }
    })
  )

  it.effect.skipIf(!uuidd)(
    `starts a server of systemd's kind, uuidd${uuidd ? "" : " (needs the Debian package uuid-runtime)"}`,
    () =>
      Effect.gen(function* () {
        const unix = join(yield* folder, "request")
        const socket = yield* Fd.listen({ unix })
        const env = { PATH: path }
        const server = yield* Process.spawn(
          Command.make("uuidd", ["--socket-activation", "--no-pid", "--timeout", "60"], { env, activation: { socket } })
        )
        const client = Command.make("uuidd", ["--socket", unix, "--random"], { env })
        expect(yield* Process.string(client)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/)
        expect(yield* server.isRunning).toBe(true)
      })
  )

  it.effect.skipIf(!nginx)(`hands a socket to nginx${nginx ? "" : " (needs the Debian package nginx)"}`, () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const socket = yield* Fd.listen({ tcp: 0 })
      const port = portOf(socket)
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      const conf = join(dir, "nginx.conf")
      writeFileSync(
        conf,
        `daemon off; error_log stderr; pid ${dir}/pid; events {} http { access_log off; ${paths.map((name) => `${name}_temp_path ${dir}/${name};`).join(" ")} server { listen 127.0.0.1:${port}; return 200 "from nginx"; } }`
      )
      // nginx knows no LISTEN_FDS: it looks for what its older self left it.
      const server = Command.make("nginx", ["-p", dir, "-c", conf], {
        env: { PATH: path, NGINX: "3;" },
        fds: { 3: socket },
        stderr: "null"
      })
      const question = "GET / HTTP/1.0\r\n\r\n"
      for (let round = 0; round < 2; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const asked = ask({ port }, question)
            const [said] = yield* Effect.all([asked, Process.spawn(server)], { concurrency: 2 })
            expect(said).toContain("from nginx")
          })
        )
      }
    })
  )
})

const hand = (...words: ReadonlyArray<string>) => Command.make(actor(), words)

const look = sh(
  "echo $LISTEN_FDS $LISTEN_FDNAMES; for n in 3 4; do test -e /dev/fd/$n && head -c 3 /dev/fd/$n; done; true"
)

layer(Nursery.layer, { excludeTestServices: true })("what a process leaves for the next", (it) => {
  it.effect("is there when that starts, by its names, and after what it was given", () =>
    Effect.gen(function* () {
      const fdStore = yield* Fd.store()
      yield* Process.exitStatus(hand("hand", "one", "hand", "two", "barrier").pipe(Command.fdStore(fdStore)))
      expect(yield* Fd.stored(fdStore)).toEqual(["one", "two"])
      expect(yield* Process.string(Command.fdStore(look, fdStore))).toBe("2 one:two\nonetwo")
      const { read: first } = yield* Fd.pipe()
      const both = Command.fdStore(sh("echo $LISTEN_FDS $LISTEN_FDNAMES"), fdStore)
      expect(yield* Process.string(Command.activation(both, { first }))).toBe("3 first:one:two\n")
    })
  )

  it.effect("is let go by its name, when there is too much of it, and with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const fdStore = yield* Scope.provide(Fd.store({ max: 2 }), scope)
      const stores = Command.fdStore(fdStore)
      yield* Process.exitStatus(stores(hand("hand", "a", "hand", "b", "hand", "c", "barrier")))
      expect(yield* Fd.stored(fdStore)).toEqual(["a", "b"])
      yield* Process.exitStatus(stores(hand("notify", "FDSTOREREMOVE=1\nFDNAME=a", "hand", "b", "barrier")))
      expect(yield* Fd.stored(fdStore)).toEqual(["b", "b"])
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fd.stored(fdStore)).toEqual([])
      const late = yield* failure(Effect.scoped(Process.spawn(stores(look))))
      expect(late).toMatchObject({ _tag: "SpawnError", reason: { _tag: "InvalidArgument", option: "fdStore" } })
    })
  )

  it.effect("comes beside its notifications, and only where there is a store", () =>
    Effect.gen(function* () {
      const fdStore = yield* Fd.store()
      const child = yield* Process.spawn(hand("hand", "x", "notify", "READY=1", "barrier").pipe(Command.notify(true)))
      yield* child.ended
      expect(yield* Fd.stored(fdStore)).toEqual([])
      const storing = hand("hand", "bad:name", "barrier").pipe(Command.notify(true), Command.fdStore(fdStore))
      const other = yield* Process.spawn(storing)
      yield* other.ended
      // A name that LISTEN_FDNAMES cannot hold is none.
      expect(yield* Fd.stored(fdStore)).toEqual(["stored"])
    })
  )
})
