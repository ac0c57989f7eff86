import { describe, expect, it } from "vitest"
import { atLeast, atMost, compete, type Goal, type Measurement } from "../src/harness/measurement.ts"
import { showTable } from "../src/harness/table.ts"

const row = (who: string, figures: ReadonlyArray<number>, goal?: Goal) => ({
  who,
  figures,
  ours: who === "Nursery",
  goal
})

const measurement = (...rows: Measurement["rows"]): Measurement => ({
  id: "P0",
  work: "work",
  unit: "/s",
  note: undefined,
  rows
})

const line = (table: string, who: string): string => table.split("\n").find((text) => text.startsWith(`  ${who}`)) ?? ""

describe("table", () => {
  it("compares round by round, not median with median", () => {
    // The second round was disturbed for both.
    const table = showTable([measurement(row("Nursery", [200, 20, 200]), row("other", [100, 10, 100]))])
    expect(line(table, "other")).toContain("2.00x")
    expect(line(table, "other")).toContain("2.00 .. 2.00")
  })

  it.each([
    { goal: atLeast(2), verdict: ">= 2 reached" },
    { goal: atLeast(2.1), verdict: ">= 2.1 MISSED" },
    { goal: atMost(2), verdict: "<= 2 reached" },
    { goal: atMost(1.9), verdict: "<= 1.9 MISSED" }
  ])("judges the ratio to another: $verdict", ({ goal, verdict }) => {
    const table = showTable([measurement(row("Nursery", [200]), row("other", [100], goal))])
    expect(line(table, "other")).toContain(verdict)
  })

  it("judges our own figure where the goal is one", () => {
    const table = showTable([measurement(row("Nursery", [90, 70, 80], atMost(80)))])
    expect(line(table, "Nursery")).toContain("80.0 /s")
    expect(line(table, "Nursery")).toContain("70.0 .. 90.0")
    expect(line(table, "Nursery")).toContain("<= 80 reached")
  })

  it("keeps another in the table that is better than we are", () => {
    const table = showTable([measurement(row("Nursery", [50]), row("other", [100], atLeast(1)))])
    expect(line(table, "other")).toContain("0.500x")
    expect(line(table, "other")).toContain("MISSED")
  })
})

describe("compete", () => {
  it("lets all run in turn, and does not count the first round", async () => {
    const order: Array<string> = []
    let turn = 0
    const contender = (who: string) => ({
      who,
      measure: async () => {
        order.push(who)
        turn++
        return turn
      }
    })
    const { rows } = await compete(
      {
        size: { quick: true, rounds: 2, services: 10 },
        progress: () => {}
      },
      { id: "P0", work: "work", unit: "", contenders: [contender("a"), contender("b")] }
    )
    expect(order).toEqual(["a", "b", "a", "b", "a", "b"])
    expect(rows.map(({ figures }) => figures)).toEqual([
      [3, 5],
      [4, 6]
    ])
  })
})
