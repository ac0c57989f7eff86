/**
 * Run in a terminal: starts processes in its foreground, one after the other as its arguments say, and tells of each how it ended, and
 * whether this program has the terminal then.
 */
import { readFileSync, readSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { failure } from "../../terminal/support.ts"
import * as Proc from "../proc.ts"

/** `proc_pid_stat(5)`: whether the foreground process group of the terminal is that of this program. */
const isInFront = (): boolean => {
  const line = readFileSync("/proc/self/stat", "latin1")
  const [, , group, , , front] = line.slice(line.lastIndexOf(")") + 2).split(" ")
  return group === front
}

const say = (name: string, what: string): Effect.Effect<void> =>
  Effect.sync(() => console.log(`${name}: ${what}, ${isInFront() ? "here" : "elsewhere"}`))

const shell = (script: string, program = "sh") =>
  Command.make(program, ["-c", script], { stdin: "inherit", foreground: true, limits: { core: 0 } })

const shown = ({ status }: { readonly status: object }): string => Object.values(status).slice(0, 2).join(" ")

const errorOf = (exit: Exit.Exit<unknown, { readonly _tag: string }>): string => {
  const error = failure(exit)
  return error === undefined ? "no error" : "reason" in error ? JSON.stringify(error.reason) : error._tag
}

type Scenario = Effect.Effect<string, unknown, Nursery.Nursery | Scope.Scope>

const runs = (script: string): Scenario =>
  Effect.flatMap(Process.spawn(shell(script)), ({ exit }) => Effect.map(exit, shown))

const sleeping = Process.spawn(shell("exec sleep 1000"))

const killing = (who: (family: Proc.Family | undefined) => number | undefined): Scenario =>
  Effect.gen(function* () {
    const { ended, exit, pid } = yield* sleeping
    const reaper = Proc.entryOf(pid)?.parent
    const family = Proc.families()[0]
    Proc.kill(who(family === undefined || reaper === undefined ? family : { ...family, reapers: [reaper] }) ?? 0)
    const lost = yield* Effect.exit(exit)
    yield* ended
    return errorOf(lost)
  })

const scenarios: Readonly<Record<string, Scenario>> = {
  exit: runs("exit 3"),
  keys: runs("echo ready; exec cat"),
  crash: runs("stty raw -echo; kill -9 $$"),
  kept: runs("stty -echo"),
  // A job of its own has the terminal when it is killed.
  jobs: Effect.gen(function* () {
    const { exit, pid } = yield* Process.spawn(shell("set -m; sh -c 'kill -9 $PPID; exec sleep 1000'; true", "bash"))
    return `${pid > 0} ${shown(yield* exit)}`
  }),
  missing: Effect.map(
    Effect.exit(Process.spawn(Command.make("no-such-program", [], { stdin: "inherit", foreground: true }))),
    (exit) => errorOf(exit).slice(0, 25)
  ),
  second: Effect.gen(function* () {
    yield* sleeping
    return errorOf(yield* Effect.exit(sleeping))
  }),
  refused: Effect.map(Effect.exit(sleeping), errorOf),
  scope: Effect.as(Effect.scoped(sleeping), "closed"),
  stop: runs("trap 'echo back; exit 5' CONT; echo running; while :; do sleep 1000 & wait; done"),
  reaper: killing((family) => family?.reapers[0]),
  keeper: killing((family) => family?.keeper),
  raw: runs(`stty raw -echo; echo ${process.pid} is ready; exec sleep 1000`)
}

const line = Effect.sync(() => {
  const bytes = Buffer.alloc(100)
  return bytes.toString("utf8", 0, readSync(0, bytes)).trim()
})

const modes = Effect.map(
  Process.string(Command.make("stty", ["-a"], { stdin: "inherit" })),
  (text) => `${/-?icanon/.exec(text)} ${/-?echo\b/.exec(text)}`
)

const main = Effect.gen(function* () {
  for (const name of process.argv.slice(2)) {
    const scenario = scenarios[name] ?? (name === "line" ? line : modes)
    yield* say(name, yield* Effect.scoped(scenario))
  }
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(main)
