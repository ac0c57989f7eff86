/** The owner dies together with helpers: whoever is left ends everything. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cgroups from "../support/cgroups.ts"
import * as Escapees from "../support/escapees.ts"
import * as Levels from "../support/levels.ts"
import * as Owner from "../support/owner.ts"
import type * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"

const SIGKILL = 9
const SIGSTOP = 19
const kinds = Object.keys(Escapees.all)

const startFamily = (stage: Stage.Stage, args: ReadonlyArray<string> = [], options: Owner.Options = {}) =>
  Effect.gen(function* () {
    const owner = yield* Owner.start(stage, "family.ts", ["never", ...args], options)
    yield* stage.hears("ready", ...kinds.map(() => "escaped"))
    return owner
  })

const expectNothingLeft = (stage: Stage.Stage, { collected, left }: Owner.Report) => {
  expect(left).toEqual([])
  // Helpers that were killed fall to init; what they served never does.
  expect(collected.filter(({ name }) => !name.startsWith("nursery-"))).toEqual([])
  expect(stage.left()).toEqual([])
}

type Victims = (family: Proc.Family) => ReadonlyArray<number | "owner">

const victims: { readonly [what: string]: Victims } = {
  "owner and keeper": ({ keeper }) => ["owner", keeper],
  "keeper and owner": ({ keeper }) => [keeper, "owner"],
  "owner and guard": ({ guard }) => ["owner", guard],
  "guard and owner": ({ guard }) => [guard, "owner"],
  "owner and one reaper": ({ reapers }) => ["owner", ...reapers.slice(0, 1)],
  "owner and all reapers": ({ reapers }) => ["owner", ...reapers],
  "owner, keeper and one reaper": ({ keeper, reapers }) => ["owner", keeper, ...reapers.slice(0, 1)],
  "all reapers, keeper and owner": ({ keeper, reapers }) => [...reapers, keeper, "owner"],
  "owner, guard and keeper": ({ guard, keeper }) => ["owner", guard, keeper],
  "keeper, guard and owner": ({ guard, keeper }) => [keeper, guard, "owner"],
  "owner, guard and all reapers": ({ guard, reapers }) => ["owner", guard, ...reapers]
}

describe.concurrent("nothing is left after SIGKILL of", () => {
  for (const [what, who] of Object.entries(victims)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* startFamily(stage)
        owner.kill(SIGKILL, ...who(yield* owner.family))
        expectNothingLeft(stage, yield* owner.ended)
      })
    )
  }
})

describe.concurrent("nothing is left after SIGKILL of the owner while", () => {
  const stopped: { readonly [what: string]: Victims } = {
    "the keeper is stopped": ({ keeper }) => [keeper],
    "all reapers are stopped": ({ reapers }) => reapers,
    "keeper and all reapers are stopped": ({ keeper, reapers }) => [keeper, ...reapers]
  }
  for (const [what, who] of Object.entries(stopped)) {
    it.live(what, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* startFamily(stage)
        owner.kill(SIGSTOP, ...who(yield* owner.family))
        owner.kill(SIGKILL, "owner")
        expectNothingLeft(stage, yield* owner.ended)
      })
    )
  }
})

it.live("after SIGKILL of the owner and all helpers the leaders are dead; their descendants are nobody's promise", () =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const owner = yield* Owner.start(stage, "play.ts", ["say leader sleep", "say leader ignore sleep"])
    const leaders = yield* stage.hears("leader", "leader")
    const { guard, keeper, reapers } = yield* owner.family
    owner.kill(SIGKILL, "owner", guard, keeper, ...reapers)
    const report = yield* owner.ended
    expect(report.left).toEqual([])
    // One whose reaper was the last to die may have been collected by it.
    const fallen = report.collected.filter(({ pid }) => leaders.includes(pid))
    expect(fallen.filter(({ status }) => status !== -SIGKILL)).toEqual([])
    expect(stage.left()).toEqual([])
  })
)

const without = Levels.because("pid-namespace")

describe.skipIf(without !== "")(`at level pid-namespace${without}`, () => {
  const users: ReadonlyArray<readonly [who: string, options: Owner.Options]> = [
    ["this user", {}],
    ...(Owner.isPrivileged && Owner.ordinaryProblem() === undefined
      ? [["an ordinary user", { ordinary: true }] as const]
      : [])
  ]
  for (const [who, options] of users) {
    it.live(`nothing is left after SIGKILL of the owner and all helpers at once, as ${who}`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* startFamily(stage, ["pid-namespace"], options)
        const { guard, keeper, reapers, inits } = yield* owner.family
        // One of them may wait for the process that is started next.
        expect(inits.length - kinds.length).toBeOneOf([0, 1])
        owner.kill(SIGKILL, "owner", guard, keeper, ...reapers, ...inits)
        expectNothingLeft(stage, yield* owner.ended)
      })
    )
  }

  it.live("nothing is left after SIGKILL of owner, guard and keeper, whatever the inits would do", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* startFamily(stage, ["pid-namespace"])
      const { guard, keeper, inits } = yield* owner.family
      owner.kill(SIGSTOP, ...inits.slice(0, 1))
      owner.kill(SIGKILL, "owner", guard, keeper)
      expectNothingLeft(stage, yield* owner.ended)
    })
  )
})

const withoutCgroups = Levels.because("cgroup")

describe.skipIf(withoutCgroups !== "")(`at level cgroup${withoutCgroups}`, () => {
  it.live("nothing is left after SIGKILL of the owner, and no group", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* startFamily(stage, ["cgroup"])
      const pid = yield* Effect.promise(() => owner.started)
      expect(Cgroups.nurseriesOf(pid).length).toBe(1)
      owner.kill(SIGKILL, "owner")
      expectNothingLeft(stage, yield* owner.ended)
      expect(Cgroups.nurseriesOf(pid)).toEqual([])
    })
  )

  it.live("nothing is alive after SIGKILL of the owner and all helpers but one, which ends the groups of all", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* startFamily(stage, ["cgroup"])
      const pid = yield* Effect.promise(() => owner.started)
      const { guard, keeper, reapers } = yield* owner.family
      owner.kill(SIGKILL, "owner", guard, keeper, ...reapers.slice(1))
      // What the dead reapers served falls to init, as the dead do.
      const { left } = yield* owner.ended
      expect(left).toEqual([])
      expect(stage.left()).toEqual([])
      expect(Cgroups.nurseriesOf(pid)).toEqual([])
    })
  )

  const isDelegable = Owner.isPrivileged && Owner.ordinaryProblem() === undefined
  const why = isDelegable ? "" : " (skipped: only root can give an ordinary user a group)"
  it.live.skipIf(!isDelegable)(`nothing is left of an ordinary user in a group that was delegated to it${why}`, () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const group = yield* Cgroups.delegated(Owner.ORDINARY_USER)
      const options = { ordinary: true, under: Cgroups.onceMoved }
      const owner = yield* Owner.start(stage, "family.ts", ["never", "cgroup"], options)
      const pid = yield* Effect.promise(() => owner.started)
      Cgroups.move(pid, group)
      yield* stage.hears("ready", ...kinds.map(() => "escaped"))
      expect(Cgroups.nurseriesOf(pid, group).length).toBe(1)
      const { guard, keeper } = yield* owner.family
      owner.kill(SIGKILL, "owner", guard, keeper)
      expectNothingLeft(stage, yield* owner.ended)
      expect(Cgroups.below(group)).toEqual([])
    })
  )
})
