/**
 * What a supervisor does: a function from its state and from what happens to its next state and to what is to be done. No Effect,
 * no clock, no processes.
 *
 * The rules of restarts are OTP's (stdlib, `supervisor`): who is restarted with whom, in which order, and how many restarts in
 * how much time are too many.
 *
 * @internal
 */
import * as HashMap from "effect/HashMap"
import { Draft, isUp } from "./draft.ts"
import type { Action, Child, GivenUp, Input, Refusal, Rest, State, Verdict } from "./model.ts"
import type { ChildPlan, TreePlan } from "./plan.ts"
import { Settlement } from "./settle.ts"
import * as Window from "./window.ts"

const newChild = (plan: ChildPlan, position: number): Child => ({
  plan,
  position,
  phase: "idle",
  rest: undefined,
  group: undefined,
  again: false,
  barred: false,
  passed: false,
  holding: false,
  holders: 0,
  users: 0,
  incarnation: 0,
  completed: false,
  provided: false,
  waiters: []
})

/** A tree of which nothing runs yet. The plan has been validated: names are unique, and `after` has earlier ones only. */
export const initial = ({ children, ...plan }: TreePlan): State => {
  const dependents = new Map<string, Array<string>>()
  for (const { after, id } of children) {
    for (const { on } of after) {
      const known = dependents.get(on)
      if (known === undefined) dependents.set(on, [id])
      else known.push(id)
    }
  }
  return {
    plan,
    children: HashMap.fromIterable(children.map((child, index) => [child.id, newChild(child, index)])),
    dependents: HashMap.fromIterable(dependents),
    groups: new Map(),
    restarts: Window.empty,
    begun: false,
    unready: children.length,
    up: 0,
    significant: children.filter(({ significant }) => significant).length,
    allReady: false,
    end: undefined,
    finished: false,
    nextPosition: children.length,
    nextGroup: 0
  }
}

/** What an input leads to: the next state, and what is to be done. */
export type Outcome = readonly [State, ReadonlyArray<Action>]

/** A step that can be taken in slices. What comes of it does not depend on them. */
export class Step {
  readonly input: Input
  readonly #draft: Draft
  readonly #settlement: Settlement

