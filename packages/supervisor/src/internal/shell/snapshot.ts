/**
 * How the children of a tree stand at one moment: as has been told of them, and not as the core has them, which may be ahead of that by
 * what is still to be done. So snapshots and events agree at every moment.
 *
 * @internal
 */
import * as HashMap from "effect/HashMap"
import type { ChildSnapshot } from "../../SupervisorEvent.ts"
import type { State } from "../core/model.ts"
import type { Entry, Standing } from "./entry.ts"

type Entries = ReadonlyMap<string, Entry>

/** `state` tells who waits for whom, which does not change. */
export const childrenOf = (entries: Entries, state: State): ReadonlyArray<ChildSnapshot> =>
  // In the order in which they were added. One of which nothing was told is not there yet.
  Array.from(entries.values()).flatMap((entry) =>
    entry.told === undefined ? [] : [childOf(entry, entry.told, entries, state)]
  )

const childOf = (entry: Entry, { incarnation, status }: Standing, entries: Entries, state: State): ChildSnapshot => {
  const { life } = entry
  // When its end has been told there is none any more, though the child itself ends later.
  const nested = life?.nested?.hasEnded === false ? life.nested : undefined
  return {
    name: entry.spec.name,
    kind: entry.spec.kind,
    status,
    incarnation,
    restarts: entry.restarts,
    pid: life?.process?.pid,
    mainPid: life?.isOver === false ? life.mainPid : undefined,
    uptime: status === "ready" ? life?.uptime : undefined,
    lastExit: entry.lastExit,
    problem: status === "starting" ? life?.problem : undefined,
    says: life?.says,
    waitsFor: status === "waiting" ? waitsFor(entry.spec.name, entries, state) : [],
    tree: nested?.snapshot
  }
}

const waitsFor = (id: string, entries: Entries, state: State): ReadonlyArray<string> => {
  if (!HashMap.has(state.children, id)) return []
  const { after } = HashMap.getUnsafe(state.children, id).plan
  return after
    .map(({ on }) => on)
    .filter((on) => {
      const status = entries.get(on)?.told?.status
      return status !== undefined && status !== "ready" && status !== "completed"
    })
}
