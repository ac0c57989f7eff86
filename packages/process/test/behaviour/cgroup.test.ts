/** What level `cgroup` tells and limits, on real processes. What needs controllers that are not here is in `test/vm`. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Place from "../../src/internal/cgroup/place.ts"
import * as Way from "../../src/internal/cgroup/way.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Cgroups from "../support/cgroups.ts"
import * as Levels from "../support/levels.ts"
import * as Stage from "../support/stage.ts"

const without = Levels.because("cgroup")
const inCgroup = Command.containment("cgroup")
const place = Place.find()

describe.skipIf(without !== "")(`a process in a cgroup${without}`, () => {
  it.live("tells what it and all that it started have used, while it runs and at the end", () =>
    Effect.gen(function* () {
      const script = "(n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done) & wait; echo done; read line"
      const process = yield* Process.spawn(
        Command.make("sh", ["-c", script], { stdin: "pipe", stdout: "pipe" }).pipe(inCgroup)
      )
      // The line is written when the other process has been waited for.
      const running = yield* process.usage
      expect(running.cgroup?.oomKills).toBe(0)
      const tree = yield* process.treeUsage
      expect(tree).toMatchObject({ source: "cgroup" })
      expect(tree.processes).toBeGreaterThanOrEqual(1)
      yield* process.signal("SIGTERM", { to: "tree" })
      const exit = yield* process.exit
      yield* process.ended
      const { cgroup } = yield* process.usage
      const used = (
        one: { readonly userTime: Duration.Duration; readonly systemTime: Duration.Duration } | undefined
      ) => (one === undefined ? 0 : Duration.toMillis(one.userTime) + Duration.toMillis(one.systemTime))
      expect(used(exit.usage.cgroup)).toBeGreaterThan(0)
      expect(used(cgroup)).toBeGreaterThanOrEqual(used(running.cgroup))
      expect((yield* process.treeUsage).source).toBe("cgroup")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("tells what it has to wait for, of its own group as long as that is there", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("sleep", ["1000"]).pipe(inCgroup))
      const { source } = yield* process.pressure
      // A kernel without pressure figures has none of a group either.
      expect(["cgroup", "system"]).toContain(source)
      yield* process.stop({ grace: 0 })
      expect((yield* process.pressure).source).toBe("system")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  for (const [limit, value] of [
    ["memory.max", "1 GiB"],
    ["cpu.max", 1],
    ["io.weight", 100],
    ["pids.max", 1000]
  ] as const) {
    const controller = limit.slice(0, limit.indexOf("."))
    const problem = place._tag === "Place" ? Way.problemOf(place, controller) : place.problem
    const why = problem === undefined ? " (skipped: it can be had here)" : ""
    it.live.skipIf(problem === undefined)(`is refused ${limit} with the reason where it cannot be had${why}`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const play = stage.play("say started").pipe(inCgroup, Command.limits({ [limit]: value }))
        const error = yield* Effect.flip(Process.spawn(play))
        expect(error).toMatchObject({ step: "limits", reason: { _tag: "Limits", limit, problem } })
        expect(error.message).toContain(`cannot set the limit ${limit}`)
        expect(stage.left()).toEqual([])
        expect(Cgroups.ofProcesses()).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
    )
  }
})

it.live("a process without a group tells the pressure of the machine", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(Command.make("sleep", ["1000"]))
    expect((yield* process.pressure).source).toBe("system")
    expect((yield* process.usage).cgroup).toBe(undefined)
  }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
)

it.live("a limit of a group is refused before anything starts where there is no group", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(
      Process.spawn(Command.make("true").pipe(Command.limits({ "memory.max": "1 GiB" })))
    )
    expect(error).toMatchObject({
      step: "request",
      reason: { _tag: "InvalidArgument", option: 'limits["memory.max"]' }
    })
    expect(error.message).toContain('containment "cgroup"')
  }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
)
