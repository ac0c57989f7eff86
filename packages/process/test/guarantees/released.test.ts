/** The exemption: a process that was let go of (`unref` of the drop-in spawner) outlives its owner, and is waited for all the same. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Owner from "../support/owner.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { until } from "../support/within.ts"

const SIGKILL = 9
const SIGTERM = 15

it.live("a released process outlives its owner, which ends everything else; at its own end no zombie is left", () =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const released = "hold fork { setsid exit 0 } say released term exit 0"
    const owner = yield* Owner.start(stage, "released.ts", [
      released,
      "fork { setsid say escaped sleep } say kept sleep"
    ])
    const [free = 0, kept = 0, escaped = 0] = yield* stage.hears("released", "kept", "escaped", "ready")
    const { guard, keeper } = yield* owner.family
    owner.kill(SIGKILL, "owner")
    const gone = [kept, escaped, guard, keeper]
    yield* Effect.promise(() => until("see the others end", () => gone.every((pid) => Proc.entryOf(pid) === undefined)))
    expect(Proc.isAlive(free)).toBe(true)
    owner.kill(SIGTERM, free)
    const report = yield* owner.ended
    expect(report.left).toEqual([])
    // Its reaper has waited for it and for its child, and leaves after them.
    expect(report.collected.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "nursery-guard 0",
      "nursery-reaper 0"
    ])
    expect(stage.left()).toEqual([])
  })
)
