/** What each level of containment ends, and what is said of those that are not there. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Cgroups from "../support/cgroups.ts"
import * as Escapees from "../support/escapees.ts"
import * as Levels from "../support/levels.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"

const soon = Command.stop({ grace: "100 millis" })
const inGroup = Command.containment("group")

describe("level group", () => {
  it.live("ends the process group when the scope closes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Process.spawn(
            stage.play("fork { fork { say ready sleep } ignore say ready sleep } say ready sleep").pipe(inGroup, soon)
          )
          yield* stage.hears("ready", "ready", "ready")
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("ends what its leader left in the group, also when that was killed", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(
            stage.play("fork { ignore say ready sleep } raise 9").pipe(inGroup, soon)
          )
          const exit = yield* process.exit
          expect(exit.status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
          yield* stage.hears("ready")
          expect(stage.canary.isHeld()).toBe(true)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("ends what left the group when the nursery ends", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const escapee = yield* Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Process.spawn(
              stage.play("fork { ignore setsid say escaped sleep } say ready sleep").pipe(inGroup, soon)
            )
            yield* stage.hears("escaped", "ready")
          })
        )
        const [only, ...others] = Proc.marked(stage.mark)
        expect(others).toEqual([])
        return only
      }).pipe(Effect.provide(Nursery.layer))
      // The level promises no more; that it was there shows that the end of the nursery did it.
      expect(escapee).toBeDefined()
      expect(stage.left()).toEqual([])
    })
  )

  it.live("serves all of them by one reaper", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const processes = yield* Effect.all(
            Array.from({ length: 50 }, () => Process.spawn(stage.play("sleep").pipe(inGroup))),
            { concurrency: "unbounded" }
          )
          const parents = new Set(processes.map(({ pid }) => Proc.entryOf(pid)?.parent))
          expect([...parents]).toEqual([Proc.families()[0]?.groupReaper])
          // Those that are kept ready for level tree, which come and go by themselves: not one for each.
          expect(Proc.families()[0]?.reapers.length).toBeLessThan(10)
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )
})

const withoutNamespaces = Levels.because("pid-namespace")
const inNamespace = Command.containment("pid-namespace")

describe.skipIf(withoutNamespaces !== "")(`level pid-namespace${withoutNamespaces}`, () => {
  it.live("ends everything, by whatever path it has escaped, when the scope closes", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.scoped(
        Effect.gen(function* () {
          const plays = Object.values(Escapees.all).map((words) => stage.play(words).pipe(inNamespace, soon))
          yield* Effect.all(plays.map((play) => Process.spawn(play)))
          yield* stage.hears(...plays.map(() => "escaped"))
        })
      )
      expect(stage.left()).toEqual([])
    }).pipe(Effect.provide(Nursery.layer))
  )

  it.live("tells pids that this program knows, and the exact status and usage", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("fork { say below sleep } say ready sleep").pipe(inNamespace, soon)
      )
      // Its own view of its number is the first one of the namespace.
      expect(yield* stage.hears("ready", "below")).toContain(2)
      expect(Proc.entryOf(process.pid)).toMatchObject({ name: stage.mark, parent: Proc.families()[0]?.inits[0] })
      expect((yield* process.descendants).map(({ name }) => name)).toEqual([stage.mark])
      expect((yield* Nursery.processes).map(({ pid }) => pid)).toEqual([process.pid])
      yield* process.signal("SIGTERM")
      expect((yield* process.exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGTERM" })
      yield* process.stop()
      const exit = yield* Process.spawn(stage.play("exit 7").pipe(inNamespace)).pipe(
        Effect.flatMap((other) => other.exit)
      )
      expect(exit.status).toMatchObject({ _tag: "Exited", code: 7 })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("gives the time of the stop policy, and to the rest of the tree too", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("fork { setsid say other sleep } ignore say ready sleep").pipe(inNamespace)
      )
      yield* stage.hears("other", "ready")
      const exit = yield* process.stop({ signal: "SIGTERM", grace: "50 millis", to: "tree" })
      expect(exit.status).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("withstands a process that kills all that it can reach, and what it is not alone with is unharmed", () =>
    Effect.gen(function* () {
      const bystander = yield* Process.spawn(Command.make("sleep", ["1000"]))
      const command = Command.make("/bin/sh", ["-c", "kill -9 1; kill -9 -1; kill -9 $PPID; exit 5"], {
        stderr: "null"
      })
      const exit = yield* Process.spawn(command.pipe(inNamespace)).pipe(Effect.flatMap((process) => process.exit))
      expect(["Exited", "Signaled"]).toContain(exit.status._tag)
      expect(yield* bystander.isRunning).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("is told to be available by guarantees", () =>
    Effect.gen(function* () {
      const { levels } = yield* Nursery.guarantees
      expect(levels).toContainEqual({ level: "pid-namespace", available: true, reason: "" })
    }).pipe(Effect.provide(Nursery.layer))
  )
})

const withoutCgroups = Levels.because("cgroup")
const inCgroup = Command.containment("cgroup")

describe.skipIf(withoutCgroups !== "")(`level cgroup${withoutCgroups}`, () => {
  it.live("ends everything, by whatever path it has escaped, when the scope closes, and its groups with it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const plays = Object.values(Escapees.all).map((words) => stage.play(words).pipe(inCgroup, soon))
            yield* Effect.all(plays.map((play) => Process.spawn(play)))
            yield* stage.hears(...plays.map(() => "escaped"))
            expect(Cgroups.ofProcesses().length).toBe(plays.length)
          })
        )
        expect(stage.left()).toEqual([])
        expect(Cgroups.ofProcesses()).toEqual([])
      }).pipe(Effect.provide(Nursery.layer))
      expect(Cgroups.nurseriesOf(process.pid)).toEqual([])
    })
  )

  it.live("leaves no group where a process cannot be started", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Process.spawn(Command.make("no-such-program").pipe(inCgroup)))
      expect(error).toMatchObject({ step: "exec", reason: { _tag: "ProgramNotFound" } })
      expect(Cgroups.ofProcesses()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("is told to be available by guarantees", () =>
    Effect.gen(function* () {
      const { levels } = yield* Nursery.guarantees
      expect(levels).toContainEqual({ level: "cgroup", available: true, reason: "" })
    }).pipe(Effect.provide(Nursery.layer))
  )
})

describe("a level that is not available", () => {
  for (const level of ["pid-namespace", "cgroup"] as const) {
    it.live(`${level} is a typed error that says why, and never a weaker level`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const error = yield* Effect.flip(Process.spawn(stage.play("say started").pipe(Command.containment(level))))
        expect(error).toMatchObject({ _tag: "SpawnError", step: "request", reason: { _tag: "Containment", level } })
        const { levels } = yield* Nursery.guarantees
        const guarantee = levels.find((other) => other.level === level)
        expect(guarantee?.available).toBe(false)
        expect(error.message).toContain(guarantee?.reason)
        expect(stage.left()).toEqual([])
        expect(yield* Nursery.processes).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(Nursery.layerPortable))
    )
  }

  it.live("is not what guarantees says of tree and group", () =>
    Effect.gen(function* () {
      const { escapees, levels, ownerDeath } = yield* Nursery.guarantees
      const available = levels.filter((level) => level.available).map(({ level }) => level)
      expect(available).toEqual([
        "tree",
        "group",
        ...(withoutNamespaces === "" ? ["pid-namespace"] : []),
        ...(withoutCgroups === "" ? ["cgroup"] : [])
      ])
      expect({ escapees, ownerDeath }).toEqual({ escapees: true, ownerDeath: true })
    }).pipe(Effect.provide(Nursery.layer))
  )
})
