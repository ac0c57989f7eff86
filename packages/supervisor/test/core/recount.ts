/** What the core keeps count of, counted from the beginning. */
import * as HashMap from "effect/HashMap"
import { isUp } from "../../src/internal/core/draft.ts"
import type { Child, State } from "../../src/internal/core/model.ts"

type Kept = Pick<Child, "barred" | "passed" | "holding" | "holders" | "users">

export const childrenOf = (state: State): ReadonlyArray<Child> =>
  [...HashMap.values(state.children)].sort((a, b) => a.position - b.position)

/** What is kept of each child: first from the first to the last, then back. */
export const recount = (state: State): ReadonlyMap<string, Kept> => {
  const children = childrenOf(state)
  const byId = new Map(children.map((child) => [child.plan.id, child]))
  const kept = new Map<string, Kept>()
  const isAlive = (id: string): boolean => {
    const other = byId.get(id)
    if (other === undefined) return false
    if (other.phase === "deciding") return other.completed
    return other.phase === "ready"
      ? kept.get(id)?.barred === false
      : other.phase === "idle" && other.rest === "completed"
  }
  for (const child of children) {
    const { again, group, phase, plan, rest } = child
    const lacks = plan.after.some(({ gate, on }) => gate === "alive" && !isAlive(on))
    const barred = rest !== undefined || group !== undefined || again || lacks
    const isOver = phase === "idle" && rest !== undefined
    const passed = phase === "ready" ? !barred : isOver && plan.after.every(({ on }) => kept.get(on)?.passed === true)
    kept.set(plan.id, { barred, passed, holding: false, holders: 0, users: 0 })
  }
  for (const child of children.toReversed()) {
    const { id } = child.plan
    const after = children.filter(({ plan }) => plan.after.some(({ on }) => on === id))
    const holders = after.filter(({ plan }) => kept.get(plan.id)?.holding).length
    const users = after.filter(
      (other) => isUp(other) && other.plan.after.some(({ gate, on }) => on === id && gate === "alive")
    )
    const { barred = false, passed = false } = kept.get(id) ?? {}
    kept.set(id, { barred, passed, holding: isUp(child) ? barred : holders > 0, holders, users: users.length })
  }
  return kept
}

export const totals = (state: State) => {
  const children = childrenOf(state)
  const groups = children.flatMap(({ group, phase }) => (group === undefined || phase === "idle" ? [] : [group]))
  return {
    unready: children.filter(({ phase, rest }) => rest === undefined && phase !== "ready").length,
    up: children.filter(isUp).length,
    significant: children.filter(({ plan, rest }) => plan.significant && rest === undefined).length,
    groups: new Map(groups.map((group) => [group, groups.filter((each) => each === group).length]))
  }
}
