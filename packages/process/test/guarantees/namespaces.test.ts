/** Namespaces that processes share are gone with whoever has made them, however that ends. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Levels from "../support/levels.ts"
import * as Owner from "../support/owner.ts"
import type * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"

const SIGKILL = 9
const without = Levels.because("pid-namespace")

const victims: Readonly<Record<string, (family: Proc.Family) => ReadonlyArray<number | "owner">>> = {
  "the owner": () => ["owner"],
  "keeper and owner": ({ keeper }) => [keeper, "owner"],
  "owner, keeper and all reapers": ({ inits, keeper, reapers }) => ["owner", keeper, ...reapers, ...inits]
}

describe.skipIf(without !== "")(`of namespaces that processes share${without}`, () => {
  for (const [what, who] of Object.entries(victims)) {
    it.live(`nothing is left after SIGKILL of ${what}`, () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* Owner.start(stage, "isolated.ts")
        yield* stage.hears("ready", "started", "escaped", "started", "escaped")
        owner.kill(SIGKILL, ...who(yield* owner.family))
        const { collected, left } = yield* owner.ended
        expect(left).toEqual([])
        expect(collected.filter(({ name }) => !name.startsWith("nursery-"))).toEqual([])
        expect(stage.left()).toEqual([])
      })
    )
  }
})
