/** Processes that take over the terminal of this program: it comes back whatever happens. */
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Command from "../../src/Command.ts"
import * as Expect from "../../src/Expect.ts"
import * as Fd from "../../src/Fd.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Proc from "../support/proc.ts"
import { failure, on, patience, screen } from "./support.ts"

const program = join(import.meta.dirname, "../support/programs/foreground.ts")

const env = { ...screen, TERM: "dumb", PS1: "@ ", HISTFILE: undefined }

/** The owner, in a terminal of its own. */
const owner = (...scenarios: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const pty = yield* Fd.pty()
    const { exit } = yield* Process.spawn(Command.make(process.execPath, [program, ...scenarios], { ...on(pty), env }))
    return { exit, terminal: yield* Expect.dialogue(pty, patience) }
  })

/** The owner as a job of a shell, which is at its prompt before. */
const job = (...scenarios: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const pty = yield* Fd.pty({ columns: 1000 })
    yield* Process.spawn(Command.make("bash", ["--norc", "-i"], { ...on(pty), env }))
    const terminal = yield* Expect.dialogue(pty, patience)
    yield* terminal.until("@ ")
    yield* terminal.send(`${process.execPath} ${program} ${scenarios.join(" ")}\r`)
    return terminal
  })

layer(Nursery.layer, { excludeTestServices: true })("a process in the foreground", (it) => {
  it.effect("gives the terminal back when it exits, crashes, cannot be started, is stopped or loses its helpers", () =>
    Effect.gen(function* () {
      const { exit, terminal } = yield* owner(
        ...["exit", "crash", "modes", "jobs", "missing", "scope", "second", "reaper", "keeper", "exit", "line"]
      )
      yield* terminal.until("exit: Exited 3, here")
      yield* terminal.until("crash: Signaled SIGKILL, here")
      yield* terminal.until("modes: icanon echo, here")
      yield* terminal.until("jobs: true Signaled SIGKILL, here")
      yield* terminal.until('missing: {"_tag":"ProgramNotFound", here')
      yield* terminal.until("scope: closed, here")
      const { captures } = yield* terminal.until(/second: (.*), here/)
      expect(captures[0]).toContain('"_tag":"TerminalUnavailable","use":"foreground"')
      expect(captures[0]).toContain("another process has it")
      yield* terminal.until("reaper: KeeperLost, here")
      yield* terminal.until("keeper: KeeperLost, here")
      yield* terminal.until("exit: Exited 3, here")
      yield* terminal.send("a word\r")
      yield* terminal.until("line: a word, here")
      expect((yield* exit).status).toEqual({ _tag: "Exited", code: 0 })
    })
  )

  it.effect("gets the keys that are signals, and this program does not; what it has set on purpose stays", () =>
    Effect.gen(function* () {
      const { exit, terminal } = yield* owner("keys", "kept", "modes")
      yield* terminal.until("ready\r\n")
      yield* terminal.send("\x03")
      yield* terminal.until("keys: Signaled SIGINT, here")
      yield* terminal.until("kept: Exited 0, here")
      yield* terminal.until("modes: icanon -echo, here")
      expect((yield* exit).status).toEqual({ _tag: "Exited", code: 0 })
    })
  )

  it.effect("that is stopped by Ctrl-Z goes on where there is no shell that could continue it", () =>
    Effect.gen(function* () {
      const { terminal } = yield* owner("stop")
      yield* terminal.until("running\r\n")
      yield* terminal.send("\x1a")
      yield* terminal.until("back\r\n")
      yield* terminal.until("stop: Exited 5, here")
    })
  )

  it.effect("that is stopped by Ctrl-Z stops this program too: the shell has the terminal, and continues both", () =>
    Effect.gen(function* () {
      const terminal = yield* job("stop", "line")
      yield* terminal.until("running\r\n")
      yield* terminal.send("\x1a")
      yield* terminal.until(/Stopped.*@ /s)
      yield* terminal.send("echo the she''ll\r")
      yield* terminal.until("the shell\r\n@ ")
      yield* terminal.send("fg\r")
      yield* terminal.until("back\r\n")
      yield* terminal.until("stop: Exited 5, here")
      yield* terminal.send("a word\r")
      yield* terminal.until("line: a word, here")
      yield* terminal.until("@ ")
    })
  )

  it.effect("goes on in the background when this program does, and takes no terminal away from a shell", () =>
    Effect.gen(function* () {
      const terminal = yield* job("stop", "refused")
      yield* terminal.until("running\r\n")
      yield* terminal.send("\x1a")
      yield* terminal.until(/Stopped.*@ /s)
      yield* terminal.send("bg\r")
      yield* terminal.until("back\r\n")
      yield* terminal.until("stop: Exited 5, elsewhere")
      const { captures } = yield* terminal.until(/refused: (.*), elsewhere/)
      expect(captures[0]).toContain("this program is in the background itself")
      yield* terminal.send("echo the she''ll\r")
      yield* terminal.until("the shell\r\n")
    })
  )

  it.effect("ends with this program, whose shell has its terminal again", () =>
    Effect.gen(function* () {
      const terminal = yield* job("raw")
      const { captures } = yield* terminal.until(/(\d+) is ready/)
      Proc.kill(Number(captures[0]))
      yield* terminal.until(/Killed.*@ /s)
      yield* terminal.send("stty -a | grep -o ' icanon'; echo the she''ll\r")
      yield* terminal.until("icanon\r\n")
      yield* terminal.until("the shell\r\n")
    })
  )

  it.effect("is refused where there is no terminal, and together with options that contradict it", () =>
    Effect.gen(function* () {
      const text = yield* Process.string(Command.make(process.execPath, [program, "refused"]))
      expect(text).toContain("this program has no controlling terminal")
      const asked = Command.make("true").pipe(Command.foreground(true))
      const problem = (command: Command.Command) =>
        Option.getOrUndefined(Result.getFailure(Command.validate(command)))?.option
      expect(problem(asked)).toBeUndefined()
      expect(problem(Command.session(asked, "group"))).toBeUndefined()
      expect(problem(Command.session(asked, "owner"))).toBe("session")
      expect(problem(Command.containment(asked, "group"))).toBe("containment")
      expect(problem(Command.controllingTerminal(asked, true))).toBe("controllingTerminal")
    })
  )
})

layer(Nursery.layerPortable, { excludeTestServices: true })("a process in the foreground, without a keeper", (it) => {
  it.effect("is refused", () =>
    Effect.gen(function* () {
      const refused = failure(yield* Effect.exit(Process.spawn(Command.make("true").pipe(Command.foreground(true)))))
      expect(refused).toMatchObject({ reason: { _tag: "Unsupported", feature: "foreground" } })
    })
  )
})
