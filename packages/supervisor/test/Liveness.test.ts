/** Liveness against a server that does what the test wants at the moment it wants it. When probes are made is in `ready/policy.test.ts`. */
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it as plain } from "@effect/vitest"
import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Liveness from "../src/Liveness.ts"
import { folder, freePort, inNursery, observe, sockets, watch } from "./ready/setup.ts"
import { told } from "./ready/told.ts"

const often: Liveness.ProbeOptions = { every: "5 millis", timeout: "10 seconds", failures: 2 }

inNursery("a server is alive", (it) => {
  it.effect("while it answers well", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("listen")
      const url = `http://127.0.0.1:${port}/health`
      const dead = yield* Effect.forkChild(Effect.flip(watch(Liveness.http(url, often), server)))
      yield* Effect.repeat(server.says("request"), { times: 4 })
      expect(dead.pollUnsafe()).toBeUndefined()
      yield* server.tell("status 500")
      const error = yield* Fiber.join(dead)
      expect(error).toMatchObject({ _tag: "Unresponsive", child: "server", check: `http ${url}` })
      expect(error.problem).toBe("2 times in a row, the last answer was: status 500")
    })
  )

  it.effect("while it answers at all", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* told(port)
      yield* server.tell("listen")
      yield* server.tell("hang")
      const before = sockets()
      const url = `http://127.0.0.1:${port}`
      const error = yield* Effect.flip(watch(Liveness.http(url, { ...often, timeout: "30 millis" }), server))
      expect(error.problem).toBe("2 times in a row, the last answer was: no answer within 30ms")
      expect(sockets()).toEqual(before)
    })
  )

  it.effect("while it accepts connections", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "socket")
      const port = yield* freePort
      const nobody = observe(undefined)
      expect(yield* Effect.flip(watch(Liveness.tcp(port, { ...often, failures: 1 }), nobody))).toMatchObject({
        check: `tcp localhost:${port}`,
        problem: "connection refused"
      })
      expect(yield* Effect.flip(watch(Liveness.unix(path, { ...often, failures: 1 }), nobody))).toMatchObject({
        check: `unix ${path}`,
        problem: "no such file or directory"
      })
    })
  )

  it.effect("while a command succeeds", () =>
    Effect.gen(function* () {
      const [file, ran] = [join(yield* folder(), "alive"), join(yield* folder(), "ran")]
      writeFileSync(file, "")
      const probe = Command.make("sh", ["-c", `touch ${ran}; test -e ${file}`])
      const dead = yield* Effect.forkChild(Effect.flip(watch(Liveness.command(probe, often), observe(undefined))))
      const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      yield* Effect.repeat(turn, { until: () => existsSync(ran) })
      expect(dead.pollUnsafe()).toBeUndefined()
      rmSync(file)
      expect((yield* Fiber.join(dead)).problem).toContain("exited with code 1")
    })
  )

  it.effect("as long as its process has what is looked for", () =>
    Effect.gen(function* () {
      const server = yield* told(yield* freePort)
      const runs = Liveness.effect((process) => Effect.filterOrFail(process.isRunning, (is) => is), often)
      const dead = yield* Effect.forkChild(Effect.flip(watch(runs, server)))
      yield* server.process?.signal("SIGKILL") ?? Effect.void
      expect((yield* Fiber.join(dead)).check).toBe("effect")
    })
  )
})

describe("options", () => {
  plain.each([
    [Liveness.tcp(80, { every: "0 seconds" }), "every has to be more than 0"],
    [Liveness.tcp(80, { timeout: -5 }), "timeout has to be more than 0"],
    [Liveness.tcp(80, { failures: 0 }), "failures has to be a number from 1 on"],
    [Liveness.tcp(80, { failures: 1.5 }), "failures has to be a number from 1 on"],
    [Liveness.tcp(66000), "66000 is no port that one can connect to"],
    [Liveness.http("ftp://host"), "its url is no address of http or https"],
    [Liveness.unix(""), "the path of its socket is empty"],
    [Liveness.watchdog(0), "the interval of the watchdog has to be more than 0"],
    [Liveness.tcp(80), undefined]
  ] as const)("of %s: %s", ({ spec }, problem) => {
    expect(spec.problem).toBe(problem)
  })
})
