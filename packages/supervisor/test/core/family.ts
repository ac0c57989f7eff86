/** Small trees to tell examples with. */
import type { Action, Verdict } from "../../src/internal/core/model.ts"
import type { ChildPlan, Gate, TreePlan } from "../../src/internal/core/plan.ts"
import { childrenOf } from "./recount.ts"
import { World } from "./world.ts"

export const child = (id: string, options: Partial<ChildPlan> = {}): ChildPlan => ({
  id,
  after: [],
  restart: "always",
  significant: false,
  counted: true,
  ...options
})

/** Each after the one before. */
export const chain = (ids: string, gate: Gate = "order", options: Partial<ChildPlan> = {}): ReadonlyArray<ChildPlan> =>
  [...ids].map((id, index) =>
    child(id, { after: [...ids].slice(Math.max(0, index - 1), index).map((on) => ({ on, gate })), ...options })
  )

export const tree = (children: ReadonlyArray<ChildPlan>, options: Partial<TreePlan> = {}): TreePlan => ({
  strategy: "one-for-one",
  intensity: { restarts: 100, within: 1000 },
  autoShutdown: "any",
  ...options,
  children
})

/** A world in which all that can run is ready. */
export const running = (children: ReadonlyArray<ChildPlan>, options?: Partial<TreePlan>): World => {
  const world = new World(tree(children, options))
  world.begin()
  world.drain()
  return world
}

export const restart: Verdict = { _tag: "Restart", delay: 0 }
export const backOff: Verdict = { _tag: "Restart", delay: 100 }
export const complete: Verdict = { _tag: "Complete" }
export const ignore: Verdict = { _tag: "Rest", rest: "failed" }

/** It ends unasked, and its policy decides at once. */
export const crash = (world: World, id: string, verdict: Verdict = restart): ReadonlyArray<Action> => [
  ...world.ended(id),
  ...world.decided(id, verdict)
]

/** `+a` for a start, `-a` for a stop; `?a` for a decision and `~a` for a wait, `!a` where they are given up. */
export const brief = (actions: ReadonlyArray<Action>): string => {
  const signs: Partial<Record<Action["_tag"], string>> = { Start: "+", Stop: "-", Decide: "?", Wait: "~", Forget: "!" }
  return actions
    .flatMap((action) => {
      const sign = signs[action._tag]
      return sign === undefined || !("id" in action) ? [] : [`${sign}${action.id}`]
    })
    .join(" ")
}

export const answers = (actions: ReadonlyArray<Action>): ReadonlyArray<string> =>
  actions.flatMap((action) => (action._tag === "Answer" ? [action.refusal ?? "done"] : []))

/** Everything from here on. */
export const meanwhile = (world: World, happen: () => void): ReadonlyArray<Action> => {
  const first = world.steps.length
  happen()
  return world.steps.slice(first).flatMap(({ actions }) => actions)
}

export const incarnations = (world: World): string =>
  childrenOf(world.state)
    .map(({ incarnation, plan }) => `${plan.id}${incarnation}`)
    .join(" ")

export const statuses = (world: World): string =>
  childrenOf(world.state)
    .map(({ phase, plan, rest }) => `${plan.id} ${phase === "idle" ? (rest ?? "waiting") : phase}`)
    .join(", ")
