/** Checks that listen to what a process says itself. */
import { expect } from "@effect/vitest"
import { Command, type Process, Stdio } from "@nursery/process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { prepare } from "../../src/internal/ready/prepare.ts"
import * as Liveness from "../../src/Liveness.ts"
import * as Ready from "../../src/Ready.ts"
import { check, inNursery, observe, start } from "./setup.ts"

const sh = (script: string) => Command.make("/bin/sh", ["-c", script])

/** Each line of `read` lets the script go on. */
const started = Effect.fnUntraced(function* (script: string, ready: Ready.Ready<unknown, unknown, unknown, never>) {
  const next = Deferred.makeUnsafe<void>()
  const go = Stream.encodeText(Stream.fromEffect(Effect.as(Deferred.await(next), "\n")))
  const child = yield* start(Command.stdin(sh(script), go), ready)
  return { child, next: Deferred.succeed(next, undefined) }
})

inNursery("a process says that it is ready", (it) => {
  it.effect("by a newline on its descriptor, not before", () =>
    Effect.gen(function* () {
      const ready = Ready.fd(5)
      const { child, next } = yield* started("printf almost >&5; read go; echo >&5; exec sleep 1000", ready)
      const checking = yield* Effect.forkChild(check(ready, child), { startImmediately: true })
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* next
      yield* Fiber.join(checking)
    })
  )

  it.effect("not by closing its descriptor", () =>
    Effect.gen(function* () {
      const ready = Ready.fd(3).pipe(Ready.timeout("100 millis"))
      const child = yield* start(sh("exec 3>&-; exec sleep 1000"), ready)
      const error = yield* Effect.flip(check(ready, child))
      expect(error.reason).toMatchObject({ _tag: "ReadyTimeout", ready: "fd 3" })
    })
  )

  it.effect("by a line of its output, which arrives in pieces", () =>
    Effect.gen(function* () {
      const ready = Ready.log(/listening on port (?<port>\d+)$/)
      const { child, next } = yield* started(
        "echo starting; printf 'listening on po'; read go; printf 'rt 80'; printf '80\\n'; exec sleep 1000",
        ready
      )
      const checking = yield* Effect.forkChild(check(ready, child), { startImmediately: true })
      expect(checking.pollUnsafe()).toBeUndefined()
      yield* next
      expect((yield* Fiber.join(checking)).groups).toEqual({ port: "8080" })
    })
  )

  it.effect.each(["stdout", "stderr", "both"] as const)("by a line of %s", (stream) =>
    Effect.gen(function* () {
      const ready = Ready.log(/^from (.*)/, { stream }).pipe(Ready.map((match) => match[1]))
      const last =
        stream === "stdout" ? "echo from stderr >&2; echo from stdout" : "echo from stdout; echo from stderr >&2"
      const child = yield* start(Command.stderr(Command.stdout(sh(`${last}; exec sleep 1000`), "null"), "null"), ready)
      const found = yield* check(ready, child)
      if (stream === "both") expect(["stdout", "stderr"]).toContain(found)
      else expect(found).toBe(stream)
    })
  )

  it.effect("by a pattern that remembers where it matched last, each time anew", () =>
    Effect.gen(function* () {
      const pattern = /up/g
      pattern.lastIndex = 5
      const ready = Ready.log(pattern, { stream: "stdout" })
      for (let times = 0; times < 2; times++) {
        const child = yield* start(sh("echo up; exec sleep 1000"), ready)
        expect((yield* check(ready, child))[0]).toBe("up")
      }
    })
  )

  it.effect("not by a line that does not match, and not by ending its output", () =>
    Effect.gen(function* () {
      const ready = Ready.log(/^ready$/, { stream: "stdout" }).pipe(Ready.timeout("100 millis"))
      const child = yield* start(sh("echo not ready; exec sleep 1000 >&-"), ready)
      const error = yield* Effect.flip(check(ready, child))
      expect(error.reason).toMatchObject({ _tag: "ReadyTimeout", ready: "log /^ready$/" })
    })
  )
})

const message = (
  fields: Record<string, string>,
  sender: Process.Notification["sender"] = "member"
): Process.Notification => ({ pid: 4711, sender, fields, truncated: false })

inNursery("a process notifies", (it) => {
  it.effect("that it is ready, among other things", () =>
    Effect.gen(function* () {
      const said = Stream.make(message({ STATUS: "loading" }), message({ READY: "0" }), message({ READY: "1" }))
      yield* check(Ready.notify, observe(undefined, said))
    })
  )

  it.effect("by a program that has ended by now", () =>
    check(Ready.notify, observe(undefined, Stream.make(message({ READY: "1" }, "gone"))))
  )

  it.effect("nothing that counts before its notifications end", () =>
    Effect.gen(function* () {
      const ready = Ready.notify.pipe(Ready.timeout("50 millis"))
      const error = yield* Effect.flip(check(ready, observe(undefined, Stream.make(message({ STATUS: "loading" })))))
      expect(error.reason).toMatchObject({ _tag: "ReadyTimeout", ready: "notify" })
    })
  )

  it.effect("in the name of another one, which does not count, and is told when the time is up", () =>
    Effect.gen(function* () {
      const said = Stream.make(message({ STATUS: "x" }, "stranger"), message({ READY: "1" }, "stranger"))
      const child = observe(undefined, said)
      const error = yield* Effect.flip(check(Ready.notify.pipe(Ready.timeout("50 millis")), child))
      expect(error.reason).toMatchObject({ _tag: "ReadyStranger", ready: "notify", pid: 4711 })
      expect(child.problems).toEqual([error.reason.message])
      yield* check(Ready.notify, observe(undefined, Stream.concat(said, Stream.make(message({ READY: "1" })))))
    })
  )
})

inNursery("what a check wants", (it) => {
  const wants = (...all: Array<Ready.Ready<unknown, unknown, unknown, never>>) => all.map(({ spec }) => spec.wants)

  it.effect("is added to the command", () =>
    Effect.gen(function* () {
      const command = Command.make("x", [], { stdout: Stdio.append("/x"), fds: { 4: "inherit" } })
      const all = wants(Ready.all([Ready.fd(3), Ready.log(/x/, { stream: "stderr" })]), Ready.fd(7))
      const prepared = yield* prepare(all, command)
      expect(prepared).toMatchObject({
        stdout: command.stdout,
        stderr: "pipe",
        fds: { 3: "pipe", 4: "inherit", 7: "pipe" }
      })
      expect(yield* prepare(wants(Ready.tcp(80)), command)).toBe(command)
    })
  )

  it.effect("is the interval of its watchdog, and not the one of this program", () =>
    Effect.gen(function* () {
      const { wants } = Liveness.watchdog("1500 millis").spec
      expect(wants.notify).toBe(true)
      const { env } = yield* prepare([wants], Command.make("x"))
      expect(env).toEqual({ WATCHDOG_USEC: "1500000", WATCHDOG_PID: undefined })
    })
  )

  it.effect("is refused where the command wants something else", () =>
    Effect.gen(function* () {
      const file = Command.make("x", [], { stdout: Stdio.append("/x"), fds: { 3: "null" } })
      const reason = (ready: Parameters<typeof wants>[0]) => Effect.flip(prepare(wants(ready), file))
      expect((yield* reason(Ready.log(/x/))).message).toBe(
        'cannot start "x": stdout goes elsewhere, where Ready.log cannot read it: let it be a pipe'
      )
      expect((yield* reason(Ready.fd(3))).message).toBe(
        'cannot start "x": fds[3] is the descriptor of Ready.fd: leave it out'
      )
    })
  )
})
