/**
 * A state on its way to the next one, and the actions that the way has come to: what can be done to a child, and to all of them.
 * What follows from it for the neighbours, `settle` finds out: it looks at those who were touched.
 *
 * @internal
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Status } from "../../SupervisorEvent.ts"
import type { Action, Child, End, Refusal, Rest, State, Waiter } from "./model.ts"

/** Whether something of it runs. */
export const isUp = ({ phase }: Child): boolean => phase === "starting" || phase === "ready" || phase === "stopping"

export const statusOf = ({ phase, rest }: Child): Status => (phase !== "idle" ? phase : (rest ?? "waiting"))

const isUnready = ({ phase, rest }: Child): boolean => rest === undefined && phase !== "ready"

const isActive = ({ plan, rest }: Child): boolean => plan.significant && rest === undefined

/** Whether those after it have to look again. A child that is ready and may not run any more lets nobody pass either. */
const looksOther = (a: Child, b: Child): boolean => a.phase !== b.phase || a.rest !== b.rest || a.passed !== b.passed

const none: ReadonlyArray<string> = []

/** What is to be done to each of many children. */
export interface Bulk {
  readonly children: ReadonlyArray<Child>
  readonly visit: (draft: Draft, child: Child) => void
}

export class Draft {
  readonly #actions: Array<Action> = []
  readonly #answers: Array<Action> = []
  #touched: Array<Child> = []
  /** Done before anything is settled. */
  readonly bulks: Array<Bulk> = []
  readonly #origin: State
  /** The next state, but for its children. */
  #next: State
  /** The children that have been looked at, as they are now: most steps look at few of them again and again. */
  readonly #known = new Map<string, Child>()
  /** One may be in it several times. */
  readonly #changed: Array<string> = []

  constructor(state: State) {
    this.#origin = state
    this.#next = state
  }

  /** All but the children. */
  get state(): Omit<State, "children"> {
    return this.#next
  }

  /** Answers come last: whoever gets one finds everything else done and told. */
  get actions(): ReadonlyArray<Action> {
    return this.#answers.length === 0 ? this.#actions : [...this.#actions, ...this.#answers]
  }

