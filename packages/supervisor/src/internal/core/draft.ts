/**
 * A state on its way to the next one, and the actions that the way has come to.
 *
 * What may happen to a child next follows from its own state and from that of its neighbours. So whatever changes a child marks
 * it, and `settle` looks at those that were marked, and at whom that concerns, until nothing moves any more: stops from the last
 * child to the first, then starts from the first to the last.
 *
 * @internal
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Action, Child, End, Refusal, Rest, State, Status } from "./model.ts"
import type { Dependency } from "./plan.ts"

export const isUp = ({ phase }: Child): boolean => phase === "starting" || phase === "ready" || phase === "stopping"

/** Whether those that wait for it need wait no longer. One that has completed has done what it was for. */
export const isReady = ({ phase, rest }: Child): boolean =>
  phase === "ready" || (phase === "idle" && rest === "completed")

export const statusOf = ({ phase, rest }: Child): Status => (phase !== "idle" ? phase : (rest ?? "waiting"))

const isUnready = ({ phase, rest }: Child): boolean => rest === undefined && phase !== "ready"

const none: ReadonlyArray<string> = []

export class Draft {
  readonly actions: Array<Action> = []
  #state: State
  readonly #marked = new Set<string>()

  constructor(state: State) {
    this.#state = state
  }

  get state(): State {
    return this.#state
  }

