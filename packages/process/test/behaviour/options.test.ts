/** What the options of a command do to the process. */
import { chmodSync, realpathSync, writeFileSync } from "node:fs"
import { inspect } from "node:util"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Command from "../../src/Command.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"
import { onEveryWay, sh } from "./setup.ts"

/** `proc_pid_stat(5)`: process group and session. */
const groupAndSession = (stat: string): ReadonlyArray<number> =>
  stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(2, 4)
    .map(Number)

onEveryWay("the option", (it, way) => {
  it.effect("cwd is where the process starts, and where a relative program is", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const folder = realpathSync(stage.folder)
      writeFileSync(`${folder}/here`, "#!/bin/sh\npwd\n")
      chmodSync(`${folder}/here`, 0o755)
      expect(yield* Process.string(Command.make("./here", [], { cwd: folder }))).toBe(`${folder}\n`)
      expect(yield* Process.string(Command.make("pwd"))).toBe(`${process.cwd()}\n`)
    })
  )

  it.effect("env adds, changes and removes, and shows secrets to the process alone", () =>
    Effect.gen(function* () {
      process.env["NURSERY_KEPT"] = "kept"
      process.env["NURSERY_REMOVED"] = "there"
      const env = { NURSERY_ADDED: "a b=c\n", NURSERY_REMOVED: undefined, NURSERY_SECRET: Redacted.make("hunter2") }
      const script = 'echo "$NURSERY_KEPT|$(printenv NURSERY_REMOVED)|$NURSERY_ADDED|$NURSERY_SECRET"'
      expect(yield* Process.string(sh(script).pipe(Command.env(env)))).toBe("kept||a b=c\n|hunter2\n")
      delete process.env["NURSERY_KEPT"]
      delete process.env["NURSERY_REMOVED"]
    })
  )

  it.effect("env sees what has changed in this program since the last start", () =>
    Effect.gen(function* () {
      for (const value of ["one", "two"]) {
        process.env["NURSERY_CHANGED"] = value
        expect(yield* Process.string(sh("echo $NURSERY_CHANGED"))).toBe(`${value}\n`)
      }
      delete process.env["NURSERY_CHANGED"]
      expect(yield* Process.string(sh("printenv NURSERY_CHANGED; true"))).toBe("")
    })
  )

  it.effect("clearEnv leaves nothing but env", () =>
    Effect.gen(function* () {
      const command = Command.make("/usr/bin/env", [], { clearEnv: true, env: { ONLY: "this" } })
      expect(yield* Process.string(command)).toBe("ONLY=this\n")
    })
  )

  it.effect("env decides by its PATH where the program is looked for", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      writeFileSync(`${stage.folder}/ls`, "#!/bin/sh\necho mine\n")
      chmodSync(`${stage.folder}/ls`, 0o755)
      const path = `${stage.folder}:/usr/bin:/bin`
      expect(yield* Process.string(Command.make("ls", [], { env: { PATH: path } }))).toBe("mine\n")
    })
  )

  it.effect("shell runs a script", () =>
    Effect.gen(function* () {
      const script = "for i in 1 2; do echo $i; done | tac"
      expect(yield* Process.string(Command.make(script, [], { shell: true }))).toBe("2\n1\n")
      expect(yield* Process.string(Command.make("echo $0", [], { shell: "/bin/sh" }))).toBe("/bin/sh\n")
      expect(yield* Process.string(Command.make("echo $0", [], { shell: "sh" }))).toBe("sh\n")
    })
  )

  it.effect("shell: false makes nothing of shell syntax", () =>
    Effect.gen(function* () {
      const words = ["*", "$HOME", "a b", "'", '"', "", "ä€😀", "-n", "\\"]
      const script = 'for word; do printf "%s|" "$word"; done'
      expect(yield* Process.string(Command.make("/bin/sh", ["-c", script, "sh", ...words]))).toBe(`${words.join("|")}|`)
    })
  )

  it.effect("args may be secrets, which reach the process and no message", () =>
    Effect.gen(function* () {
      const secret = Redacted.make("hunter2")
      expect(yield* Process.string(Command.make("echo", [secret]))).toBe("hunter2\n")
      const error = yield* Effect.flip(Process.string(Command.make("/bin/sh", ["-c", "exit 1", secret])))
      expect(`${error.message}${inspect(error, { depth: 9 })}`).not.toContain("hunter2")
      expect(error.message).toContain("<redacted>")
    })
  )

  it.effect.skipIf(way.lacks.has("umask"))("umask is the mask of the process, else that of this program", () =>
    Effect.gen(function* () {
      expect(yield* Process.string(sh("umask").pipe(Command.umask(0o27)))).toBe("0027\n")
      const own = process.umask().toString(8).padStart(4, "0")
      expect(yield* Process.string(sh("umask"))).toBe(`${own}\n`)
    })
  )

  it.effect("session decides which session and group the process belongs to", () =>
    Effect.gen(function* () {
      const [ownGroup, ownSession] = groupAndSession(
        yield* Process.string(Command.make("cat", [`/proc/${process.pid}/stat`]))
      )
      const stat = Command.make("cat", ["/proc/self/stat"])
      const parse = (text: string) => ({ pid: Number.parseInt(text, 10), ids: groupAndSession(text) })
      const fresh = parse(yield* Process.string(stat))
      expect(fresh.ids).toEqual([fresh.pid, fresh.pid])
      const owner = parse(yield* Process.string(stat.pipe(Command.session("owner"))))
      expect(owner.ids).toEqual([ownGroup, ownSession])
      if (way.lacks.has("sessionGroup")) return
      const group = parse(yield* Process.string(stat.pipe(Command.session("group"))))
      expect(group.ids).toEqual([group.pid, ownSession])
    })
  )

  it.effect("containment group is there too, and ends the group with the scope", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const play = stage.play("fork { say child sleep } say leader sleep").pipe(Command.containment("group"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(play)
          const [child] = yield* stage.hears("child", "leader")
          expect((yield* process.descendants).map(({ pid }) => pid)).toEqual([child])
        })
      )
      expect(stage.canary.isHeld()).toBe(false)
    })
  )
})
