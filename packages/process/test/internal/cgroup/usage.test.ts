import * as Duration from "effect/Duration"
import { expect, it } from "vitest"
import { parseStall } from "../../../src/internal/cgroup/usage.ts"

it("pressure is read as the kernel writes it, with what it leaves out", () => {
  const some = "some avg10=1.50 avg60=0.25 avg300=0.00 total=1234567"
  const stall = parseStall(`${some}\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=5\n`)
  expect(stall?.some).toEqual({ avg10: 1.5, avg60: 0.25, avg300: 0, total: Duration.micros(1_234_567n) })
  expect(stall?.full?.total).toEqual(Duration.micros(5n))
  expect(parseStall(some)).not.toHaveProperty("full")
  expect(parseStall("")).toBe(undefined)
  expect(parseStall(undefined)).toBe(undefined)
})
