/**
 * Lets everything happen that can. What may happen to a child next follows from its own state and from that of its neighbours, so
 * four passes look at those for whom something may have changed, again and again until nothing moves:
 *
 * 1. from the first child to the last: who may not run, and who lets pass;
 * 2. from the last to the first: who has to wait with its stop for one after it;
 * 3. from the last to the first: stops, and the answers to those who waited;
 * 4. from the first to the last: starts.
 *
 * A pass has nothing left to do before the next one begins: nobody is told to stop before it is known who else goes down, and
 * nobody starts before all who have to stop are told so.
 *
 * @internal
 */
import { type Bulk, type Draft, isUp } from "./draft.ts"
import type { Child } from "./model.ts"
import type { Dependency } from "./plan.ts"

interface Pass {
  readonly visit: Bulk["visit"]
  /** By position: 1 for first to last. */
  readonly direction: 1 | -1
}

/** All of it at once would hold up everybody else where there are thousands of children, so it can be done in slices. */
export class Settlement {
  readonly #draft: Draft
  /** Those whom each pass has still to look at, as they were at some time: their places do not change. */
  readonly #pending: Array<ReadonlyArray<Child>> = passes.map(() => nobody)
  /** Who is being visited, and how many of them have been. */
  #children: ReadonlyArray<Child> = nobody
  #visited = 0
  #visit: Bulk["visit"] = bar

  constructor(draft: Draft) {
    this.#draft = draft
  }

  /** Visits so many children, and tells how many of these visits were left over: none while there is more to do. */
  advance(visits: number): number {
    for (let left = visits; left > 0; left--) {
      if (this.#visited >= this.#children.length && !this.#begin()) {
        conclude(this.#draft)
        return left
      }
      const place = this.#children[this.#visited++]
      // As it is after the visits to the others.
      const child = place === undefined ? undefined : this.#draft.find(place.plan.id)
      if (child !== undefined) this.#visit(this.#draft, child)
    }
    return 0
  }

  /** Begins the next round, if there is one: what is to be done to many, then the first pass with something to do. */
  #begin(): boolean {
    const bulk = this.#draft.bulks.shift()
    if (bulk !== undefined) return this.#visitAll(bulk.children, bulk.visit)
    const touched = this.#draft.takeTouched()
    if (touched.length > 0) this.#pending[0] = touched
    for (let index = 0; index < passes.length; index++) {
      const pass = passes[index]
      const children = this.#pending[index]
      if (pass === undefined || children === undefined || children.length === 0) continue
      this.#pending[index] = nobody
      const all = inOrder(children, pass.direction)
      // Whom it looks at, those after it look at too.
      const next = this.#pending[index + 1]
      if (next !== undefined) this.#pending[index + 1] = next.length === 0 ? all : [...next, ...all]
      return this.#visitAll(all, pass.visit)
    }
    return false
  }

  #visitAll(children: ReadonlyArray<Child>, visit: Bulk["visit"]): true {
    this.#children = children
    this.#visited = 0
    this.#visit = visit
    return true
  }
}

const nobody: ReadonlyArray<Child> = []

/** Each of them once. */
const inOrder = (children: ReadonlyArray<Child>, direction: Pass["direction"]): ReadonlyArray<Child> => {
  const [first, second] = children
  if (second === undefined) return children
  // Most steps look at one child again and again.
  if (children.length === 2 && first?.position === second.position) return [second]
  const sorted = children.toSorted((a, b) => direction * (a.position - b.position))
  return sorted.filter(({ position }, index) => position !== sorted[index - 1]?.position)
}

const conclude = (draft: Draft): void => {
  const { allReady, begun, end, finished, unready, up } = draft.state
  if (begun && !allReady && unready === 0 && end === undefined) {
    draft.update({ allReady: true })
    draft.act({ _tag: "AllReady" })
  }
  if (end !== undefined && !finished && up === 0) {
    draft.update({ finished: true })
    draft.act({ _tag: "Finished", end })
  }
}

const bar = (draft: Draft, child: Child): void => {
  const { after } = child.plan
  const barred =
    child.rest !== undefined ||
    child.group !== undefined ||
    child.again ||
    after.some(({ gate, on }) => gate === "alive" && !isAlive(draft.find(on)))
  const passed =
    child.phase === "ready"
      ? !barred
      : child.phase === "idle" && child.rest !== undefined && after.every(({ on }) => draft.find(on)?.passed)
  if (barred !== child.barred || passed !== child.passed) draft.set(child, { barred, passed })
}

/** Whether those that require it may run. */
const isAlive = (child: Child | undefined): boolean => {
  switch (child?.phase) {
    case "ready":
      return !child.barred
    case "deciding":
      // It may have completed for good, which is no loss: that is what its policy is being asked.
      return child.completed
    case "idle":
      // One that has completed has done what it was for.
      return child.rest === "completed"
    default:
      return false
  }
}

const weigh = (draft: Draft, child: Child): void => {
  const holding = isUp(child) ? child.barred : child.holders > 0
  if (holding === child.holding) return
  draft.set(child, { holding })
  for (const { on } of child.plan.after) {
    draft.change(on, ({ holders }) => ({ holders: holders + (holding ? 1 : -1) }))
  }
}

const stop = (draft: Draft, child: Child): void => {
  const { barred, holders, incarnation, phase, plan, rest } = child
  switch (phase) {
    case "starting":
    case "ready":
      // In the reverse of the order of starts: those after it that go down too are down first.
      if (barred && holders === 0) {
        draft.set(child, { phase: "stopping" })
        draft.act({ _tag: "Stop", id: plan.id, incarnation })
      } else if (!barred && phase === "ready") draft.answerWaiters(child, "up")
      break
    case "deciding":
    case "backing-off":
      // A restart that is granted to a member of a group is waited for by the others; one at rest has no use for it.
      if (rest !== undefined) draft.forget(child)
      break
    case "idle":
      draft.answerWaiters(child, "down")
      if (child.waiters.some((waiter) => waiter.for === "removal")) draft.remove(child)
      break
    case "stopping":
      break
  }
}

const start = (draft: Draft, child: Child): void => {
  const { barred, phase, plan, users } = child
  // Those that cannot do without it have to notice that it was gone.
  if (barred || phase !== "idle" || users > 0 || !draft.state.begun) return
  if (!plan.after.every((dependency) => isOpen(draft, dependency))) return
  const incarnation = child.incarnation + 1
  draft.set(child, { phase: "starting", incarnation })
  draft.act({ _tag: "Start", id: plan.id, incarnation })
}

/** Whether a dependency lets start. What has to be alive is so: else the child were barred. */
const isOpen = (draft: Draft, { gate, on }: Dependency): boolean => {
  const other = draft.find(on)
  return other?.passed === true && (gate !== "value" || other.provided || other.rest === "completed")
}

const passes: ReadonlyArray<Pass> = [
  { visit: bar, direction: 1 },
  { visit: weigh, direction: -1 },
  { visit: stop, direction: -1 },
  { visit: start, direction: 1 }
]
