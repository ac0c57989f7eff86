/** Checks against servers that no one here wrote. */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Command, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import { ask, because, check, folder, freePort, inNursery, needs, observe, start, watch } from "./setup.ts"

const redis = needs("redis-server")
const nginx = needs("nginx")
const postgres = needs("postgres")

inNursery(`redis${because(redis.problem)}`, (it) => {
  const server = (port: number, ...args: ReadonlyArray<string>) =>
    Effect.map(folder(), (dir) =>
      Command.make(redis.path, ["--port", String(port), "--save", "", "--dir", dir, ...args], { stdout: "null" })
    )

  it.effect.skipIf(redis.problem !== undefined)("is ready by tcp", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* check(Ready.tcp(port), yield* start(yield* server(port)))
      expect(yield* ask({ port }, "PING\r\n")).toBe("+PONG\r\n")
    })
  )

  it.effect.skipIf(redis.problem !== undefined)("is ready by its unix socket", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "redis.sock")
      yield* check(Ready.unix(path), yield* start(yield* server(0, "--unixsocket", path)))
      expect(yield* ask({ path }, "PING\r\n")).toBe("+PONG\r\n")
    })
  )

  it.effect.skipIf(redis.problem !== undefined)("is ready by its log", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const ready = Ready.log(/Ready to accept connections/, { stream: "stdout" })
      yield* check(ready, yield* start(yield* server(port), ready))
      expect(yield* ask({ port }, "PING\r\n")).toBe("+PONG\r\n")
    })
  )

  it.effect.skipIf(redis.problem !== undefined)("is ready by its notification", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const ready = Ready.notify.pipe(Ready.timeout("20 seconds"))
      yield* check(ready, yield* start(yield* server(port, "--supervised", "systemd"), ready))
      expect(yield* ask({ port }, "PING\r\n")).toBe("+PONG\r\n")
    })
  )

  it.effect.skipIf(redis.problem !== undefined)("is ready by its own client", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const ping = Command.make("sh", ["-c", 'test "$("$@")" = PONG', "sh", "redis-cli", "-p", String(port), "ping"])
      const child = yield* start(yield* server(port))
      yield* check(Ready.command(ping), child)
      expect(yield* ask({ port }, "PING\r\n")).toBe("+PONG\r\n")
    })
  )

  it.effect.skipIf(redis.problem !== undefined)("is not ready where another one has its port", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const first = yield* start(yield* server(port))
      yield* check(Ready.tcp(port), first)
      // It finds the port taken and ends, which is what its supervisor sees; unless the check comes first.
      const second = yield* start(Command.make("sleep", ["1000"]))
      const error = yield* Effect.flip(check(Ready.tcp(port), second))
      expect(error.reason).toMatchObject({ _tag: "ReadyStranger", pid: first.process?.pid, program: "redis-server" })
    })
  )

  it.effect.skipIf(redis.problem !== undefined)("is not alive when it is frozen", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const child = yield* start(yield* server(port))
      yield* check(Ready.tcp(port), child)
      const ping = Liveness.effect(ask({ port }, "PING\r\n"), {
        every: "20 millis",
        timeout: "100 millis",
        failures: 2
      })
      yield* child.process?.signal("SIGSTOP") ?? Effect.void
      const error = yield* Effect.flip(watch(ping, child))
      expect(error.message).toBe(
        '"server" runs but does not respond: effect, 2 times in a row, the last answer was: no answer within 100ms'
      )
    })
  )
})