  /** The next state; the one that there was, where nothing has changed. */
  get result(): State {
    const [first] = this.#changed
    if (first === undefined) return this.#next
    const { children } = this.#next
    // Most steps change one child.
    if (this.#changed.length === 1) return { ...this.#next, children: this.#put(children, first) }
    const changed = HashMap.mutate(children, (children) => {
      for (const id of this.#changed) this.#put(children, id)
    })
    return { ...this.#next, children: changed }
  }

  #put(children: State["children"], id: string): State["children"] {
    const child = this.#known.get(id)
    return child === undefined ? children : HashMap.set(children, id, child)
  }

  /** Those for whom something may have changed since the last time, one or more times each. */
  takeTouched(): ReadonlyArray<Child> {
    const touched = this.#touched
    if (touched.length > 0) this.#touched = []
    return touched
  }

  touchAll(): void {
    this.#touched = Array.from(HashMap.values(this.#next.children))
  }

  update(change: Partial<State>): void {
    // A copy of its own once, and that is changed until it is handed out.
    if (this.#next === this.#origin) this.#next = { ...this.#origin, ...change }
    else Object.assign(this.#next, change)
  }

  act(action: Action): void {
    this.#actions.push(action)
  }

  find(id: string): Child | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const child = Option.getOrUndefined(HashMap.get(this.#next.children, id))
    if (child !== undefined) this.#known.set(id, child)
    return child
  }

  /** All children, in their order: costs a sort, so it is only for what concerns all of them. */
  get all(): ReadonlyArray<Child> {
    const children = Array.from(HashMap.values(this.#next.children), (child) => this.#known.get(child.plan.id) ?? child)
    return children.sort((a, b) => a.position - b.position)
  }

  dependentsOf(id: string): ReadonlyArray<string> {
    return Option.getOrUndefined(HashMap.get(this.#next.dependents, id)) ?? none
  }

  /** Changes a child as it is now, keeps the counters right, and tells a change of its status. */
  set({ plan: { after, id } }: Child, change: Partial<Child>): void {
    const child = this.find(id)
    if (child === undefined) return
    const next = { ...child, ...change }
    this.#known.set(id, next)
    if (this.#changed.at(-1) !== id) this.#changed.push(id)
    if (this.#touched.at(-1)?.position !== next.position) this.#touched.push(next)
    if (!looksOther(child, next)) return
    const isUpMore = this.#count(child, next)
    const status = statusOf(next)
    if (status !== statusOf(child)) this.act({ _tag: "Changed", id, incarnation: next.incarnation, status })
    for (const dependent of this.dependentsOf(id)) {
      const touched = this.find(dependent)
      if (touched !== undefined) this.#touched.push(touched)
    }
    if (isUpMore === 0) return
    for (const { gate, on } of after) {
      if (gate === "alive") this.change(on, ({ users }) => ({ users: users + isUpMore }))
    }
  }

  /** Whether one more is up, or one less. */
  #count(before: Child, after: Child): number {
    const upMore = Number(isUp(after)) - Number(isUp(before))
    const unreadyMore = Number(isUnready(after)) - Number(isUnready(before))
    const significantMore = Number(isActive(after)) - Number(isActive(before))
    if (upMore !== 0 || unreadyMore !== 0 || significantMore !== 0) {
      const { significant, unready, up } = this.#next
      this.update({ significant: significant + significantMore, unready: unready + unreadyMore, up: up + upMore })
    }
    return upMore
  }

  change(id: string, f: (child: Child) => Partial<Child>): void {
    const child = this.find(id)
    if (child !== undefined) this.set(child, f(child))
  }

  answer(request: number, refusal?: Refusal): void {
    this.#answers.push({ _tag: "Answer", request, refusal })
  }

  await(child: Child, waiter: Waiter): void {
    this.change(child.plan.id, ({ waiters }) => ({ waiters: [...waiters, waiter] }))
  }

  /** Answers those who wait for one thing of a child, and keeps the others waiting. */
  answerWaiters(child: Child, what: Waiter["for"], refusal?: Refusal): void {
    const waiters = this.find(child.plan.id)?.waiters
    if (waiters === undefined || waiters.length === 0) return
    const rest = waiters.filter((waiter) => waiter.for !== what)
    if (rest.length === waiters.length) return
    for (const waiter of waiters) {
      if (waiter.for === what) this.answer(waiter.request, refusal)
    }
    this.set(child, { waiters: rest })
  }

  /** It is to stay down. Who waits for it to be up is told so; if it has completed, that is as good. */
  rest(child: Child, rest: Rest, refusal: Refusal | undefined = rest === "completed" ? undefined : "down"): void {
    this.answerWaiters(child, "up", refusal)
    this.set(child, { rest })
  }

  /** Nothing of it runs any more, and nothing of it is waited for. */
  down({ plan: { id } }: Child): void {
    const child = this.find(id)
    if (child === undefined || child.phase === "idle") return
    this.set(child, { phase: "idle", again: false })
    if (child.group !== undefined) this.#oneLess(child.group)
  }

  /** Neither its policy nor the time of its schedule is waited for any more. */
  forget(child: Child): void {
    this.act({ _tag: "Forget", id: child.plan.id, incarnation: child.incarnation })
    this.down(child)
  }

  /** All of them go down, and none starts before all are. What has completed among them is done again. */
  regroup(members: ReadonlyArray<Child>): void {
    // Those who go down together already, for another member's sake, go on together with these.
    const merged = new Set(members.map(({ group }) => group).filter((group) => group !== undefined))
    const others = merged.size === 0 ? [] : this.all.filter(({ group }) => group !== undefined && merged.has(group))
    const group = this.#next.nextGroup
    const all = new Map([...members, ...others].map((child) => [child.plan.id, child]))
    const groups = new Map(this.#next.groups)
    for (const old of merged) groups.delete(old)
    groups.set(group, [...all.values()].filter(({ phase }) => phase !== "idle").length)
    this.update({ groups, nextGroup: group + 1 })
    for (const child of all.values()) this.set(child, { group })
    for (const child of members) this.set(child, { rest: undefined })
  }

  /** When the last of a group is down, all of it may start. */
  #oneLess(group: number): void {
    const groups = new Map(this.#next.groups)
    const left = (groups.get(group) ?? 1) - 1
    if (left > 0) groups.set(group, left)
    else groups.delete(group)
    this.update({ groups })
    if (left > 0) return
    for (const child of this.all) {
      if (child.group === group) this.set(child, { group: undefined })
    }
  }

  /** The tree ends: everything goes down, for good. */
  end(end: End): void {
    if (this.#next.end !== undefined) return
    this.update({ end })
    this.act({ _tag: "Ending", end })
    this.bulks.push({ children: this.all, visit: stopForGood })
  }

  add(child: Child): void {
    const { id, after } = child.plan
    const { children, dependents, nextPosition, significant, unready } = this.#next
    this.update({
      children: HashMap.set(children, id, child),
      dependents: after.reduce(
        (all, { on }) => HashMap.modifyAt(all, on, (ids) => Option.some([...Option.getOrElse(ids, () => none), id])),
        dependents
      ),
      nextPosition: nextPosition + 1,
      unready: unready + Number(isUnready(child)),
      significant: significant + Number(isActive(child))
    })
    this.act({ _tag: "Added", id })
  }

  /** Of a child that is at rest, and that nobody comes after. */
  remove(child: Child): void {
    const { after, id } = child.plan
    this.answerWaiters(child, "removal")
    const dependents = after.reduce(
      (all, { on }) => HashMap.modify(all, on, (ids) => ids.filter((each) => each !== id)),
      HashMap.remove(this.#next.dependents, id)
    )
    this.#known.delete(id)
    this.update({ children: HashMap.remove(this.#next.children, id), dependents })
    this.act({ _tag: "Removed", id })
  }
}

const stopForGood: Bulk["visit"] = (draft, child) => {
  if (child.rest === undefined) draft.rest(child, "stopped", "ending")
}
