/**
 * How a tree stands at one moment.
 *
 * @internal
 */
import * as HashMap from "effect/HashMap"
import type { ChildSnapshot, Snapshot } from "../../SupervisorEvent.ts"
import { statusOf } from "../core/draft.ts"
import type { Child, State } from "../core/model.ts"
import type { Entry } from "./entry.ts"

export const snapshotOf = (state: State, path: ReadonlyArray<string>, entryOf: (id: string) => Entry): Snapshot => {
  const children = Array.from(HashMap.values(state.children)).sort((a, b) => a.position - b.position)
  return {
    name: path.at(-1) ?? "",
    path,
    state: stateOf(state),
    children: children.map((child) => childOf(child, state, entryOf(child.plan.id)))
  }
}

const stateOf = ({ allReady, end, finished }: State): Snapshot["state"] => {
  if (finished) return "ended"
  if (end !== undefined) return "stopping"
  return allReady ? "ready" : "starting"
}

const childOf = (child: Child, state: State, entry: Entry): ChildSnapshot => {
  const status = statusOf(child)
  const { life } = entry
  return {
    name: child.plan.id,
    kind: entry.spec.kind,
    status,
    incarnation: child.incarnation,
    restarts: entry.restarts,
    pid: life?.process?.pid,
    mainPid: life?.isOver === false ? life.mainPid : undefined,
    uptime: status === "ready" ? life?.uptime : undefined,
    lastExit: entry.lastExit,
    problem: status === "starting" ? life?.problem : undefined,
    says: life?.says,
    waitsFor: status === "waiting" ? waitsFor(child, state) : [],
    tree: life?.nested?.snapshot
  }
}

const waitsFor = (child: Child, state: State): ReadonlyArray<string> =>
  child.plan.after
    .map(({ on }) => on)
    .filter((on) => {
      const other = HashMap.has(state.children, on) ? HashMap.getUnsafe(state.children, on) : undefined
      return other !== undefined && statusOf(other) !== "ready" && statusOf(other) !== "completed"
    })
