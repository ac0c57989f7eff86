/**
 * How much of the machine a process gets: niceness, scheduling policy, I/O priority, processors, and whom the out-of-memory killer
 * takes first.
 *
 * @internal
 */
import type { SetupItem } from "../backend.ts"

/**
 * Priority (`sched(7)`, `ioprio_set(2)`). What is left out is that of this program.
 *
 * **Gotchas**
 *
 * On a kernel with autogroups (`/proc/sys/kernel/sched_autogroup_enabled`) niceness counts within a session only, and a process
 * has one of its own unless the option `session` says something else. Cgroup weights reach further.
 */
export interface Priority {
  /** From -20 (most of the processor) to 19 (least). Below that of this program it takes privilege (`CAP_SYS_NICE` or RLIMIT_NICE). */
  readonly nice?: number | undefined
  /**
   * The scheduling policy: `"other"` is the ordinary one, `"batch"` for work that nobody waits for, `"idle"` for what runs when
   * nothing else does. `fifo` and `rr` are real-time policies with their priority, from 1 to 99, and take privilege (`CAP_SYS_NICE` or
   * RLIMIT_RTPRIO).
   */
  readonly policy?: "other" | "batch" | "idle" | { readonly fifo: number } | { readonly rr: number } | undefined
  /**
   * The priority of its input and output, where the I/O scheduler has one (BFQ): `"idle"`, or a class with a level from 0 (first) to
   * 7. `realtime` takes privilege (`CAP_SYS_NICE`).
   */
  readonly io?: "idle" | { readonly bestEffort: number } | { readonly realtime: number } | undefined
}

// SCHED_* and the classes of ioprio_set(2).
const policies = { other: 0, fifo: 1, rr: 2, batch: 3, idle: 5 } as const
const ioClasses = { realtime: 1, bestEffort: 2, idle: 3 } as const
const ioClassShift = 13

/** The kernel can be built for so many processors. */
const processorLimit = 8192

const isWithin = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= least && value <= most

const onlyEntry = (value: unknown): readonly [key: string, value: unknown] | undefined => {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : []
  return entries.length === 1 ? entries[0] : undefined
}

const policyProblem = (policy: unknown): string | undefined => {
  if (policy === "other" || policy === "batch" || policy === "idle") return undefined
  const [name, priority] = onlyEntry(policy) ?? []
  if (name !== "fifo" && name !== "rr") return 'is none of "other", "batch", "idle", { fifo } and { rr }'
  return isWithin(priority, 1, 99) ? undefined : `has no real-time priority: ${name} is an integer from 1 to 99`
}

const ioProblem = (io: unknown): string | undefined => {
  if (io === "idle") return undefined
  const [name, level] = onlyEntry(io) ?? []
  if (name !== "bestEffort" && name !== "realtime") return 'is none of "idle", { bestEffort } and { realtime }'
  return isWithin(level, 0, 7) ? undefined : `has no level: ${name} is an integer from 0 to 7`
}

type PriorityProblem = readonly [keys: ReadonlyArray<string>, problem: string]

const niceProblem = "is not a niceness: an integer from -20 to 19"

export const priorityProblem = (priority: unknown): PriorityProblem | undefined => {
  if (typeof priority === "number") return isWithin(priority, -20, 19) ? undefined : [[], niceProblem]
  if (typeof priority !== "object" || priority === null) return [[], "is neither a niceness nor an object"]
  const { io, nice, policy, ...rest }: { readonly [key: string]: unknown } = { ...priority }
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) return [[unknown], "is not known: a priority has nice, policy and io"]
  if (nice !== undefined && !isWithin(nice, -20, 19)) return [["nice"], niceProblem]
  const policyWrong = policy === undefined ? undefined : policyProblem(policy)
  if (policyWrong !== undefined) return [["policy"], policyWrong]
  const ioWrong = io === undefined ? undefined : ioProblem(io)
  return ioWrong === undefined ? undefined : [["io"], ioWrong]
}

export const affinityProblem = (cpus: unknown): string | undefined => {
  if (!Array.isArray(cpus) || cpus.length === 0) return "is not a list of at least one processor"
  return cpus.every((cpu) => isWithin(cpu, 0, processorLimit - 1))
    ? undefined
    : "has something that is no processor: they are numbered from 0 on"
}

export const oomScoreProblem = (score: unknown): string | undefined =>
  isWithin(score, -1000, 1000) ? undefined : "is not a score: an integer from -1000 to 1000"

const policyItem = (policy: NonNullable<Priority["policy"]>): SetupItem => {
  if (typeof policy === "string") return { kind: "scheduler", policy: policies[policy], priority: 0 }
  return "fifo" in policy
    ? { kind: "scheduler", policy: policies.fifo, priority: policy.fifo }
    : { kind: "scheduler", policy: policies.rr, priority: policy.rr }
}

const ioValue = (io: NonNullable<Priority["io"]>): number => {
  if (io === "idle") return ioClasses.idle << ioClassShift
  return "realtime" in io
    ? (ioClasses.realtime << ioClassShift) | io.realtime
    : (ioClasses.bestEffort << ioClassShift) | io.bestEffort
}

/** A niceness alone is short for a priority of that. */
export const priorityItems = (priority: Priority | number): ReadonlyArray<SetupItem> => {
  const { io, nice, policy }: Priority = typeof priority === "number" ? { nice: priority } : priority
  const items: Array<SetupItem> = []
  // The policy first: niceness belongs to the ordinary ones.
  if (policy !== undefined) items.push(policyItem(policy))
  if (nice !== undefined) items.push({ kind: "nice", value: nice })
  if (io !== undefined) items.push({ kind: "ioPriority", value: ioValue(io) })
  return items
}
