/** What a step costs: as much as it changes, however large the tree is. */
import { describe, expect, it } from "@effect/vitest"
import type { Input, State } from "../../src/internal/core/model.ts"
import type { ChildPlan } from "../../src/internal/core/plan.ts"
import { initial, step } from "../../src/internal/core/step.ts"
import { child, restart, tree } from "./family.ts"
import { childrenOf } from "./recount.ts"

const few = 1_000
const many = 6_000

const idsOf = (count: number) => Array.from({ length: count }, (_, index) => `child-${index}`)

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

const readied = (ids: ReadonlyArray<string>) => ids.map((id): Input => ({ _tag: "Ready", id, incarnation: 1 }))

const independent = (count: number) => idsOf(count).map((id) => child(id, { counted: false }))
const aroundOne = (count: number) =>
  independent(count).map(
    (plan, index): ChildPlan => (index === 0 ? plan : { ...plan, after: [{ on: "child-0", gate: "alive" }] })
  )
const inARow = (count: number) =>
  independent(count).map(
    (plan, index): ChildPlan => (index === 0 ? plan : { ...plan, after: [{ on: `child-${index - 1}`, gate: "order" }] })
  )

/** All start, are restarted one by one, and end; what that costs. */
const live = (plans: ReadonlyArray<ChildPlan>): number => {
  const ids = plans.map(({ id }) => id)
  let state = initial(tree(plans))
  const cost = costOf(() => {
    state = feed(state, [{ _tag: "Begin" }, ...readied(ids)])
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
  expect(childrenOf(state).filter(({ incarnation }) => incarnation === 2).length).toBe(plans.length - 1)
  return cost
}

describe("thousands of children", () => {
  it.each<readonly [string, (count: number) => ReadonlyArray<ChildPlan>]>([
    ["that do not know each other", independent],
    ["that require the first of them", aroundOne],
    ["each after the one before", inARow]
  ])("%s start, are restarted one by one and end at a cost that grows as they do", (_, plansOf) => {
    // Compiled by now, so that the few do not pay for the many.
    live(plansOf(few))
    // Six times as many; where each step looked at all of them, it would be thirty-six times as much. Memory is collected when it pleases.
    let times = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 3 && times >= 18; tries++) times = live(plansOf(many)) / live(plansOf(few))
    expect(times).toBeLessThan(18)
  })

  it("are not touched by the restart of another", () => {
    const plans = independent(many)
    const before = feed(initial(tree(plans)), [{ _tag: "Begin" }, ...readied(plans.map(({ id }) => id))])
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
