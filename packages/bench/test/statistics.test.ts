import { describe, expect, it } from "vitest"
import { median, quantile, spread } from "../src/harness/statistics.ts"

describe("statistics", () => {
  it("takes the value in the middle, and of an even number the mean of two", () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([9, 1, 5, 7])).toBe(6)
  })

  it("takes a value that was measured as a quantile", () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index)
    expect(quantile(values, 0.99)).toBe(198)
    expect(quantile(values, 1)).toBe(200)
    expect(quantile([7], 0.99)).toBe(7)
  })

  it("says how far the values lie apart", () => {
    expect(spread([4, 2, 9])).toEqual({ median: 4, min: 2, max: 9 })
  })

  it("has no figure for what was not measured", () => {
    expect(() => median([])).toThrow("no values")
    expect(() => quantile([], 0.5)).toThrow("no values")
  })
})
