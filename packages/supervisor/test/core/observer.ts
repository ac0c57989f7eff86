/**
 * What somebody knows of a tree who sees nothing of it but what happens and what is to be done: told by its plan, and by each
 * input and each action in turn.
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Action, Input, State } from "../../src/internal/core/model.ts"
import type { ChildPlan, TreePlan } from "../../src/internal/core/plan.ts"
import type { Status } from "../../src/SupervisorEvent.ts"
import type { Step, World } from "./world.ts"

export class Observer {
  readonly plans = new Map<string, ChildPlan>()
  readonly statuses = new Map<string, Status>()
  /** The incarnations that have been started and have not ended. */
  readonly lives = new Map<string, ReadonlyArray<number>>()
  /** The number of the latest incarnation. */
  readonly latest = new Map<string, number>()
  /** Those that have been ready once. */
  readonly provided = new Set<string>()
  /** Children that are to be down, all of them, before one of them starts. */
  readonly groups: Array<{ readonly members: ReadonlySet<string>; readonly left: Set<string> }> = []
  readonly #completed = new Set<string>()
  readonly #tree: TreePlan
  readonly #added: Array<ChildPlan> = []

  constructor(tree: TreePlan) {
    this.#tree = tree
    for (const plan of tree.children) this.#know(plan)
  }

  isUp(id: string): boolean {
    return this.#livesOf(id).length > 0
  }

  status(id: string): Status | undefined {
    return this.statuses.get(id)
  }

  isAtRest(id: string): boolean {
    const status = this.status(id)
    return status === "completed" || status === "stopped" || status === "paused" || status === "failed"
  }

  /** One of which it is being decided whether it has completed may have. */
  isAlive(id: string): boolean {
    const status = this.status(id)
    if (status === "deciding") return this.#completed.has(id)
    return status === "ready" || status === "completed"
  }

  /** It is ready, or it is at rest and those before it let pass too. */
  letsPass(id: string): boolean {
    const after = this.plans.get(id)?.after ?? []
    return this.status(id) === "ready" || (this.isAtRest(id) && after.every(({ on }) => this.letsPass(on)))
  }

  /** Those that come after it, and up to the next that are up: a child that is down passes on who comes after it. */
  upAfter(id: string): ReadonlyArray<string> {
    return [...this.plans.values()]
      .filter(({ after }) => after.some(({ on }) => on === id))
      .flatMap((plan) => (this.isUp(plan.id) ? [plan.id] : this.upAfter(plan.id)))
  }

  hear({ before, input }: Step): void {
    switch (input._tag) {
      case "Add":
        this.#added.push(input.child)
        break
      case "Decided":
        if (this.status(input.id) === "deciding" && this.latest.get(input.id) === input.incarnation) {
          this.#regroup(input, before)
        }
        break
      case "Ended":
        if (!this.#livesOf(input.id).includes(input.incarnation)) break
        if (input.completed) this.#completed.add(input.id)
        else this.#completed.delete(input.id)
        this.lives.set(
          input.id,
          this.#livesOf(input.id).filter((incarnation) => incarnation !== input.incarnation)
        )
        break
      default:
        break
    }
  }

  see(action: Action): void {
    switch (action._tag) {
      case "Start":
        this.lives.set(action.id, [...this.#livesOf(action.id), action.incarnation])
        this.latest.set(action.id, action.incarnation)
        break
      case "Changed":
        this.statuses.set(action.id, action.status)
        if (action.status === "ready") this.provided.add(action.id)
        if (action.status === "waiting" || this.isAtRest(action.id)) this.#isDown(action.id)
        break
      case "Added": {
        const plan = this.#added.findLast(({ id }) => id === action.id)
        if (plan !== undefined) this.#know(plan)
        break
      }
      case "Removed":
        this.plans.delete(action.id)
        this.statuses.delete(action.id)
        this.provided.delete(action.id)
        this.latest.delete(action.id)
        this.#isDown(action.id)
        break
    }
  }

  #know(plan: ChildPlan): void {
    // Its place is the last.
    this.plans.delete(plan.id)
    this.plans.set(plan.id, plan)
    this.statuses.set(plan.id, "waiting")
  }

  #livesOf(id: string): ReadonlyArray<number> {
    return this.lives.get(id) ?? []
  }

  #isDown(id: string): void {
    for (const { left } of this.groups) left.delete(id)
  }

  /** Takes in who is to be restarted with a child. */
  #regroup({ id, verdict }: Extract<Input, { readonly _tag: "Decided" }>, before: State): void {
    const ids = [...this.plans.keys()]
    const isMember = (each: string): boolean => {
      const rest = Option.getOrUndefined(HashMap.get(before.children, each))?.rest
      return rest === undefined || (rest === "completed" && this.plans.get(each)?.restart !== "never")
    }
    const affected = (): ReadonlyArray<string> => {
      if (verdict._tag === "RestartGroup") return ids
      if (verdict._tag !== "Restart") return []
      const { strategy } = this.#tree
      return strategy === "one-for-all" ? ids : strategy === "rest-for-one" ? ids.slice(ids.indexOf(id)) : []
    }
    const members = affected().filter(isMember)
    const left = members.filter((each) => this.status(each) !== "waiting" && !this.isAtRest(each))
    this.groups.push({ members: new Set(members), left: new Set(left) })
  }
}

export interface Moment {
  readonly seen: Observer
  readonly step: Step
}

/** Goes through a story again: `before` each action, and `after` each step. */
export const observe = (
  world: World,
  {
    after,
    before
  }: {
    readonly before?: (action: Action, moment: Moment) => void
    readonly after?: (moment: Moment) => void
  }
): void => {
  const seen = new Observer(world.tree)
  for (const step of world.steps) {
    seen.hear(step)
    for (const action of step.actions) {
      before?.(action, { seen, step })
      seen.see(action)
    }
    after?.({ seen, step })
  }
}
