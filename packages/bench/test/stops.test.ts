import { describe, expect, it } from "vitest"
import { stops } from "../src/harness/stops.ts"

const block = (milliseconds: number): void => {
  const begin = performance.now()
  while (performance.now() - begin < milliseconds);
}

describe("stops", () => {
  it("sees the longest stop of the event loop, even one right after the beginning", async () => {
    const { longest, watch } = stops()
    await watch()
    block(60)
    const [stop = 0] = await longest()
    expect(stop).toBeGreaterThanOrEqual(59)
  })

  it("forgets what was before", async () => {
    const { longest, watch } = stops()
    // The second time it may be held up by others for as long, but not each time.
    const remembers = async (): Promise<boolean> => {
      await watch()
      block(200)
      await longest()
      await watch()
      const [stop = Number.NaN] = await longest()
      return !(stop < 200)
    }
    let tries = 0
    while (tries < 10 && (await remembers())) tries++
    expect(tries).toBeLessThan(10)
  })
})