inNursery(`nginx${because(nginx.problem)}`, (it) => {
  const configuration = (dir: string, port: number) => `
    error_log ${dir}/error.log;
    pid ${dir}/nginx.pid;
    worker_processes 2;
    events {}
    http {
      access_log off;
      client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi;
      uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
      server {
        listen 127.0.0.1:${port};
        location = /health { return 200 "all is well"; }
        location = /broken { return 500; }
        location = /moved { return 302 /health; }
      }
    }`

  const server = Effect.fnUntraced(function* (port: number, daemon: "on" | "off") {
    const dir = yield* folder()
    const file = join(dir, "nginx.conf")
    writeFileSync(file, configuration(dir, port))
    return Command.make(nginx.path, ["-p", dir, "-c", file, "-e", join(dir, "error.log"), "-g", `daemon ${daemon};`])
  })

  it.effect.skipIf(nginx.problem !== undefined)("is ready by http", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const child = yield* start(yield* server(port, "off"))
      const url = `http://localhost:${port}`
      yield* check(Ready.http({ url: `${url}/health`, body: (body) => body === "all is well" }), child)
      yield* check(Ready.http(`${url}/moved`), child)
      const broken = Ready.http(`${url}/broken`, { schedule: Schedule.recurs(0) })
      expect((yield* Effect.flip(check(broken, child))).reason).toMatchObject({ problem: "status 500" })
    })
  )

  it.effect.skipIf(nginx.problem !== undefined)("is ready as a daemon that has left the process that started it", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const { args, program } = yield* server(port, "on")
      const child = yield* start(Command.make("sh", ["-c", '"$@"; exec sleep 1000', "sh", program, ...args]))
      yield* check(Ready.http(`http://localhost:${port}/health`), child)
    })
  )
})

// It refuses to run as root, and for a user without a name.
const user = process.getuid?.() === 0 ? 65534 : undefined
const isNamed = spawnSync("id", ["-un", String(user ?? process.getuid?.())]).status === 0
const noPostgres = postgres.problem ?? (isNamed ? undefined : "PostgreSQL does not run for a user without a name")

inNursery(`PostgreSQL${because(noPostgres)}`, (it) => {
  const asUser = (program: string, args: ReadonlyArray<string>) =>
    user === undefined
      ? Command.make(program, args)
      : Command.make("setpriv", ["--reuid", String(user), "--regid", String(user), "--clear-groups", program, ...args])

  const initialized = Effect.gen(function* () {
    const dir = yield* folder(user)
    const init = asUser(needs("initdb").path, ["-D", join(dir, "data"), "-A", "trust", "-U", "me", "--no-sync"])
    yield* Process.run(init.pipe(Command.env({ LC_ALL: "C.UTF-8" }), Command.cwd(dir)))
    return dir
  })

  const server = (dir: string, port: number) =>
    asUser(postgres.path, ["-D", join(dir, "data"), "-p", String(port), "-k", dir, "-F", "-h", "127.0.0.1"]).pipe(
      Command.cwd(dir),
      Command.stop({ signal: "SIGQUIT" })
    )

  const query = (dir: string, port: number) =>
    Process.string(
      Command.make("psql", ["-h", dir, "-p", String(port), "-U", "me", "-d", "postgres", "-Atc", "select 6 * 7"])
    )

  it.effect.skipIf(noPostgres !== undefined)(
    "is ready by its own client, its log, its notification and its sockets",
    () =>
      Effect.gen(function* () {
        const dir = yield* initialized
        const port = yield* freePort
        const isUp = Ready.command(Command.make("pg_isready", ["-h", dir, "-p", String(port)]))
        const log = Ready.log(/database system is ready to accept connections/, { stream: "stderr" })
        const child = yield* start(server(dir, port), log, isUp, Ready.notify)
        yield* check(isUp, child)
        expect(yield* query(dir, port)).toBe("42\n")
        yield* check(Ready.all([log, Ready.notify, Ready.tcp(port), Ready.unix(join(dir, `.s.PGSQL.${port}`))]), child)
        const other = observe((yield* start(Command.make("sleep", ["1000"]))).process)
        const error = yield* Effect.flip(check(Ready.tcp(port), other))
        expect(error.reason).toMatchObject({ _tag: "ReadyStranger", pid: child.process?.pid, program: "postgres" })
      })
  )
})
