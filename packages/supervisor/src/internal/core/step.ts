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
import type { Action, Child, Input, Refusal, State, Verdict } from "./model.ts"
import type { ChildPlan, TreePlan } from "./plan.ts"

const newChild = (plan: ChildPlan, position: number): Child => ({
  plan,
  position,
  phase: "idle",
  rest: undefined,
  group: undefined,
  again: false,
  barred: false,
  incarnation: 0,
  provided: false,
  waiters: []
})

const withDependents = (
  dependents: HashMap.HashMap<string, ReadonlyArray<string>>,
  { after, id }: ChildPlan
): HashMap.HashMap<string, ReadonlyArray<string>> =>
  after.reduce((all, { on }) => {
    const known = HashMap.has(all, on) ? HashMap.getUnsafe(all, on) : []
    return HashMap.set(all, on, [...known, id])
  }, dependents)

/** A tree of which nothing runs yet. The plan has been validated: names are unique, and `after` has earlier ones only. */
export const initial = ({ children, ...plan }: TreePlan): State => ({
  plan,
  children: HashMap.fromIterable(children.map((child, index) => [child.id, newChild(child, index)])),
  dependents: children.reduce(withDependents, HashMap.empty<string, ReadonlyArray<string>>()),
  groups: new Map(),
  restarts: [],
  begun: false,
  unready: children.length,
  up: 0,
  significant: children.filter(({ significant }) => significant).length,
  allReady: false,
  end: undefined,
  finished: false,
  nextPosition: children.length,
  nextGroup: 0
})

export const step = (state: State, input: Input): readonly [State, ReadonlyArray<Action>] => {
  const draft = new Draft(state)
  apply(draft, input)
  draft.settle()
  return [draft.state, draft.actions]
}

const apply = (draft: Draft, input: Input): void => {
  switch (input._tag) {
    case "Begin":
      draft.update({ begun: true })
      for (const { plan } of draft.all) draft.mark(plan.id)
      break
    case "Ready":
      whenCurrent(draft, input, (child) => onReady(draft, child))
      break
    case "Ended":
      whenCurrent(draft, input, (child) => onEnded(draft, child))
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

const onReady = (draft: Draft, child: Child): void => {
  if (child.phase === "starting") draft.answerWaiters(draft.set(child, { phase: "ready", provided: true }), "up")
}

const onEnded = (draft: Draft, child: Child): void => {
  const { id } = child.plan
  const { incarnation } = child
  // One that was to go down has done so, asked or not.
  if (child.phase === "stopping" || (child.barred && isUp(child))) {
    // OTP: a temporary child that a sibling's restart has stopped is not started again.
    const leaves = child.plan.restart === "never" && child.group !== undefined && child.rest === undefined
    draft.down(leaves ? draft.rest(child, "stopped") : child)
  } else if (isUp(child)) {
    draft.set(child, { phase: "deciding" })
    draft.act({ _tag: "Decide", id, incarnation })
  }
}

const onVerdict = (draft: Draft, child: Child, verdict: Verdict, now: number): void => {
  const { id, significant } = child.plan
  switch (verdict._tag) {
    case "Restart":
    case "RestartGroup":
      if (countRestart(draft, child, now)) restart(draft, child, verdict)
      else draft.end({ _tag: "Failed", id, why: "intensity" })
      break
    case "Complete":
      draft.down(draft.rest(child, "completed"))
      endWith(draft, id, significant)
      break
    case "Rest":
      draft.down(draft.rest(child, verdict.rest))
      // OTP: the end of a temporary significant child counts, however it ended.
      endWith(draft, id, significant && verdict.rest === "failed" && child.plan.restart === "never")
      break
    case "GiveUp":
      draft.down(draft.rest(child, "failed"))
      draft.end({ _tag: "Failed", id, why: "policy" })
      break
  }
}

const endWith = (draft: Draft, id: string, significant: boolean): void => {
  if (!significant) return
  if (draft.state.plan.autoShutdown === "any" || draft.state.significant === 0) draft.end({ _tag: "Significant", id })
}

/** Whether one more restart is within the intensity. */
const countRestart = (draft: Draft, child: Child, now: number): boolean => {
  if (!child.plan.counted) return true
  const { restarts: limit, within } = draft.state.plan.intensity
  const recent = [...draft.state.restarts.filter((time) => time >= now - within), now]
  draft.update({ restarts: recent })
  return recent.length <= limit
}

type RestartVerdict = Extract<Verdict, { readonly delay: number }>

const restart = (draft: Draft, child: Child, { _tag, delay }: RestartVerdict): void => {
  const { id } = child.plan
  const { incarnation } = child
  const members = _tag === "RestartGroup" ? draft.all : affected(draft, child)
  let waiting = child
  if (delay > 0) {
    waiting = draft.set(child, { phase: "backing-off" })
    draft.act({ _tag: "Wait", id, incarnation, delay })
  }
  if (members.length > 1) {
    draft.regroup(members.map((member) => draft.find(member.plan.id) ?? member).filter((member) => isRestarted(member)))
    waiting = draft.find(id) ?? waiting
  }
  if (delay <= 0) draft.down(waiting)
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
    const resting = child.rest === undefined ? draft.rest(child, "stopped") : child
    draft.set(resting, { waiters: [...resting.waiters, { request, for: what === "stop" ? "down" : "removal" }] })
  } else if (what === "start" && child.phase === "ready" && !child.barred) {
    draft.answer(request)
  } else {
    const waiters = [...child.waiters, { request, for: "up" } as const]
    // A restart that is under way for another who asked is this one's too.
    const joins = child.waiters.some((waiter) => waiter.for === "up")
    const woken = draft.wake(cutShort(draft, child))
    draft.set(woken, { waiters, again: woken.again || (what === "restart" && !joins && isUp(woken)) })
  }
}

const refusalOf = (draft: Draft, child: Child | undefined, what: Ask["what"]): Refusal | undefined => {
  if (child === undefined) return "unknown"
  if (what === "remove") return draft.dependentsOf(child.plan.id).length > 0 ? "needed" : undefined
  return what !== "stop" && draft.state.end !== undefined ? "ending" : undefined
}

/** Somebody asks for its start: neither its policy nor the time of its schedule is waited for. */
const cutShort = (draft: Draft, child: Child): Child => {
  if (child.phase !== "deciding" && child.phase !== "backing-off") return child
  draft.act({ _tag: "Forget", id: child.plan.id, incarnation: child.incarnation })
  return draft.down(child)
}

const onAdd = (draft: Draft, request: number, plan: ChildPlan): void => {
  const refusal = refusalToAdd(draft, plan)
  if (refusal !== undefined) {
    draft.answer(request, refusal)
    return
  }
  const { children, dependents, nextPosition, significant, unready } = draft.state
  const child: Child = { ...newChild(plan, nextPosition), waiters: [{ request, for: "up" }] }
  draft.update({
    children: HashMap.set(children, plan.id, child),
    dependents: withDependents(dependents, plan),
    nextPosition: nextPosition + 1,
    unready: unready + 1,
    significant: significant + Number(plan.significant)
  })
  draft.act({ _tag: "Added", id: plan.id })
  draft.mark(plan.id)
}

const refusalToAdd = (draft: Draft, { after, id }: ChildPlan): Refusal | undefined => {
  if (draft.state.end !== undefined) return "ending"
  if (draft.find(id) !== undefined) return "duplicate"
  return after.every(({ on }) => draft.find(on) !== undefined) ? undefined : "unknown"
}
