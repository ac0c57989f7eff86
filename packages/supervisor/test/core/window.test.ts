/** The window that restarts are counted in: exact, and as cheap with many as with few. */
import { expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { initial, step } from "../../src/internal/core/step.ts"
import * as Window from "../../src/internal/core/window.ts"
import { child, restart, tree } from "./family.ts"

it("counts those that are not longer ago than the period, whatever the times are", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 8 }), { maxLength: 60 }), fc.integer({ min: 0, max: 20 }), (gaps, within) => {
      const times: Array<number> = []
      let now = 0
      let window = Window.empty
      for (const gap of gaps) {
        now += gap
        times.push(now)
        const before = { ...window }
        const next = Window.add(window, now, within)
        expect(next.count).toBe(times.filter((time) => now <= time + within).length)
        // An old state is as it was, and would count the same again.
        expect(window).toEqual(before)
        expect(Window.add(window, now, within)).toEqual(next)
        window = next
      }
    }),
    // The same times each time, but in campaigns.
    process.env["NURSERY_CAMPAIGN"] === undefined ? { seed: Number(process.env["NURSERY_SEED"] ?? 20260731) } : {}
  )
})

/** Processor time of so many restarts, all within the period. */
const costOf = (restarts: number): number => {
  let state = initial(tree([child("a")], { intensity: { restarts, within: restarts } }))
  const feed = (...inputs: ReadonlyArray<Parameters<typeof step>[1]>): void => {
    for (const input of inputs) state = step(state, input)[0]
  }
  feed({ _tag: "Begin" })
  const before = process.cpuUsage()
  for (let incarnation = 1; incarnation <= restarts; incarnation++) {
    feed(
      { _tag: "Ended", id: "a", incarnation },
      { _tag: "Decided", id: "a", incarnation, verdict: restart, now: incarnation }
    )
  }
  const { system, user } = process.cpuUsage(before)
  expect(state.restarts.count).toBe(restarts)
  expect(state.end).toBeUndefined()
  return system + user
}

it("costs the same for each of forty thousand restarts within the period", () => {
  costOf(2_000)
  // 8 times as many cost 8 times as much. Where each copied those before it, it were 64 times. Memory is collected when it pleases.
  let times = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 3 && times >= 24; tries++) times = costOf(40_000) / costOf(5_000)
  expect(times).toBeLessThan(24)
})
