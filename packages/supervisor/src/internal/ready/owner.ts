/**
 * Whose socket answers: the child's, or that of a stranger who came first.
 *
 * The kernel tells which sockets listen at an address (`/proc/net`), and each process of the same user which sockets it holds
 * (`/proc/<pid>/fd`). Where that is not enough to be certain, the answer is `Unknown`, never `Stranger`.
 *
 * @internal
 */

import { realpathSync } from "node:fs"
import { readdir, readFile, readlink } from "node:fs/promises"
import type { Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import type { Peer } from "./connect.ts"
import { type Listening, listening } from "./sockets.ts"

export type Verdict =
  | { readonly _tag: "Own" }
  | { readonly _tag: "Unknown" }
  | { readonly _tag: "Stranger"; readonly pid: number | undefined; readonly program: string | undefined }

const own: Verdict = { _tag: "Own" }
const unknown: Verdict = { _tag: "Unknown" }

export const ownerOf = (child: Process.ProcessBase<unknown>, peer: Peer): Effect.Effect<Verdict> =>
  process.platform === "linux" ? judge(child, peer) : Effect.succeed(unknown)

const judge = Effect.fnUntraced(function* (child: Process.ProcessBase<unknown>, peer: Peer): Effect.fn.Return<Verdict> {
  const sockets = yield* socketsOf(peer)
  if (sockets.certain.size === 0) return unknown
  const held = new Set([...sockets.certain, ...sockets.possible])
  const inTree = yield* search(yield* treeOf(child), held)
  if (inTree.holder !== undefined) return own
  // A descendant that became another user does not show what it holds.
  if (inTree.isHidden) return unknown
  const isKnown = yield* knowsDescendants(child)
  const others = yield* search(yield* allPids, sockets.certain)
  if (others.holder === undefined) {
    const isStill = (yield* socketsOf(peer)).certain
    const isThere = [...sockets.certain].some((inode) => isStill.has(inode))
    return isKnown && isThere ? { _tag: "Stranger", pid: undefined, program: undefined } : unknown
  }
  // It may have been started while the tree was read.
  if ((yield* treeOf(child)).includes(others.holder)) return own
  const started = yield* statOf(others.holder)
  const leader = yield* statOf(child.pid)
  const isOlder = started !== undefined && leader !== undefined && started.startTime < leader.startTime
  return isKnown || isOlder ? { _tag: "Stranger", pid: others.holder, program: started?.name } : unknown
})

const treeOf = (child: Process.ProcessBase<unknown>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.map(child.descendants, (descendants) => [child.pid, ...descendants.map(({ pid }) => pid)])

/**
 * Whether whatever has left the child's tree by a double fork is still listed: a reaper of its own collects it. The level `group` has
 * none, and the portable layer, where the child is a child of this program, neither.
 */
const knowsDescendants = (child: Process.ProcessBase<unknown>): Effect.Effect<boolean> =>
  child.command.containment === "group"
    ? Effect.succeed(false)
    : Effect.map(statOf(child.pid), (stat) => stat !== undefined && stat.parent !== process.pid)

const textOf = (path: string): Effect.Effect<string> => Effect.promise(() => readFile(path, "utf8").catch(() => ""))

const realOf = (path: string): string | undefined => {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

const socketsOf = Effect.fnUntraced(function* (peer: Peer): Effect.fn.Return<Listening> {
  const read = (name: string, isWanted: boolean) => (isWanted ? textOf(`/proc/self/net/${name}`) : Effect.succeed(""))
  const isUnix = "path" in peer
  const [tcp, tcp6, unix] = yield* Effect.all([read("tcp", !isUnix), read("tcp6", !isUnix), read("unix", isUnix)])
  return listening(peer, { tcp, tcp6, unix, real: realOf })
})

const allPids: Effect.Effect<ReadonlyArray<number>> = Effect.promise(async () =>
  (await readdir("/proc")).filter((entry) => /^[0-9]+$/.test(entry)).map(Number)
)

interface Found {
  readonly holder: number | undefined
  /** At least one process does not show its descriptors to this user. */
  readonly isHidden: boolean
}

const search = (pids: ReadonlyArray<number>, inodes: ReadonlySet<string>): Effect.Effect<Found> =>
  Effect.promise(async (signal) => {
    const wanted = new Set(Array.from(inodes, (inode) => `socket:[${inode}]`))
    let isHidden = false
    for (const pid of pids) {
      if (signal.aborted) break
      const holds = await holdsOne(pid, wanted)
      if (holds === true) return { holder: pid, isHidden }
      if (holds === undefined) isHidden = true
    }
    return { holder: undefined, isHidden }
  })

/** `undefined` where it is not shown. */
const holdsOne = async (pid: number, wanted: ReadonlySet<string>): Promise<boolean | undefined> => {
  try {
    const descriptors = await readdir(`/proc/${pid}/fd`)
    const targets = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")))
    return targets.some((target) => wanted.has(target))
  } catch (error) {
    const isDenied = error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM")
    return isDenied ? undefined : false
  }
}

interface Stat {
  readonly name: string
  readonly parent: number
  /** In ticks of the kernel's clock since the machine was started. */
  readonly startTime: number
}

/** `undefined` for a process that is gone. */
const statOf = (pid: number): Effect.Effect<Stat | undefined> =>
  Effect.map(textOf(`/proc/${pid}/stat`), (line) => {
    // The name may contain anything, parentheses and spaces too: it ends at the last one.
    const close = line.lastIndexOf(")")
    if (close === -1) return undefined
    const fields = line.slice(close + 2).split(" ")
    return { name: line.slice(line.indexOf("(") + 1, close), parent: Number(fields[1]), startTime: Number(fields[19]) }
  })
