/** SIGKILL of the owner and of helpers while it starts processes in sandboxes and namespaces, and as other users. */
import { existsSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Levels from "../support/levels.ts"
import * as Owner from "../support/owner.ts"
import type * as Proc from "../support/proc.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"
import * as Seen from "../support/status.ts"
import { until } from "../support/within.ts"

const SIGKILL = 9
const rounds = Random.isCampaign ? 100 : 6
const LONGEST = 60
const isAdmin = Seen.isCapable(Seen.CAP_NET_ADMIN) && Seen.isCapable(Seen.CAP_SYS_ADMIN)
const without = Levels.because("pid-namespace")

/** Not the guard and all others: the last of them ends what falls to it. */
const victims = (random: Random.Random, { inits, keeper, reapers }: Proc.Family): ReadonlyArray<number | "owner"> => {
  const [first = keeper, ...others] = [...reapers, ...inits]
  const one = random.pick([first, ...others])
  const chosen = random.pick<ReadonlyArray<number>>([[], [keeper], [one], [keeper, one]])
  return random.below(2) === 0 ? ["owner", ...chosen] : [...chosen, "owner"]
}

const round = (random: Random.Random, index: number) =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const ordinary = index % 2 === 1 && Owner.ordinaryProblem() === undefined
    const device = `nva${process.pid}-${index}`
    const owner = yield* Owner.start(stage, "arranged.ts", isAdmin && !ordinary ? [device] : [], { ordinary })
    yield* stage.hears("loading")
    yield* Effect.sleep(random.below(LONGEST))
    owner.kill(SIGKILL, ...victims(random, yield* owner.family))
    const { collected, left } = yield* owner.ended
    const message = `round ${index}; ${owner.output}`
    expect(left, message).toEqual([])
    expect(
      collected.filter(({ name }) => !name.startsWith("nursery-")),
      message
    ).toEqual([])
    expect(stage.left(), message).toEqual([])
    // The kernel takes it away in the background.
    yield* Effect.promise(() => until(`see ${device} go`, () => !existsSync(`/sys/class/net/${device}`)))
  }).pipe(Effect.scoped)

it.live.skipIf(without !== "")(
  `nothing of what is arranged is left, ${rounds} times${without}`,
  () => {
    const random = Random.make("arranged-random")
    return Effect.forEach(
      Array.from({ length: rounds }, (_, index) => index),
      (index) => round(random, index),
      { discard: true }
    )
  },
  Random.isCampaign ? 1_800_000 : 240_000
)
