/** The promises hold wherever the owner runs: in worker threads, nested, as the first process of a namespace. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Escapees from "../support/escapees.ts"
import * as Owner from "../support/owner.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

const SIGUSR2 = 12
const SIGKILL = 9
const escaped = Object.keys(Escapees.all).map(() => "escaped")

describe.concurrent("a nursery in a worker thread", () => {
  /** What is below the owner, when all that shall end has ended. */
  const rest = (pid: number, isExpected: (entry: Proc.Entry) => boolean) =>
    Effect.promise(() =>
      until(
        "see everything end",
        () => Proc.below(pid).every(isExpected),
        () => Proc.show(Proc.below(pid)).join(", ")
      )
    )

  it.live("leaves nothing when it is closed, while the program lives on", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "worker.ts", ["return"])
      const [pid = 0] = yield* stage.hears("ready", ...escaped)
      owner.kill(SIGUSR2, "owner")
      yield* stage.hears("gone")
      expect(Proc.show(Proc.below(pid))).toEqual([])
      owner.kill(SIGKILL, "owner")
      expect(yield* owner.ended).toMatchObject({ left: [], collected: [] })
      expect(stage.left()).toEqual([])
    })
  )

  for (const how of ["exit", "throw", "terminate"]) {
    it.live(`has everything dead when the thread ends by ${how}, while the program lives on`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* Owner.start(stage, "worker.ts", [how])
        const [pid = 0] = yield* stage.hears("ready", ...escaped)
        owner.kill(SIGUSR2, "owner")
        yield* stage.hears("gone")
        // With the thread goes the only one in the program who could collect the guard.
        yield* rest(pid, ({ name, state }) => name === "nursery-guard" && state === "Z")
        owner.kill(SIGKILL, "owner")
        const report = yield* owner.ended
        expect(report.left).toEqual([])
        expect(report.collected.map(({ name, status }) => `${name} ${status}`)).toEqual(["nursery-guard 0"])
        expect(stage.left()).toEqual([])
      })
    )
  }
})

describe.concurrent("a program", () => {
  it.live("ends by itself when nothing is running, though its nursery is open", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "quiet.ts")
      yield* stage.hears("done")
      const report = yield* owner.ended
      expect(report).toMatchObject({ status: 0, left: [] })
      expect(report.collected.map(({ name }) => name)).toEqual(["nursery-guard"])
      expect(stage.left()).toEqual([])
    })
  )

  it.live("that leaves by process.exit in the middle of a hundred spawns leaves nothing", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "burst.ts")
      const report = yield* owner.ended
      expect(report).toMatchObject({ status: 5, left: [] })
      expect(report.collected.map(({ name }) => name)).toEqual(["nursery-guard"])
      expect(stage.left()).toEqual([])
    })
  )
})

describe("several nurseries in one program", () => {
  it.live("do not know each other", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const other = yield* Stage.make
      const [firstScope, secondScope] = [yield* Scope.make(), yield* Scope.make()]
      const open = (scope: Scope.Scope) => Layer.buildWithScope(Layer.fresh(Nursery.layer), scope)
      const start = (stage: Stage.Stage, scope: Scope.Scope) =>
        Effect.gen(function* () {
          const process = yield* Effect.provide(
            Process.spawn(stage.play(Escapees.all["a chain of sessions"])),
            yield* open(scope)
          )
          yield* stage.hears("escaped")
          return process
        }).pipe(Scope.provide(scope))
      const first = yield* start(stage, firstScope)
      const second = yield* start(other, secondScope)
      expect(Proc.families().length).toBe(2)
      yield* Effect.sync(() => process.kill(Proc.families()[0]?.keeper ?? 0, "SIGKILL"))
      yield* first.ended
      expect(Proc.marked(stage.mark)).toEqual([])
      expect(yield* second.isRunning).toBe(true)
      yield* Scope.close(firstScope, Exit.void)
      expect(yield* second.isRunning).toBe(true)
      yield* Scope.close(secondScope, Exit.void)
      expect(other.left()).toEqual([])
      expect(Proc.families()).toEqual([])
    })
  )
})

describe("a child that is itself a program with a nursery", () => {
  const program = join(import.meta.dirname, "../support/programs/family.ts")
  const start = (stage: Stage.Stage) =>
    Effect.gen(function* () {
      const command = stage.command(process.execPath, [program, "never"])
      const child = yield* Process.spawn(command.pipe(Command.stop({ grace: "5 seconds" })))
      yield* stage.hears("ready", ...escaped)
      return child
    })

  it.live("ends with all that it started when the scope closes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(start(stage))
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("ends with all that it started when it is killed", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const child = yield* start(stage)
      yield* child.signal("SIGKILL")
      yield* child.exit
      yield* child.ended
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

/** A pid namespace, whose first process is the owner. */
const unshare = [
  "unshare",
  ...(Owner.isPrivileged ? [] : ["--user", "--map-root-user"]),
  "--pid",
  "--fork",
  "--mount-proc"
]
const [program = "", ...flags] = unshare
const isThere = spawnSync(program, [...flags, "true"]).status === 0

describe.skipIf(!isThere).concurrent("the first process of a pid namespace", () => {
  it.live("leaves nothing behind, and no zombies to collect", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "first.ts", [], { under: unshare })
      yield* stage.hears("ready", ...escaped)
      const first = Proc.below(yield* Effect.promise(() => owner.started))[0]
      owner.kill(SIGUSR2, first?.pid ?? 0)
      const report = yield* owner.ended
      expect(owner.output).toBe("pid 1, others in its scope: none\nothers after its nursery: none\n")
      expect(report).toMatchObject({ status: 0, left: [], collected: [] })
      expect(stage.left()).toEqual([])
    })
  )

  it.live("may reuse the pid of a dead leader: no signal reaches the stranger", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "reuse.ts", [], { under: unshare })
      const report = yield* owner.ended
      expect(owner.output).toBe("reached: false, false, false\nthe stranger lives\n")
      expect(report).toMatchObject({ status: 0, left: [], collected: [] })
    })
  )
})

describe("a child that steals the descriptors of its owner", () => {
  it.live("does not hide the owner's death", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* Owner.start(stage, "play.ts", ["steal fork { setsid say escaped sleep } say ready sleep"])
      yield* stage.hears("ready", "ready", "escaped")
      owner.kill(SIGKILL, "owner")
      expect(yield* owner.ended).toMatchObject({ status: -SIGKILL, left: [] })
      expect(stage.left()).toEqual([])
    })
  )
})
