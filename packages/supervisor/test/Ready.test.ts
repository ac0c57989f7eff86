/** Checks as values: their names, their options, and those that need no server. What they do is in `ready/`. */
import { describe, expect, it } from "@effect/vitest"
import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Ready from "../src/Ready.ts"
import { check, inNursery, observe, start } from "./ready/setup.ts"

const secret = Redacted.make("secret")

describe("a check", () => {
  it.each([
    [Ready.immediate, "immediate"],
    [Ready.notify, "notify"],
    [Ready.fd(3), "fd 3"],
    [Ready.tcp(80), "tcp localhost:80"],
    [Ready.tcp({ host: "::1", port: 80 }), "tcp [::1]:80"],
    [Ready.unix("/run/a"), "unix /run/a"],
    [Ready.http("http://me:secret@host:81/up?token=secret"), "http http://host:81/up"],
    [Ready.http({ url: "http://host/up", socket: "/run/a" }), "http http://host/up at /run/a"],
    [Ready.log(/a b/i), "log /a b/i"],
    [Ready.command(Command.make("psql", ["-p", secret])), 'command "psql -p <redacted>"'],
    [Ready.effect(Effect.void), "effect"],
    [Ready.all([Ready.tcp(80), Ready.fd(3)]), "tcp localhost:80 and fd 3"]
  ] as const)("has a name for messages, without secrets: %s", (ready, name) => {
    expect(ready.spec.name).toBe(name)
    expect(String(ready)).toBe(`Ready(${name})`)
    expect(JSON.stringify(ready)).not.toContain("secret")
    expect(ready.spec.problem).toBeUndefined()
  })

  it.each([
    [Ready.tcp(0), "0 is no port that one can connect to"],
    [Ready.tcp({ port: 70_000 }), "70000 is no port that one can connect to"],
    [Ready.tcp(Number.NaN), "NaN is no port that one can connect to"],
    [Ready.unix(""), "the path of its socket is empty"],
    [Ready.http("localhost:80"), "its url is no address of http or https"],
    [Ready.http("http://"), "its url is no address of http or https"],
    [Ready.fd(2), "2 is no descriptor from 3 on"],
    [Ready.tcp(80, { attemptTimeout: 0 }), "attemptTimeout has to be more than 0"],
    [Ready.command(Command.make("x"), { attemptTimeout: JSON.parse('"soon"') }), "attemptTimeout is no duration"],
    [Ready.tcp(80).pipe(Ready.timeout(0)), "the time limit of ready has to be more than 0"],
    [Ready.fd(1).pipe(Ready.timeout("1 second")), "1 is no descriptor from 3 on"],
    [Ready.all([Ready.tcp(80), Ready.tcp(0)]), "0 is no port that one can connect to"]
  ] as const)("says what is wrong with its options and throws nothing: %s", (ready, problem) => {
    expect(ready.spec.problem).toBe(problem)
  })
})

inNursery("a child", (it) => {
  it.effect("is ready immediately", () => check(Ready.immediate, observe(undefined)))

  it.effect("is ready with what an Effect finds out about it", () =>
    Effect.gen(function* () {
      const child = yield* start(Command.make("sleep", ["1000"]))
      const ready = Ready.effect((process) => Effect.succeed(process.pid))
      expect(yield* check(ready, child)).toBe(child.process?.pid)
      expect(yield* Effect.flip(check(Ready.effect(Effect.fail("broken")), child))).toBe("broken")
    })
  )

  it.effect("is ready when a command exits well, and is told why it does not yet", () =>
    Effect.gen(function* () {
      const child = observe(undefined)
      const once: Ready.PollOptions = { schedule: Schedule.recurs(0) }
      const ready = Ready.command(Command.make("sh", ["-c", "echo noise; echo not yet >&2; exit 3"]), once)
      const error = yield* Effect.flip(check(ready, child))
      expect(error).toMatchObject({ _tag: "NotReady", reason: { _tag: "ReadyTimeout" } })
      expect(child.problems[0]).toContain("exited with code 3\nnot yet")
      yield* check(Ready.command(Command.make("sh", ["-c", "exit 3"], { successCodes: [3] })), child)
    })
  )

  it.effect("fails with a command that there is none of, at once", () =>
    Effect.gen(function* () {
      const ready = Ready.command(Command.make("/no/such/program"))
      const error = yield* Effect.flip(check(ready, observe(undefined)))
      expect(error).toMatchObject({ _tag: "SpawnError", reason: { _tag: "ProgramNotFound" } })
    })
  )
})
