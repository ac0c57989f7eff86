/** What a way to start processes lacks is what it says that it lacks. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Nursery from "../../src/Nursery.ts"
import { onEveryWay, type Promised } from "./setup.ts"

/** The promises that have no flag of their own in `Guarantees`, by the words of their limit. */
const words: { readonly [P in Promised]?: RegExp } = {
  usage: /ResourceUsage/,
  realTimeSignals: /real-time signal/,
  realPipes: /\/dev\/stdout/,
  scriptsNeedShebang: /without #!/,
  umask: /umask/,
  sessionGroup: /session "group"/,
  collectsOrphans: /An orphan is collected/,
  orphansInDescendants: /`descendants`/
}

onEveryWay("guarantees", (it, way) => {
  it.effect("tells which way it is", () =>
    Effect.gen(function* () {
      expect((yield* Nursery.guarantees).backend).toBe(way.name)
    })
  )

  it.effect("tells what it lacks, and nothing else", () =>
    Effect.gen(function* () {
      const guarantees = yield* Nursery.guarantees
      const flags = [
        "escapees",
        "ownerDeath",
        "graceOutsideEventLoop",
        "cheapSpawn",
        "noStrayPid",
        "notifications",
        "setup"
      ] as const
      const told = [
        ...flags.filter((flag) => !guarantees[flag]),
        ...Object.entries(words).flatMap(([name, pattern]) =>
          guarantees.limits.some((limit) => pattern.test(limit)) ? [name] : []
        )
      ]
      expect(told).toEqual(Array.from(way.lacks))
    })
  )

  it.effect("says of every level whether it is there, and if not, why", () =>
    Effect.gen(function* () {
      const { levels } = yield* Nursery.guarantees
      expect(levels.map(({ level }) => level)).toEqual(["tree", "group", "pid-namespace", "cgroup"])
      for (const { available, reason } of levels) expect(reason === "").toBe(available)
    })
  )
})
