import { describe, expect, it } from "@effect/vitest"
import type { RestartRule } from "../../src/internal/core/plan.ts"
import { type RuledEnd, type Ruling, ruleOf } from "../../src/internal/core/rule.ts"

type When = "before" | "after"

const end = (how: RuledEnd["how"], when: When, isPermanent: boolean): RuledEnd => ({
  how,
  wasReady: when === "after",
  isPermanent
})

/** Rule, how it ended, when in relation to its readiness, and what follows: at the first failure, and at a permanent one. */
const rows: ReadonlyArray<readonly [RestartRule, RuledEnd["how"], When, Ruling, Ruling]> = [
  ["always", "completed", "before", "restart", "restart"],
  ["always", "completed", "after", "restart", "restart"],
  ["always", "failed", "before", "restart", "giveUp"],
  ["always", "failed", "after", "restart", "giveUp"],
  ["always", "died", "before", "restart", "giveUp"],
  ["always", "died", "after", "restart", "giveUp"],
  ["onFailure", "completed", "before", "complete", "complete"],
  ["onFailure", "completed", "after", "complete", "complete"],
  ["onFailure", "failed", "before", "restart", "giveUp"],
  ["onFailure", "failed", "after", "restart", "giveUp"],
  ["onFailure", "died", "before", "restart", "giveUp"],
  ["onFailure", "died", "after", "restart", "giveUp"],
  ["never", "completed", "before", "complete", "complete"],
  ["never", "completed", "after", "complete", "complete"],
  ["never", "failed", "before", "giveUp", "giveUp"],
  ["never", "failed", "after", "failed", "failed"],
  ["never", "died", "before", "giveUp", "giveUp"],
  ["never", "died", "after", "failed", "failed"]
]

describe("the restart rule", () => {
  it.each(rows)("%s, %s %s it was ready: %s, and for a permanent failure %s", (rule, how, when, usual, permanent) => {
    expect(ruleOf(rule, end(how, when, false))).toBe(usual)
    expect(ruleOf(rule, end(how, when, true))).toBe(permanent)
  })
})
