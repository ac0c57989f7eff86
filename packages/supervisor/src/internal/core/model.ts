/**
 * State, input and output of the core.
 *
 * @internal
 */
import type * as HashMap from "effect/HashMap"
import type { Status } from "../../SupervisorEvent.ts"
import type { ChildPlan, TreePlan } from "./plan.ts"
import type { Window } from "./window.ts"

/**
 * Where a child is. Something of it runs in the phases `starting`, `ready` and `stopping`, and in no other.
 *
 * - `idle`: nothing runs; it starts as soon as it may.
 * - `deciding`: it has ended unasked, and its policy is being asked what to do.
 * - `backing-off`: its next start waits for the time that its schedule gave.
 */
export type Phase = "idle" | "starting" | "ready" | "stopping" | "deciding" | "backing-off"

/** Why a child stays down until somebody asks for its start. */
export type Rest = Extract<Status, "completed" | "stopped" | "paused" | "failed">

export interface Child {
  readonly plan: ChildPlan
  /** Grows from child to child in the order in which they were given. */
  readonly position: number
  readonly phase: Phase
  /** `undefined`: it is to run. */
  readonly rest: Rest | undefined
  /** The group restart that it takes part in: it goes down, and up again as soon as all of the group are down. */
  readonly group: number | undefined
  /** It goes down, and up again: a restart on request. */
  readonly again: boolean
  /** It may not run now: it is at rest, it is being restarted, or something that it requires is missing. */
  readonly barred: boolean
  /** Those after it need not wait for it: it is ready and stays so, or it is at rest, and those before it let pass too. */
  readonly passed: boolean
  /** It goes down, or waits for one after it that does: whoever goes down before it in the list has to wait for that. */
  readonly holding: boolean
  /** How many of those after it are `holding`. */
  readonly holders: number
  /** How many of those that require it are up. */
  readonly users: number
  /** Of its latest start; the first is 1. What tells of an earlier one is out of date. */
  readonly incarnation: number
  /** It ended as it should, the last time that it did so unasked. */
  readonly completed: boolean
  /** It has been ready at some time. */
  readonly provided: boolean
  readonly waiters: ReadonlyArray<Waiter>
}

/** Somebody who waits for what was asked for. */
export interface Waiter {
  readonly request: number
  readonly for: "up" | "down" | "removal"
}

/** How a tree ends. `failed`: the child that gave up, and why. */
export type End =
  | { readonly _tag: "Stopped" }
  | { readonly _tag: "Significant"; readonly id: string }
  | { readonly _tag: "Failed"; readonly id: string; readonly why: GivenUp }

export type GivenUp = "policy" | "intensity"

export interface State {
  readonly plan: Omit<TreePlan, "children">
  readonly children: HashMap.HashMap<string, Child>
  /** Who waits for whom: the children that have the key in their `after`. */
  readonly dependents: HashMap.HashMap<string, ReadonlyArray<string>>
  /** Members of a group restart that are not down yet. */
  readonly groups: ReadonlyMap<number, number>
  /** The times of restarts that count. */
  readonly restarts: Window
  readonly begun: boolean
  /** Children that are to run and are not ready. */
  readonly unready: number
  /** Children of which something runs. */
  readonly up: number
  /** Significant children that have not ended for good. */
  readonly significant: number
  readonly allReady: boolean
  readonly end: End | undefined
  readonly finished: boolean
  readonly nextPosition: number
  readonly nextGroup: number
}

/** What a policy has decided about a child that ended. Delays are milliseconds. */
export type Verdict =
  | { readonly _tag: "Restart"; readonly delay: number }
  /** All siblings too, whatever the strategy. */
  | { readonly _tag: "RestartGroup"; readonly delay: number }
  /** It ended as it should, for good. */
  | { readonly _tag: "Complete" }
  /** It stays down. */
  | { readonly _tag: "Rest"; readonly rest: "stopped" | "paused" | "failed" }
  /** The tree fails with it. */
  | { readonly _tag: "GiveUp" }

/** What happens. `now` is in milliseconds of a monotonic clock. */
export type Input =
  | { readonly _tag: "Begin" }
  | { readonly _tag: "Ready"; readonly id: string; readonly incarnation: number }
  /** Nothing of this incarnation runs any more. `completed`: it ended as it should, which may be for good. */
  | { readonly _tag: "Ended"; readonly id: string; readonly incarnation: number; readonly completed?: boolean }
  | {
      readonly _tag: "Decided"
      readonly id: string
      readonly incarnation: number
      readonly verdict: Verdict
      readonly now: number
    }
  | { readonly _tag: "Elapsed"; readonly id: string; readonly incarnation: number }
  | {
      readonly _tag: "Ask"
      readonly request: number
      readonly id: string
      readonly what: "start" | "stop" | "restart" | "remove"
    }
  | { readonly _tag: "Add"; readonly request: number; readonly child: ChildPlan }
  | { readonly _tag: "Shutdown" }

/** Why a request was not fulfilled. */
export type Refusal = "unknown" | "duplicate" | "needed" | "down" | "ending"

/** What is to be done, in this order. */
export type Action =
  | { readonly _tag: "Start"; readonly id: string; readonly incarnation: number }
  | { readonly _tag: "Stop"; readonly id: string; readonly incarnation: number }
  /** Ask its policy, and answer by `Decided`. */
  | { readonly _tag: "Decide"; readonly id: string; readonly incarnation: number }
  /** Answer by `Elapsed` after so many milliseconds. */
  | { readonly _tag: "Wait"; readonly id: string; readonly incarnation: number; readonly delay: number }
  /** No answer to `Decide` or `Wait` is needed any more. */
  | { readonly _tag: "Forget"; readonly id: string; readonly incarnation: number }
  | { readonly _tag: "Changed"; readonly id: string; readonly incarnation: number; readonly status: Status }
  | { readonly _tag: "Added"; readonly id: string }
  /** Its name is free: what is said of it from now on must not be taken for that of another who is added by this name. */
  | { readonly _tag: "Removed"; readonly id: string }
  /** Every child that is to run is ready, for the first time. */
  | { readonly _tag: "AllReady" }
  | { readonly _tag: "Ending"; readonly end: End }
  /** Nothing runs any more, and nothing will. */
  | { readonly _tag: "Finished"; readonly end: End }
  | { readonly _tag: "Answer"; readonly request: number; readonly refusal: Refusal | undefined }
