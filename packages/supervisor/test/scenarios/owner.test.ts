/** SIGKILL of a program that is a supervisor, at random moments of start, restart and stop: nothing is left alive. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Owner from "../../../process/test/support/owner.ts"
import * as Random from "../../../process/test/support/random.ts"
import * as Stage from "../../../process/test/support/stage.ts"

const rounds = Random.isCampaign ? 200 : 12

/** Some are killed while they start, before they have helpers. */
const startingRounds = 10

/** And some when the tree has been ready once. */
const turningRounds = 4

const LONGEST = 200

const program = "../../../../supervisor/test/support/programs/restless.ts"

const round = (index: number, delay: number) =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const ordinary = index % 2 === 1 && Owner.ordinaryProblem() === undefined
    const owner = yield* Owner.start(stage, program, [], { ordinary })
    const isStarting = index % startingRounds === 0
    // On a slow machine others never come so far in their time.
    const isInTurns = index % turningRounds === 1
    if (isInTurns) yield* stage.hears("turn")
    else if (!isStarting) yield* stage.hears("restless")
    if (index > 0) yield* Effect.sleep(delay)
    const turns = stage.news.count("turn") + (isInTurns ? 1 : 0)
    owner.kill(9, "owner")
    const report = yield* owner.ended
    const message = `round ${index}, killed after ${delay} ms; ${owner.output}`
    expect(report.status, message).toBe(-9)
    expect(report.left, message).toEqual([])
    // The guard, or what was to become it.
    expect(report.collected.length, message).toBeLessThanOrEqual(1)
    expect(stage.left(), message).toEqual([])
    return turns
  }).pipe(Effect.scoped)

it.live(
  `nothing is left, ${rounds} times`,
  () =>
    Effect.gen(function* () {
      const random = Random.make("owner")
      const all = Array.from({ length: rounds }, (_, index) => round(index, random.below(LONGEST)))
      const turns = yield* Effect.all(all, { concurrency: 2 })
      // Some came before the tree was ready, and some after: otherwise this shows little.
      expect(Math.min(...turns)).toBe(0)
      expect(Math.max(...turns)).toBeGreaterThan(0)
    }),
  Random.isCampaign ? 1_800_000 : 240_000
)