  constructor(state: State, input: Input) {
    this.input = input
    this.#draft = new Draft(state)
    apply(this.#draft, input)
    this.#settlement = new Settlement(this.#draft)
  }

  /** Looks at so many children, and tells how many of these looks were left over: none while there is more to do. */
  advance(visits: number): number {
    return this.#settlement.advance(visits)
  }

  /** When it is done. */
  get outcome(): Outcome {
    return [this.#draft.result, this.#draft.actions]
  }
}

export const step = (state: State, input: Input): Outcome => {
  const step = new Step(state, input)
  step.advance(Number.POSITIVE_INFINITY)
  return step.outcome
}

const apply = (draft: Draft, input: Input): void => {
  switch (input._tag) {
    case "Begin":
      draft.update({ begun: true })
      draft.touchAll()
      break
    case "Ready":
      whenCurrent(draft, input, (child) => {
        if (child.phase === "starting") draft.set(child, { phase: "ready", provided: true })
      })
      break
    case "Ended":
      whenCurrent(draft, input, (child) => onEnded(draft, child, input.completed === true))
      break
    case "Decided":
      whenCurrent(draft, input, (child) => {
        if (child.phase === "deciding") onVerdict(draft, child, input.verdict, input.now)
      })
      break
    case "Elapsed":
      whenCurrent(draft, input, (child) => {
        if (child.phase === "backing-off") draft.down(child)
      })
      break
    case "Ask":
      onRequest(draft, input)
      break
    case "Add":
      onAdd(draft, input.request, input.child)
      break
    case "Shutdown":
      draft.end({ _tag: "Stopped" })
      break
  }
}

/** What tells of an earlier incarnation is out of date. */
const whenCurrent = (
  draft: Draft,
  { id, incarnation }: { readonly id: string; readonly incarnation: number },
  use: (child: Child) => void
): void => {
  const child = draft.find(id)
  if (child !== undefined && child.incarnation === incarnation) use(child)
}

const onEnded = (draft: Draft, child: Child, completed: boolean): void => {
  const { barred, group, incarnation, phase, plan, waiters } = child
  if (!isUp(child)) return
  if (phase !== "stopping" && !barred) {
    draft.set(child, { phase: "deciding", completed })
    draft.act({ _tag: "Decide", id: plan.id, incarnation })
    return
  }
  // It was to go down, and has done so, asked or not. OTP: a sibling's restart stops a temporary child and does not start it
  // again; here, unless somebody waits for it.
  const isDone = plan.restart === "never" && group !== undefined && !waiters.some((waiter) => waiter.for === "up")
  if (isDone) draft.rest(child, "stopped")
  draft.down(child)
}

const onVerdict = (draft: Draft, child: Child, verdict: Verdict, now: number): void => {
  const { id, restart: rule, significant } = child.plan
  switch (verdict._tag) {
    case "Restart":
    case "RestartGroup":
      // OTP: one that ended before its siblings' restart took it in is restarted with them; that is one restart.
      if (child.group !== undefined || countRestart(draft, child, now)) restart(draft, child, verdict)
      else fail(draft, child, "intensity")
      break
    case "Complete":
      goDown(draft, child, "completed")
      if (significant) endWith(draft, id)
      // In a group restart what has completed is done again, whether it is known to have completed sooner or later.
      if (child.group !== undefined && rule !== "never" && draft.state.end === undefined) {
        draft.set(child, { rest: undefined })
      }
      break
    case "Rest":
      goDown(draft, child, verdict.rest)
      // OTP: the end of a temporary significant child counts, however it ended.
      if (significant && verdict.rest === "failed" && rule === "never") endWith(draft, id)
      break
    case "GiveUp":
      fail(draft, child, "policy")
      break
  }
}

const goDown = (draft: Draft, child: Child, rest: Rest): void => {
  draft.rest(child, rest)
  draft.down(child)
}

const fail = (draft: Draft, child: Child, why: GivenUp): void => {
  goDown(draft, child, "failed")
  draft.end({ _tag: "Failed", id: child.plan.id, why })
}

/** A significant child has ended for good. */
const endWith = (draft: Draft, id: string): void => {
  if (draft.state.plan.autoShutdown === "any" || draft.state.significant === 0) draft.end({ _tag: "Significant", id })
}

/** Whether one more restart is within the intensity. */
const countRestart = (draft: Draft, child: Child, now: number): boolean => {
  if (!child.plan.counted) return true
  const { restarts: limit, within } = draft.state.plan.intensity
  const restarts = Window.add(draft.state.restarts, now, within)
  draft.update({ restarts })
  return restarts.count <= limit
}

type RestartVerdict = Extract<Verdict, { readonly delay: number }>

const restart = (draft: Draft, child: Child, { _tag, delay }: RestartVerdict): void => {
  const { incarnation, plan } = child
  const members = _tag === "RestartGroup" ? draft.all : affected(draft, child)
  if (members.length > 1) draft.regroup(members.filter(isRestarted))
  if (delay > 0) {
    draft.set(child, { phase: "backing-off" })
    draft.act({ _tag: "Wait", id: plan.id, incarnation, delay })
  } else {
    draft.down(child)
  }
}

/** Who stays down stays so; what has completed is done again, unless it is to happen once only. */
const isRestarted = ({ plan, rest }: Child): boolean =>
  rest === undefined || (rest === "completed" && plan.restart !== "never")

/** The child, and who is restarted with it. */
const affected = (draft: Draft, child: Child): ReadonlyArray<Child> => {
  switch (draft.state.plan.strategy) {
    case "one-for-one":
      return [child]
    case "one-for-all":
      return draft.all
    case "rest-for-one":
      return draft.all.filter(({ position }) => position >= child.position)
  }
}

type Ask = Extract<Input, { readonly _tag: "Ask" }>

const onRequest = (draft: Draft, { id, request, what }: Ask): void => {
  const child = draft.find(id)
  const refusal = refusalOf(draft, child, what)
  if (child === undefined || refusal !== undefined) {
    draft.answer(request, refusal)
  } else if (what === "stop" || what === "remove") {
    if (child.rest === undefined) draft.rest(child, "stopped")
    draft.await(child, { request, for: what === "stop" ? "down" : "removal" })
  } else {
    // A restart that is under way for another who asked is this one's too. A stop that is under way comes to its end first.
    const isNew = what === "restart" && !child.waiters.some((waiter) => waiter.for === "up")
    const again = child.again || (isUp(child) && (isNew || child.rest !== undefined))
    // Somebody asks for its start: neither its policy nor the time of its schedule is waited for.
    if (child.phase === "deciding" || child.phase === "backing-off") draft.forget(child)
    draft.set(child, { rest: undefined, again })
    draft.await(child, { request, for: "up" })
  }
}

const isLeaving = (child: Child): boolean => child.waiters.some((waiter) => waiter.for === "removal")

const refusalOf = (draft: Draft, child: Child | undefined, what: Ask["what"]): Refusal | undefined => {
  if (child === undefined) return "unknown"
  if (what === "stop") return undefined
  if (draft.state.end !== undefined) return "ending"
  if (what === "remove") return draft.dependentsOf(child.plan.id).length > 0 ? "needed" : undefined
  return isLeaving(child) ? "unknown" : undefined
}

const onAdd = (draft: Draft, request: number, plan: ChildPlan): void => {
  const refusal = refusalToAdd(draft, plan)
  if (refusal !== undefined) {
    draft.answer(request, refusal)
    return
  }
  const child = newChild(plan, draft.state.nextPosition)
  draft.add(child)
  draft.await(child, { request, for: "up" })
}

const refusalToAdd = (draft: Draft, { after, id }: ChildPlan): Refusal | undefined => {
  if (draft.state.end !== undefined) return "ending"
  if (draft.find(id) !== undefined) return "duplicate"
  const others = after.map(({ on }) => draft.find(on))
  return others.some((other) => other === undefined || isLeaving(other)) ? "unknown" : undefined
}