  update(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change }
  }

  act(action: Action): void {
    this.actions.push(action)
  }

  find(id: string): Child | undefined {
    return Option.getOrUndefined(HashMap.get(this.#state.children, id))
  }

  /** All children, in their order. */
  get all(): ReadonlyArray<Child> {
    return Array.from(HashMap.values(this.#state.children)).sort((a, b) => a.position - b.position)
  }

  dependentsOf(id: string): ReadonlyArray<string> {
    return Option.getOrElse(HashMap.get(this.#state.dependents, id), () => none)
  }

  mark(id: string): void {
    this.#marked.add(id)
  }

  /** Changes a child; the change of its status is told, and whom it concerns is marked. */
  set(child: Child, change: Partial<Child>): Child {
    const next = { ...child, ...change }
    const state = this.#state
    this.#state = {
      ...state,
      children: HashMap.set(state.children, next.plan.id, next),
      unready: state.unready + Number(isUnready(next)) - Number(isUnready(child)),
      up: state.up + Number(isUp(next)) - Number(isUp(child))
    }
    const status = statusOf(next)
    if (status !== statusOf(child)) {
      this.act({ _tag: "Changed", id: next.plan.id, incarnation: next.incarnation, status })
    }
    this.mark(next.plan.id)
    return next
  }

  answer(request: number, refusal?: Refusal): void {
    this.act({ _tag: "Answer", request, refusal })
  }

  /** Answers those who wait for one thing of a child, and keeps the others waiting. */
  answerWaiters(child: Child, what: "up" | "down" | "removal", refusal?: Refusal): Child {
    const [rest, answered] = [
      child.waiters.filter((waiter) => waiter.for !== what),
      child.waiters.filter((waiter) => waiter.for === what)
    ]
    if (answered.length === 0) return child
    for (const { request } of answered) this.answer(request, refusal)
    return this.set(child, { waiters: rest })
  }

  /** It stays down, for good or until somebody asks for it. */
  rest(child: Child, rest: Rest): Child {
    const settled = this.answerWaiters(child, "up", rest === "completed" ? undefined : "down")
    const ended = settled.rest === undefined && settled.plan.significant ? 1 : 0
    this.update({ significant: this.#state.significant - ended })
    return this.set(settled, { rest, again: false })
  }

  /** It is to run again. */
  wake(child: Child): Child {
    if (child.rest === undefined) return child
    this.update({ significant: this.#state.significant + (child.plan.significant ? 1 : 0) })
    return this.set(child, { rest: undefined })
  }

  /** A child has gone down: nothing of it runs, and nothing of it is waited for. */
  down(child: Child): Child {
    const idle = this.set(child, { phase: "idle", again: false })
    if (child.phase !== "idle" && idle.group !== undefined) this.#oneLess(idle.group)
    const down = this.answerWaiters(this.find(idle.plan.id) ?? idle, "down")
    if (down.waiters.some((waiter) => waiter.for === "removal")) this.#remove(down)
    return down
  }

  /** All of them go down, and none starts before all are. */
  regroup(members: ReadonlyArray<Child>): void {
    // Those who go down together already, for another member's sake, go on together with these.
    const overlapping = new Set(members.map(({ group }) => group).filter((group) => group !== undefined))
    const others =
      overlapping.size === 0 ? [] : this.all.filter(({ group }) => group !== undefined && overlapping.has(group))
    const all = new Map([...members, ...others].map((child) => [child.plan.id, child]))
    const group = this.#state.nextGroup
    const groups = new Map(this.#state.groups)
    for (const old of overlapping) groups.delete(old)
    const left = [...all.values()].filter(({ phase }) => phase !== "idle").length
    if (left > 0) groups.set(group, left)
    this.update({ groups, nextGroup: group + 1 })
    for (const child of all.values()) this.set(this.wake(child), { group: left > 0 ? group : undefined })
  }

  /** The tree ends: everything goes down, and nothing starts any more. */
  end(end: End): void {
    if (this.#state.end !== undefined) return
    this.update({ end })
    this.act({ _tag: "Ending", end })
    for (const child of this.all) {
      this.answerWaiters(child, "up", "ending")
      this.mark(child.plan.id)
    }
  }

  /** Lets everything happen that can. */
  settle(): void {
    while (this.#marked.size > 0) {
      const round = this.#concerned()
      for (const id of round) this.#bar(id)
      for (const id of round.toReversed()) this.#stop(id)
      for (const id of round) this.#start(id)
    }
    const { allReady, begun, end, finished, unready, up } = this.#state
    if (begun && !allReady && unready === 0 && end === undefined) {
      this.update({ allReady: true })
      this.act({ _tag: "AllReady" })
    }
    if (end !== undefined && !finished && up === 0) {
      this.update({ finished: true })
      this.act({ _tag: "Finished", end })
    }
  }

  /** What was marked, its neighbours on both sides, and in the order of the children. */
  #concerned(): ReadonlyArray<string> {
    const ids = new Set(this.#marked)
    for (const id of this.#marked) {
      for (const { on } of this.find(id)?.plan.after ?? []) ids.add(on)
      for (const dependent of this.dependentsOf(id)) ids.add(dependent)
    }
    this.#marked.clear()
    const children = [...ids].map((id) => this.find(id)).filter((child) => child !== undefined)
    return children.sort((a, b) => a.position - b.position).map(({ plan }) => plan.id)
  }

  /** Brings up to date whether it may run. */
  #bar(id: string): void {
    const child = this.find(id)
    if (child === undefined) return
    const barred =
      this.#state.end !== undefined ||
      child.rest !== undefined ||
      child.group !== undefined ||
      child.again ||
      child.plan.after.some((dependency) => dependency.gate === "alive" && !this.#holds(dependency))
    if (barred !== child.barred) this.set(child, { barred })
  }

  #holds({ on }: Dependency): boolean {
    const other = this.find(on)
    return other !== undefined && isReady(other) && (!other.barred || other.rest === "completed")
  }

  #stop(id: string): void {
    const child = this.find(id)
    if (child === undefined || !child.barred) return
    const { incarnation, phase } = child
    // Nothing runs: what was awaited is given up. A restart that a policy grants is another matter: the group waits for it.
    if (
      (phase === "deciding" || phase === "backing-off") &&
      (this.#state.end !== undefined || child.rest !== undefined)
    ) {
      this.act({ _tag: "Forget", id, incarnation })
      this.down(child)
      return
    }
    if (phase === "idle" && (child.again || child.waiters.some((waiter) => waiter.for !== "up"))) {
      this.down(child)
      return
    }
    if (phase !== "starting" && phase !== "ready") return
    // In the reverse of the order of starts: those that came after it and go down too have to be down.
    const last = this.dependentsOf(id).every((dependent) => {
      const other = this.find(dependent)
      return other === undefined || !other.barred || !isUp(other)
    })
    if (!last) return
    this.set(child, { phase: "stopping" })
    this.act({ _tag: "Stop", id, incarnation })
  }

  #start(id: string): void {
    const child = this.find(id)
    if (child === undefined || child.barred || child.phase !== "idle" || !this.#state.begun) return
    if (!child.plan.after.every((dependency) => this.#isOpen(dependency))) return
    // Those that cannot do without it have noticed that it was gone.
    const noticed = this.dependentsOf(id).every((dependent) => {
      const other = this.find(dependent)
      return (
        other === undefined || !isUp(other) || other.plan.after.every(({ gate, on }) => on !== id || gate !== "alive")
      )
    })
    if (!noticed) return
    const incarnation = child.incarnation + 1
    this.set(child, { phase: "starting", incarnation })
    this.act({ _tag: "Start", id, incarnation })
  }

  #isOpen(dependency: Dependency): boolean {
    const other = this.find(dependency.on)
    if (other === undefined) return dependency.gate === "order"
    switch (dependency.gate) {
      case "alive":
        return this.#holds(dependency)
      case "value":
        return isReady(other) || (other.rest !== undefined && other.provided)
      case "order":
        return isReady(other) || (other.rest !== undefined && other.phase === "idle")
    }
  }

  /** When the last of a group is down, all of it may start. */
  #oneLess(group: number): void {
    const groups = new Map(this.#state.groups)
    const left = (groups.get(group) ?? 1) - 1
    if (left > 0) groups.set(group, left)
    else groups.delete(group)
    this.update({ groups })
    if (left > 0) return
    for (const child of this.all) {
      if (child.group === group) this.set(child, { group: undefined })
    }
  }

  #remove(child: Child): void {
    const { id } = child.plan
    this.answerWaiters(child, "up", "unknown")
    this.answerWaiters(this.find(id) ?? child, "removal")
    const gone = this.find(id) ?? child
    let dependents = HashMap.remove(this.#state.dependents, id)
    for (const { on } of gone.plan.after) {
      dependents = HashMap.modify(dependents, on, (ids) => ids.filter((each) => each !== id))
    }
    this.update({
      children: HashMap.remove(this.#state.children, id),
      dependents,
      unready: this.#state.unready - Number(isUnready(gone)),
      significant: this.#state.significant - Number(gone.plan.significant && gone.rest === undefined)
    })
    this.act({ _tag: "Removed", id })
  }
}
