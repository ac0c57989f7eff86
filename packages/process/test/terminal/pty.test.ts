/** Pseudo-terminals: what is shown, what is typed, and who gets which signal. */
import { execFileSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Expect from "../../src/Expect.ts"
import * as Fd from "../../src/Fd.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import { leftOpen, text } from "../behaviour/setup.ts"
import { temporary } from "../support/native.ts"
import * as Proc from "../support/proc.ts"
import { until } from "../support/within.ts"
import { failure, on, patience, relays, screen, sh } from "./support.ts"

const typed = (words: string) => Stream.make(new TextEncoder().encode(words))

layer(Nursery.layer, { excludeTestServices: true })("a pty", (it) => {
  it.effect("is a terminal of the size that was asked for, and ends with the process that it was given to", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty({ columns: 132, rows: 50 })
      yield* Process.spawn(sh("tty; stty size", on(Fd.give(pty))))
      expect(yield* text(pty.output)).toBe(`${pty.path}\r\n50 132\r\n`)
    })
  )

  it.effect("shows all that was written before the exit, also to who asks after it", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const { exit } = yield* Process.spawn(sh("seq 1 5000", on(Fd.give(pty))))
      expect((yield* exit).status).toEqual({ _tag: "Exited", code: 0 })
      const numbers = Array.from({ length: 5000 }, (_, index) => `${index + 1}\r\n`)
      expect(yield* text(pty.output)).toBe(numbers.join(""))
    })
  )

  it.effect("carries bytes as they are when it is raw, both ways at once, however slowly it is read", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty({ raw: true, echo: false })
      yield* Process.spawn(Command.make("cat", [], on(pty)))
      const bytes = randomBytes(1024 * 1024)
      const typing = yield* Effect.forkChild(Stream.run(Stream.make(bytes), pty.input), { startImmediately: true })
      const hash = createHash("sha256")
      let count = 0
      yield* pty.output.pipe(
        Stream.takeUntil((chunk) => {
          hash.update(chunk)
          count += chunk.length
          return count >= bytes.length
        }),
        Stream.runDrain
      )
      yield* Fiber.join(typing)
      expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"))
    })
  )

  it.effect("shows what is typed unless echo is off", () =>
    Effect.gen(function* () {
      for (const echo of [true, false]) {
        const pty = yield* Fd.pty({ echo })
        yield* Process.spawn(sh('read line; echo "<$line>"', on(Fd.give(pty))))
        yield* Stream.run(typed("wörd\r"), pty.input)
        expect(yield* text(pty.output)).toBe(echo ? "wörd\r\n<wörd>\r\n" : "<wörd>\r\n")
      }
    })
  )

  it.effect("is the controlling terminal: Ctrl-C, Ctrl-\\ and Ctrl-D reach its foreground", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const shell = yield* Expect.dialogue(pty, patience)
      for (const [key, status] of [
        ["\x03", { _tag: "Signaled", signal: "SIGINT" }],
        ["\x1c", { _tag: "Signaled", signal: "SIGQUIT" }],
        ["\x04", { _tag: "Exited", code: 0 }]
      ] as const) {
        const { exit } = yield* Process.spawn(sh("echo ready; exec cat", { ...on(pty), limits: { core: 0 } }))
        yield* shell.until("ready\r\n")
        yield* shell.send(key)
        expect((yield* exit).status).toMatchObject(status)
      }
    })
  )

  it.effect("lets a shell have jobs: stopped, continued in the foreground and interrupted", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const env = { PS1: "@ ", TERM: "dumb", HISTFILE: undefined }
      const bash = yield* Process.spawn(Command.make("bash", ["--norc", "-i"], { ...on(pty), env }))
      const shell = yield* Expect.dialogue(pty, patience)
      yield* shell.until("@ ")
      // The shell says which job it continues before that has the terminal.
      const job = "trap 'echo back' CONT; echo running; while :; do sleep 1000 & wait; done"
      yield* shell.send(`sh -c "${job}"\r`)
      yield* shell.until("running\r\n")
      yield* shell.send("\x1a")
      yield* shell.until(/Stopped.*@ /s)
      yield* shell.send("fg\r")
      yield* shell.until("back\r\n")
      yield* shell.send("\x03")
      yield* shell.until("@ ")
      yield* shell.send("exit 7\r")
      expect((yield* bash.exit).status).toEqual({ _tag: "Exited", code: 7 })
    })
  )

  it.effect("tells its foreground of a new size", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const script = "trap 'stty size' WINCH; echo ready; while :; do sleep 1000 & wait; done"
      yield* Process.spawn(sh(script, on(pty)))
      const shown = yield* Expect.make(pty.output, patience)
      yield* shown.until("ready\r\n")
      yield* pty.resize(100, 30)
      yield* shown.until("30 100\r\n")
      for (const [columns, rows, option] of [
        [0, 30, "columns"],
        [80, -1, "rows"],
        [65536, 1, "columns"],
        [80, 1.5, "rows"],
        [Number.NaN, 1, "columns"]
      ] as const) {
        expect(failure(yield* Effect.exit(pty.resize(columns, rows)))).toMatchObject({
          reason: { _tag: "InvalidArgument", option }
        })
        expect(failure(yield* Effect.exit(Fd.pty({ columns, rows })))).toMatchObject({
          reason: { _tag: "InvalidArgument", option }
        })
      }
      yield* pty.resize(65535, 65535)
      yield* shown.until("65535 65535\r\n")
    })
  )

  it.effect("survives the processes that use it one after the other", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const shown = yield* Expect.make(pty.output, patience)
      for (const life of ["first", "second", "third"]) {
        const process = yield* Process.spawn(sh(`echo ${life} >/dev/tty`, on(pty)))
        yield* shown.until(`${life}\r\n`)
        yield* process.ended
      }
      yield* Fd.close(pty)
      expect(yield* shown.rest()).toBe("")
    })
  )

  it.effect("is the controlling terminal of one process at a time, and the error says what to do", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const first = yield* Process.spawn(Command.make("sleep", ["1000"], on(pty)))
      const second = sh("(exec </dev/tty) 2>/dev/null || echo has none", on(pty))
      const refused = failure(yield* Effect.exit(Process.spawn(second)))
      expect(refused).toMatchObject({
        _tag: "SpawnError",
        step: "terminal",
        errno: "EPERM",
        reason: { _tag: "TerminalUnavailable", use: "controllingTerminal" }
      })
      expect(refused?.message).toContain("start this one with `controllingTerminal: false`")
      yield* Process.spawn(Command.controllingTerminal(second, false))
      const shown = yield* Expect.make(pty.output, patience)
      yield* shown.until(/has none\r\n/)
      yield* first.stop()
      const third = yield* Process.spawn(sh("exec </dev/tty", on(pty)))
      expect((yield* third.exit).status).toEqual({ _tag: "Exited", code: 0 })
    })
  )

  it.effect("is no controlling terminal of what is not a terminal, nor outside of a session of its own", () =>
    Effect.gen(function* () {
      const asked = Command.make("true").pipe(Command.controllingTerminal(true))
      expect(failure(yield* Effect.exit(Process.spawn(asked)))).toMatchObject({
        step: "terminal",
        reason: { _tag: "TerminalUnavailable" }
      })
      expect(failure(yield* Effect.exit(Process.spawn(Command.session(asked, "group"))))).toMatchObject({
        reason: { _tag: "InvalidArgument", option: "controllingTerminal" }
      })
      const pty = yield* Fd.pty()
      const { exit } = yield* Process.spawn(sh("exec </dev/tty", { ...on(Fd.give(pty)), session: "group" }))
      expect((yield* exit).status).not.toEqual({ _tag: "Exited", code: 0 })
    })
  )

  it.effect("that nobody looks at any more is no reason to end", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const { exit } = yield* Process.spawn(sh("echo first; read line; seq 1 200000", on(pty)))
      expect(yield* text(pty.output.pipe(Stream.take(1)))).toBe("first\r\n")
      yield* Stream.run(typed("\r"), pty.input)
      expect((yield* exit).status).toEqual({ _tag: "Exited", code: 0 })
    })
  )

  it.effect("hangs up when its scope closes, and cannot be used any more", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pty = yield* Scope.provide(Fd.pty(), scope)
      const { exit } = yield* Process.spawn(Command.make("sleep", ["1000"], on(pty)))
      yield* Scope.close(scope, Exit.void)
      expect((yield* exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGHUP" })
      expect(existsSync(pty.path)).toBe(false)
      const input = failure(yield* Effect.exit(Stream.run(typed("x"), pty.input)))
      expect(input).toMatchObject({ reason: { _tag: "DescriptorGone" } })
      const again = failure(yield* Effect.exit(Process.spawn(Command.make("true", [], on(pty)))))
      expect(again).toMatchObject({ reason: { _tag: "Descriptor", descriptor: 0 } })
      expect(failure(yield* Effect.exit(pty.resize(80, 25)))).toMatchObject({ reason: { _tag: "DescriptorGone" } })
      expect(yield* text(pty.output)).toBe("")
    })
  )

  it.effect("leaves nothing behind when its scope closes: descriptors, relays, its path", () =>
    Effect.gen(function* () {
      const keeper = Proc.families()[0]?.keeper ?? 0
      const open = Effect.as(Process.exitStatus(sh("true", {})), readdirSync(`/proc/${keeper}/fd`).length)
      const paths: Array<string> = []
      const once = Effect.scoped(
        Effect.gen(function* () {
          const pty = yield* Fd.pty()
          paths.push(pty.path)
          yield* Process.spawn(sh("echo x; exec sleep 1000", on(pty)))
          yield* Stream.runDrain(pty.output.pipe(Stream.take(1)))
        })
      )
      yield* once
      const before = yield* open
      expect(yield* leftOpen(once)).toEqual([])
      yield* Effect.promise(() => until("see the relays gone", () => relays(keeper).length === 0))
      expect(yield* open).toBe(before)
      expect(paths.filter((path) => existsSync(path))).toEqual([])
    })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("a pty whose relay is killed", (it) => {
  it.effect("is lost, which is said, and hangs up; another one can be made", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const { exit } = yield* Process.spawn(sh("echo ready; exec sleep 1000", on(pty)))
      const shown = yield* Expect.make(pty.output, patience)
      yield* shown.until("ready\r\n")
      const [relay] = relays(Proc.families()[0]?.keeper ?? 0)
      Proc.kill(relay ?? 0)
      expect(failure(yield* Effect.exit(shown.rest()))).toMatchObject({ _tag: "KeeperLost", helper: "relay" })
      expect((yield* exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGHUP" })
      expect(failure(yield* Effect.exit(pty.resize(1, 1)))).toMatchObject({ reason: { _tag: "DescriptorGone" } })
      expect(failure(yield* Effect.exit(Process.spawn(sh("true", on(pty)))))).toMatchObject({
        reason: { _tag: "Descriptor", descriptor: 0 }
      })
      const another = yield* Fd.pty()
      yield* Process.spawn(sh("echo anew", on(Fd.give(another))))
      expect(yield* text(another.output)).toBe("anew\r\n")
    })
  )

  it.effect("that was stopped goes on instead", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      const [relay] = relays(Proc.families()[0]?.keeper ?? 0).toReversed()
      process.kill(relay ?? 0, "SIGSTOP")
      yield* Process.spawn(sh("echo through", on(Fd.give(pty))))
      expect(yield* text(pty.output)).toBe("through\r\n")
    })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("a pty whose keeper is killed", (it) => {
  it.effect("is lost, which is said", () =>
    Effect.gen(function* () {
      const pty = yield* Fd.pty()
      yield* Process.spawn(sh("exec sleep 1000", on(pty)))
      Proc.kill(Proc.families()[0]?.keeper ?? 0)
      expect(failure(yield* Effect.exit(text(pty.output)))).toMatchObject({ _tag: "KeeperLost", helper: "keeper" })
      expect(failure(yield* Effect.exit(pty.resize(1, 1)))).toMatchObject({ _tag: "KeeperLost" })
      expect(failure(yield* Effect.exit(Stream.run(typed("x"), pty.input)))).toMatchObject({ _tag: "KeeperLost" })
    })
  )
})

layer(Nursery.layerPortable, { excludeTestServices: true })("a pty without a keeper", (it) => {
  it.effect("cannot be made, and no terminal controls anything, which is said", () =>
    Effect.gen(function* () {
      expect(failure(yield* Effect.exit(Fd.pty()))).toMatchObject({ reason: { _tag: "Unsupported", feature: "Fd" } })
      const asked = Command.make("true").pipe(Command.controllingTerminal(true))
      expect(failure(yield* Effect.exit(Process.spawn(asked)))).toMatchObject({
        reason: { _tag: "Unsupported", feature: "controllingTerminal" }
      })
    })
  )
})

const isThere = (program: string): boolean => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/**
 * What each shows at first, what more where there is more room, and the keys that end it. Two of them get 100 lines to show. A key for
 * drawing again, too: not all of them look at a new size that they are told of while they draw. But top takes keys that come at once for
 * one that it does not know.
 */
const programs = [
  ["vi", "vim-tiny", "line 20", "\x0c", "line 37", ":q!\r"],
  ["less", "less", "line 20", "\x0c", "line 37", "q"],
  ["top", "procps", "load average", "", "load average", "q"]
] as const

layer(Nursery.layer, { excludeTestServices: true })("a program for the whole screen", (it) => {
  for (const [program, debian, first, again, more, keys] of programs) {
    const missing = isThere(program) ? "" : ` (skipped: ${program} is not installed, apt install ${debian})`
    it.effect.skipIf(missing !== "")(`draws, is resized and ends by its keys: ${program}${missing}`, () =>
      Effect.gen(function* () {
        const file = join(temporary(), "lines")
        writeFileSync(file, Array.from({ length: 100 }, (_, index) => `line ${index + 1}\n`).join(""))
        const pty = yield* Fd.pty()
        const args = program === "top" ? [] : [file]
        const { exit } = yield* Process.spawn(Command.make(program, args, { ...on(pty), env: screen }))
        const dialogue = yield* Expect.dialogue(pty, patience)
        yield* dialogue.until(first)
        yield* pty.resize(100, 40)
        yield* dialogue.send(again)
        yield* dialogue.until(more)
        yield* dialogue.send(keys)
        expect((yield* exit).status).toEqual({ _tag: "Exited", code: 0 })
      })
    )
  }
})
