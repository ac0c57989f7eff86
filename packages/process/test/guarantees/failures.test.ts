/** A spawn fails at any of its steps: a typed error says which, and nothing of the attempt is left. */

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Stdio from "../../src/Stdio.ts"
import * as Levels from "../support/levels.ts"
import * as Owner from "../support/owner.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"

/** Each is tried this often, so that what one attempt leaves would show. */
const ATTEMPTS = 25

type Attempt = readonly [step: string, reason: string, command: Command.Plain]

const withoutCgroups: Attempt = ["containment", "Containment", Command.make("true", [], { containment: "cgroup" })]

const attempts = (stage: Stage.Stage): { readonly [what: string]: Attempt } => {
  const file = (name: string, text: string): string => {
    const path = join(stage.folder, name)
    writeFileSync(path, text, { mode: 0o755 })
    return path
  }
  const directory = join(stage.folder, "directory")
  mkdirSync(directory)
  const large = "x".repeat(200_000)
  return {
    "a NUL in an argument": ["request", "InvalidArgument", Command.make("true", ["a\0b"])],
    // Not where it is there.
    ...(Levels.because("cgroup") === "" ? undefined : { "a level that is not there": withoutCgroups }),
    "a file that cannot be read": [
      "descriptor",
      "Descriptor",
      Command.make("true", [], { stdin: Stdio.read("/no/such/file"), stdout: "pipe" })
    ],
    "a directory as stdout": [
      "descriptor",
      "Descriptor",
      Command.make("true", [], { stdin: "pipe", stdout: Stdio.append(directory) })
    ],
    "a working directory that is not there": [
      "cwd",
      "WorkingDirectory",
      Command.make("true", [], { cwd: "/no/such/directory", stdout: "pipe" })
    ],
    "a program that is not there": ["exec", "ProgramNotFound", stage.command("/no/such/program", [])],
    "a program that is not on PATH": ["exec", "ProgramNotFound", stage.command("no-such-program", [])],
    "a directory as program": ["exec", "NotExecutable", stage.command(directory, [])],
    "a file that is no program": ["exec", "NotExecutable", stage.command(file("text", "no program\n"), [])],
    "an interpreter that is not there": [
      "exec",
      "InterpreterNotFound",
      stage.command(file("script", "#!/no/such/interpreter\n"), [])
    ],
    "an argument that is too large": [
      "exec",
      "InvalidArgument",
      Command.make("true", [large], { stdin: "pipe", stdout: "pipe" })
    ]
  }
}

const tables = () => {
  const [family] = Proc.families()
  return {
    owner: Proc.descriptors(),
    keeper: Proc.descriptors(family?.keeper),
    family: { guard: family?.guard, keeper: family?.keeper }
  }
}

describe("a failed spawn", () => {
  it.live("names its step and reason, and leaves all tables as they were", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const all = Object.entries(attempts(stage))
      // Errors are explained by looking at files, which opens descriptors of Node's own the first time.
      for (const [, [, , command]] of all) yield* Effect.flip(Process.exitStatus(command))
      const before = tables()
      for (const level of ["tree", "group"] as const) {
        for (const [what, [step, reason, command]] of all) {
          const atLevel = reason === "Containment" ? command : command.pipe(Command.containment(level))
          const errors = yield* Effect.all(
            Array.from({ length: ATTEMPTS }, () => Effect.flip(Process.exitStatus(atLevel))),
            { concurrency: 5 }
          )
          for (const error of errors) {
            expect(error, what).toMatchObject({ _tag: "SpawnError", step, reason: { _tag: reason } })
          }
        }
      }
      expect(yield* Process.exitStatus(Command.make("true"))).toMatchObject({ _tag: "Exited", code: 0 })
      expect(tables()).toEqual(before)
      expect(stage.left()).toEqual([])
      expect(yield* Nursery.processes).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

/** `exhaust.ts` says what it found. */
const exhausted = (what: string, options: Owner.Options) =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const owner = yield* Owner.start(stage, "exhaust.ts", [what], options)
    const report = yield* owner.ended
    expect(owner.output).toBe("typed errors only, tables as before, and the nursery works\n")
    expect(report).toMatchObject({ status: 0, left: [], collected: [] })
    expect(stage.left()).toEqual([])
  })

const withLimit = (descriptors: number) => ["sh", "-c", `ulimit -n ${descriptors} && exec "$@"`, "sh"]

describe.concurrent("running out of", () => {
  it.live("descriptors in the owner fails the spawn, which leaves nothing", () =>
    exhausted("owner", { under: withLimit(64) })
  )

  it.live("descriptors in keeper and owner fails some of many spawns, which leave nothing", () =>
    exhausted("keeper", { under: withLimit(64) })
  )

  it.live.skipIf(Owner.ordinaryProblem() !== undefined)(
    "processes fails some of many spawns, which leave nothing",
    () =>
      // Root has no such limit. Other tests of the same user start processes too, so there is room for more than the program needs.
      exhausted("processes", { ordinary: true, processes: 200 })
  )
})
