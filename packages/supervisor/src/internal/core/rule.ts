/**
 * What the restart rule alone says about an end, when no policy of the child has decided otherwise.
 *
 * OTP (stdlib, `supervisor`): a permanent child is always restarted, a transient one unless it ended as it should, a temporary
 * one never. Beyond OTP: a failure that would be the same at every further try is not tried again, and a child that failed
 * before it was ready, and is not to be started again, fails the start of its tree.
 *
 * @internal
 */
import type { RestartRule } from "./plan.ts"

/** How a child ended: as it should, with a typed failure or an exit status that says so, or by a defect or a signal. */
export interface RuledEnd {
  readonly how: "completed" | "failed" | "died"
  readonly wasReady: boolean
  /** The next try would fail for the same reason: there is no such program. */
  readonly isPermanent: boolean
}

/** `complete`: down for good, as it should be. `failed`: it stays down, and its siblings go on. `giveUp`: the tree fails with it. */
export type Ruling = "restart" | "complete" | "failed" | "giveUp"

export const ruleOf = (rule: RestartRule, { how, isPermanent, wasReady }: RuledEnd): Ruling => {
  if (how === "completed") return rule === "always" ? "restart" : "complete"
  if (rule === "never") return wasReady ? "failed" : "giveUp"
  return isPermanent ? "giveUp" : "restart"
}
