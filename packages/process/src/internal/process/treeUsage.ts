/**
 * What a process and all that descends from it use, added up from what the kernel shows of each in `/proc`.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CgroupUsage, ResourceUsage } from "../../ExitStatus.ts"
import type { TreeUsage } from "../../Process.ts"
import * as Descendants from "./descendants.ts"
import { field, pageSize, readStat, readText } from "./procfs.ts"

/** Of `leader`, a child of `parent`; where a reaper collects its orphans, of those too. */
export const read = Effect.fnUntraced(function* (
  leader: number,
  parent: number,
  reaper: number,
  isShared: boolean
): Effect.fn.Return<TreeUsage | "gone" | "hidden"> {
  const stat = yield* readStat(leader, parent)
  if (typeof stat === "string") return stat
  const all = [stat, ...(yield* Descendants.stats(leader, reaper, isShared))]
  const files = yield* Effect.forEach(all, ({ pid }) => readText(`/proc/${pid}/io`), { concurrency: 8 })
  const shown = files.filter((file) => file !== undefined)
  const size = yield* pageSize
  const sum = (of: (stat: (typeof all)[number]) => number): number => all.reduce((total, each) => total + of(each), 0)
  const bytes = (name: string) => ByteSize.bytes(shown.reduce((total, file) => total + field(file, name), 0))
  return {
    source: "proc",
    processes: all.length,
    threads: sum(({ threads }) => threads),
    userTime: Duration.micros(BigInt(sum(({ userTime }) => userTime))),
    systemTime: Duration.micros(BigInt(sum(({ systemTime }) => systemTime))),
    memory: ByteSize.bytes(sum(({ pages }) => pages) * size),
    bytesRead: bytes("read_bytes"),
    bytesWritten: bytes("write_bytes"),
    hidden: all.length - shown.length
  }
})

// getrusage(2) counts blocks of this size.
const blockSize = 512

/** Of a process whose tree cannot be looked at: by the figures of the process itself. `processes` are alive. */
export const ofOne = (usage: ResourceUsage, source: TreeUsage["source"], processes: number): TreeUsage => ({
  source,
  processes,
  threads: processes,
  userTime: usage.userTime,
  systemTime: usage.systemTime,
  memory: processes === 0 ? ByteSize.bytes(0) : usage.maxResidentSet,
  bytesRead: ByteSize.bytes(usage.blockInput * blockSize),
  bytesWritten: ByteSize.bytes(usage.blockOutput * blockSize),
  hidden: Math.max(0, processes - 1)
})

/** The same by the figures of its group, where that has them. */
export const ofGroup = (group: CgroupUsage, sum: TreeUsage): TreeUsage => ({
  ...sum,
  source: "cgroup",
  userTime: group.userTime,
  systemTime: group.systemTime,
  memory: group.memory ?? sum.memory,
  ...(group.bytesRead === undefined || group.bytesWritten === undefined
    ? undefined
    : { bytesRead: group.bytesRead, bytesWritten: group.bytesWritten, hidden: 0 })
})
