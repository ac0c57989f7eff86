/**
 * A fork bomb is stopped. Only as an ordinary user below a limit of processes, and every bomb goes out by itself after a while:
 * should this test fail, the machine survives.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Owner from "../support/owner.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

const SIGUSR2 = 12
const SIGKILL = 9

/** How many more processes the user may have than it has; other tests of that user take some of them. */
const LIMIT = 250

/** A bomb that has gone off. */
const MANY = 100

const start = (stage: Stage.Stage) =>
  Effect.gen(function* () {
    const options = { ordinary: true, processes: LIMIT }
    const owner = yield* Owner.start(stage, "stop.ts", ["say bombing bomb 60", "0"], options)
    yield* stage.hears("started", "bombing")
    const bombs = () => Proc.table().filter(({ name }) => name === stage.mark).length
    yield* Effect.promise(() => until("see the bomb grow", () => bombs() > MANY))
    return owner
  })

describe.skipIf(Owner.ordinaryProblem() !== undefined)(
  "a fork bomb of an ordinary user with a limit is stopped",
  () => {
    it.live("when its scope closes", () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* start(stage)
        owner.kill(SIGUSR2, "owner")
        yield* stage.hears("SIGKILL")
        expect(yield* owner.ended).toMatchObject({ status: 0, left: [], collected: [] })
        expect(stage.left()).toEqual([])
      })
    )

    it.live("when its owner is killed", () =>
      Effect.gen(function* () {
        const stage = yield* Stage.make
        const owner = yield* start(stage)
        owner.kill(SIGKILL, "owner")
        const report = yield* owner.ended
        expect(report).toMatchObject({ status: -SIGKILL, left: [] })
        expect(report.collected.map(({ name }) => name)).toEqual(["nursery-guard"])
        expect(stage.left()).toEqual([])
      })
    )
  }
)
