/** SIGKILL of the owner at a random moment, from its first instruction on, while it starts processes as fast as it can. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Owner from "../support/owner.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"

const rounds = Random.isCampaign ? 200 : 20

/** Some are killed while they start, before they have helpers. */
const startingRounds = 5

const LONGEST = 150

const round = (index: number, delay: number) =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const ordinary = index % 2 === 1 && Owner.ordinaryProblem() === undefined
    const owner = yield* Owner.start(stage, "load.ts", [], { ordinary })
    if (index % startingRounds !== 0) yield* stage.hears("loading")
    yield* Effect.sleep(delay)
    owner.kill(9, "owner")
    const report = yield* owner.ended
    const message = `round ${index}, killed after ${delay} ms; ${owner.output}`
    expect(report.status, message).toBe(-9)
    expect(report.left, message).toEqual([])
    // The guard, or what was to become it.
    expect(report.collected.length, message).toBeLessThanOrEqual(1)
    expect(stage.left(), message).toEqual([])
  }).pipe(Effect.scoped)

it.live(
  `nothing is left, ${rounds} times`,
  () =>
    Effect.suspend(() => {
      const random = Random.make("owner-random")
      const all = Array.from({ length: rounds }, (_, index) => round(index, random.below(LONGEST)))
      return Effect.all(all, { concurrency: 2, discard: true })
    }),
  Random.isCampaign ? 1_800_000 : 240_000
)
