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
import { type Draft, isUp } from "./draft.ts"
import type { Child } from "./model.ts"
import type { Dependency } from "./plan.ts"

interface Pass {
  readonly visit: (draft: Draft, child: Child) => void
  /** By position: 1 for first to last. */
  readonly direction: 1 | -1
  readonly pending: Set<string>
}

const pass = (visit: Pass["visit"], direction: Pass["direction"]): Pass => ({ visit, direction, pending: new Set() })

export const settle = (draft: Draft): void => {
  const passes = [pass(bar, 1), pass(weigh, -1), pass(stop, -1), pass(start, 1)]
  let next: Pass | undefined
  do {
    for (const id of draft.touched) {
      for (const { pending } of passes) pending.add(id)
    }
    draft.touched.clear()
    next = passes.find(({ pending }) => pending.size > 0)
    if (next !== undefined) run(draft, next)
  } while (next !== undefined)
  conclude(draft)
}

const run = (draft: Draft, { direction, pending, visit }: Pass): void => {
  const children: Array<Child> = []
  for (const id of pending) {
    const child = draft.find(id)
    if (child !== undefined) children.push(child)
  }
  pending.clear()
  if (children.length > 1) children.sort((a, b) => direction * (a.position - b.position))
  for (const { plan } of children) {
    // As it is after the visits to the others.
    const child = draft.find(plan.id)
    if (child !== undefined) visit(draft, child)
  }
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
