/**
 * What the core gets to know of a child and of a tree.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { ChildPlan, Dependency, Intensity, TreePlan } from "./core/plan.ts"
import type { ChildSpec, TreeSpec } from "./spec.ts"

/** What systemd has: its `StartLimitBurst` and `StartLimitIntervalSec`. */
export const defaultIntensity: Intensity = { restarts: 5, within: 10_000 }

/** The spec has been validated: its durations are some. */
export const planOf = (tree: TreeSpec): TreePlan => {
  const { intensity } = tree
  return {
    strategy: tree.kind === "supervisor" ? tree.strategy : "one-for-one",
    intensity:
      intensity === undefined
        ? defaultIntensity
        : { restarts: intensity.restarts, within: Duration.toMillis(intensity.within) },
    autoShutdown: tree.kind === "supervisor" ? tree.autoShutdown : "any",
    children: tree.kind === "supervisor" ? tree.children.map((child, index) => planAt(child, tree, index)) : []
  }
}

const planAt = (child: ChildSpec, tree: TreeSpec, index: number): ChildPlan => {
  const plan = childPlanOf(child, tree)
  if (tree.kind !== "supervisor" || tree.order !== "sequential") return plan
  const previous = tree.children[index - 1]
  return previous === undefined ? plan : { ...plan, after: withOrder(plan.after, previous.name) }
}

/** The other gates include that of the order. */
const withOrder = (after: ReadonlyArray<Dependency>, on: string): ReadonlyArray<Dependency> => {
  const known = after.find((dependency) => dependency.on === on)
  return known === undefined ? [...after, { on, gate: "order" }] : after
}

export const childPlanOf = (child: ChildSpec, tree: TreeSpec): ChildPlan => ({
  id: child.name,
  after: child.after,
  restart: child.restart.rule,
  significant: child.significant,
  // A schedule bounds the restarts of its child by itself: the default intensity leaves it alone, one that was asked for does not.
  counted: tree.intensity !== undefined || child.restart.schedule === undefined
})
