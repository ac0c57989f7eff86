/**
 * Everything that descends from a process, as the kernel shows it.
 *
 * @internal
 */

import { existsSync } from "node:fs"
import { readdir } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { isDead, parseStat, readText, type Stat } from "./procfs.ts"

/** A process that descends from a child. */
export interface Descendant {
  readonly pid: number
  /** Of the program, cut by the kernel to 15 characters. */
  readonly name: string
  readonly parent: number
  /** Milliseconds since it started. */
  readonly age: number
}

/** What `stats` finds, as it is told. */
export const read = Effect.fnUntraced(function* (
  leader: number,
  reaper: number,
  isShared: boolean
): Effect.fn.Return<ReadonlyArray<Descendant>> {
  const uptime = (Number.parseFloat((yield* readText("/proc/uptime")) ?? "") || 0) * 1000
  const all = yield* stats(leader, reaper, isShared)
  return all.map(({ name, parent, pid, startTime }) => ({ pid, name, parent, age: Math.max(0, uptime - startTime) }))
})

/**
 * Descends from `leader`; where a reaper collects its orphans, from those too. Parents come before their children. A process that
 * starts or ends meanwhile may be in it or not.
 */
export const stats = Effect.fnUntraced(function* (
  leader: number,
  reaper: number,
  isShared: boolean
): Effect.fn.Return<ReadonlyArray<Stat>> {
  const all: Array<Stat> = []
  const seen = new Set([leader])
  const visit = (stat: Stat) => {
    seen.add(stat.pid)
    all.push(stat)
    return stat.pid
  }
  let level = [leader]
  if (reaper !== 0) {
    for (const stat of yield* statsOf(yield* childrenOf(reaper))) {
      // A reaper that others share collects their orphans too: ours are known by the group, if they have kept it.
      if (stat.pid !== leader && (!isShared || stat.group === leader)) level.push(visit(stat))
    }
  }
  while (level.length > 0) {
    const children = yield* Effect.forEach(level, childrenOf, { concurrency: 8 })
    const fresh = children.flat().filter((pid) => !seen.has(pid))
    level = (yield* statsOf(fresh)).map(visit)
  }
  return all
})

const statsOf = (pids: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<Stat>> =>
  Effect.map(
    Effect.forEach(pids, (pid) => readText(`/proc/${pid}/stat`), { concurrency: 8 }),
    (lines) =>
      lines.flatMap((line) => {
        const stat = line === undefined ? undefined : parseStat(line)
        // The dead that are not collected yet are no processes any more.
        return stat === undefined || isDead(stat) ? [] : [stat]
      })
  )

/** Children belong to the thread that started them. Kernels without CONFIG_PROC_CHILDREN do not list them. */
const childrenOf = (pid: number): Effect.Effect<ReadonlyArray<number>> =>
  existsSync("/proc/thread-self/children") ? listed(pid) : found(pid)

const listed = Effect.fnUntraced(function* (pid: number): Effect.fn.Return<ReadonlyArray<number>> {
  const threads = yield* entriesOf(`/proc/${pid}/task`)
  const lists = yield* Effect.forEach(threads, (thread) => readText(`/proc/${pid}/task/${thread}/children`))
  return lists.flatMap((list) =>
    (list ?? "")
      .split(" ")
      .filter((entry) => entry !== "")
      .map(Number)
  )
})

/** By asking every process for its parent. */
export const found = Effect.fnUntraced(function* (pid: number): Effect.fn.Return<ReadonlyArray<number>> {
  const pids = (yield* entriesOf("/proc")).filter((entry) => /^[0-9]+$/.test(entry)).map(Number)
  return (yield* statsOf(pids)).filter((stat) => stat.parent === pid).map((stat) => stat.pid)
})

const entriesOf = (folder: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(() => readdir(folder).catch((): ReadonlyArray<string> => []))
