/** What a step costs: as much as it changes, however large the tree is. */
import { describe, expect, it } from "@effect/vitest"
import type { Input, State } from "../../src/internal/core/model.ts"
import type { ChildPlan } from "../../src/internal/core/plan.ts"
import { initial, step } from "../../src/internal/core/step.ts"
import { child, restart, tree } from "./family.ts"
import { childrenOf } from "./recount.ts"

const count = 10_000
const ids = Array.from({ length: count }, (_, index) => `child-${index}`)

/** Milliseconds of processor time: others on this machine cost none. */
const costOf = (work: () => void): number => {
  const before = process.cpuUsage()
  work()
  const { system, user } = process.cpuUsage(before)
  return (system + user) / 1000
}

const feed = (state: State, inputs: Iterable<Input>): State => {
  let next = state
  for (const input of inputs) next = step(next, input)[0]
  return next
}

const readied = ids.map((id): Input => ({ _tag: "Ready", id, incarnation: 1 }))

const independent = ids.map((id) => child(id, { counted: false }))
const aroundOne = independent.map(
  (plan, index): ChildPlan => (index === 0 ? plan : { ...plan, after: [{ on: "child-0", gate: "alive" }] })
)
const inARow = independent.map(
  (plan, index): ChildPlan => (index === 0 ? plan : { ...plan, after: [{ on: `child-${index - 1}`, gate: "order" }] })
)

describe("ten thousand children", () => {
  it.each<readonly [string, ReadonlyArray<ChildPlan>]>([
    ["that do not know each other", independent],
    ["that require the first of them", aroundOne],
    ["each after the one before", inARow]
  ])("%s start, are restarted one by one and end in less than four seconds", (_, plans) => {
    let state = initial(tree(plans))
    const cost = costOf(() => {
      state = feed(state, [{ _tag: "Begin" }, ...readied])
      for (const id of ids.slice(1)) {
        state = feed(state, [
          { _tag: "Ended", id, incarnation: 1 },
          { _tag: "Decided", id, incarnation: 1, verdict: restart, now: 0 },
          { _tag: "Ready", id, incarnation: 2 }
        ])
      }
      state = feed(state, [{ _tag: "Shutdown" }])
      state = feed(
        state,
        ids
          .slice(1)
          .toReversed()
          .map((id) => ({ _tag: "Ended", id, incarnation: 2 }))
      )
      state = feed(state, [{ _tag: "Ended", id: "child-0", incarnation: 1 }])
    })
    expect(state.finished).toBe(true)
    expect(childrenOf(state).filter(({ incarnation }) => incarnation === 2).length).toBe(count - 1)
    expect(cost).toBeLessThan(4000)
  })

  it("are not touched by the restart of another", () => {
    const before = feed(initial(tree(independent)), [{ _tag: "Begin" }, ...readied])
    const after = feed(before, [
      { _tag: "Ended", id: "child-7", incarnation: 1 },
      { _tag: "Decided", id: "child-7", incarnation: 1, verdict: restart, now: 0 }
    ])
    const old = new Set(childrenOf(before))
    expect(
      childrenOf(after)
        .filter((each) => !old.has(each))
        .map(({ plan }) => plan.id)
    ).toEqual(["child-7"])
  })
})
