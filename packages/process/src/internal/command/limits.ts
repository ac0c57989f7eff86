/**
 * Resource limits: what can be said, what is wrong with it, and what it means for the kernel.
 *
 * @internal
 */
import type * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import type { LimitValue, SetupItem } from "../backend.ts"
import type { CgroupLimits } from "./cgroupLimits.ts"
import * as Cgroup from "./cgroupLimits.ts"
import { durationProblem } from "./duration.ts"
import { readSize } from "./size.ts"

/**
 * One limit: a value for both the soft and the hard limit, or each for itself, and the half that is left out stays as it is.
 * `"unlimited"` is no limit.
 *
 * The soft limit is what the kernel enforces, and the process itself may raise it up to the hard one. Raising the hard limit takes
 * privilege (`CAP_SYS_RESOURCE`).
 */
export type Limit<A> =
  | A
  | "unlimited"
  | { readonly soft?: A | "unlimited" | undefined; readonly hard?: A | "unlimited" | undefined }

/**
 * Resource limits by their names in `limits.conf(5)` and `prlimit(1)`; `getrlimit(2)` explains each. What is left out is that of
 * this program. Those with a dot in their names are of the cgroup of the process.
 */
export interface Limits extends CgroupLimits {
  /** RLIMIT_AS: the address space. */
  readonly as?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_CORE: a core dump; 0 writes none. */
  readonly core?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_CPU: processor time, in whole seconds, rounded up. SIGXCPU at the soft limit, SIGKILL at the hard one. */
  readonly cpu?: Limit<Duration.Input> | undefined
  /** RLIMIT_DATA: data segment, heap and private memory. */
  readonly data?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_FSIZE: a file that it writes. SIGXFSZ beyond. */
  readonly fsize?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_LOCKS: without effect since Linux 2.4.25. */
  readonly locks?: Limit<number> | undefined
  /** RLIMIT_MEMLOCK: memory that is locked. */
  readonly memlock?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_MSGQUEUE: POSIX message queues of its user. */
  readonly msgqueue?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_NICE: how far it may lower its niceness: to 20 minus this; from 0 to 40. */
  readonly nice?: Limit<number> | undefined
  /**
   * RLIMIT_NOFILE: one more than the highest number of a descriptor that it opens. Those that the command gives it may have higher
   * numbers.
   */
  readonly nofile?: Limit<number> | undefined
  /**
   * RLIMIT_NPROC: processes and threads of its user, all of them counted wherever they came from; not for root. The helpers of a
   * nursery count too where the process has the user of this program.
   */
  readonly nproc?: Limit<number> | undefined
  /** RLIMIT_RSS: without effect since Linux 2.4.30. */
  readonly rss?: Limit<ByteSize.Input> | undefined
  /** RLIMIT_RTPRIO: the highest real-time priority it may take, from 0 to 99. */
  readonly rtprio?: Limit<number> | undefined
  /** RLIMIT_RTTIME: processor time under a real-time policy without a blocking call, in microseconds, rounded up. */
  readonly rttime?: Limit<Duration.Input> | undefined
  /** RLIMIT_SIGPENDING: queued signals of its user. */
  readonly sigpending?: Limit<number> | undefined
  /** RLIMIT_STACK: the stack of its first thread; a quarter of it bounds the arguments and the environment. */
  readonly stack?: Limit<ByteSize.Input> | undefined
}

type Unit = "bytes" | "seconds" | "microseconds" | "count"

interface Resource {
  /** RLIMIT_* of Linux, the same on x64 and arm64. */
  readonly number: number
  readonly unit: Unit
}

const resources: { readonly [Name in Exclude<keyof Limits, keyof CgroupLimits>]-?: Resource } = {
  cpu: { number: 0, unit: "seconds" },
  fsize: { number: 1, unit: "bytes" },
  data: { number: 2, unit: "bytes" },
  stack: { number: 3, unit: "bytes" },
  core: { number: 4, unit: "bytes" },
  rss: { number: 5, unit: "bytes" },
  nproc: { number: 6, unit: "count" },
  nofile: { number: 7, unit: "count" },
  memlock: { number: 8, unit: "bytes" },
  as: { number: 9, unit: "bytes" },
  locks: { number: 10, unit: "count" },
  sigpending: { number: 11, unit: "count" },
  msgqueue: { number: 12, unit: "bytes" },
  nice: { number: 13, unit: "count" },
  rtprio: { number: 14, unit: "count" },
  rttime: { number: 15, unit: "microseconds" }
}

const byName: ReadonlyMap<string, Resource> = new Map(Object.entries(resources))

/** The name of a limit by the number of its resource. */
export const nameOf = (resource: number): string =>
  Object.entries(resources).find(([, { number }]) => number === resource)?.[0] ?? `resource ${resource}`

// What the kernel shows and compares fits: beyond it are its own marks.
const largest = (1n << 63n) - 1n

const nanosPer = { seconds: 1_000_000_000n, microseconds: 1_000n }

/** A value in the unit of the kernel, or what is wrong with it. */
const read = (unit: Unit, value: unknown): bigint | "unlimited" | { readonly problem: string } => {
  if (value === "unlimited") return value
  const found = unit === "bytes" ? readSize(value) : unit === "count" ? readCount(value) : readTime(unit, value)
  return typeof found === "bigint" && found > largest ? { problem: 'is too large: say "unlimited"' } : found
}

const readCount = (value: unknown): bigint | { readonly problem: string } =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? BigInt(value)
    : { problem: "is not an integer from 0 on" }

const readTime = (unit: "seconds" | "microseconds", value: unknown) => {
  // From untyped code too: what is none is found out by the parser.
  const input = value as Duration.Input
  const problem = durationProblem(input)
  if (problem !== undefined) return { problem }
  const duration = Duration.fromInputUnsafe(input)
  if (!Duration.isFinite(duration)) return "unlimited"
  const per = nanosPer[unit]
  return (Duration.toNanosUnsafe(duration) + per - 1n) / per
}

interface Halves {
  readonly soft: unknown
  readonly hard: unknown
}

const isHalves = (value: unknown): value is Partial<Halves> =>
  typeof value === "object" && value !== null && ("soft" in value || "hard" in value)

/** Soft and hard of one limit; a half that is left out is `undefined`. */
const halvesOf = (value: unknown): Halves =>
  isHalves(value) ? { soft: value.soft, hard: value.hard } : { soft: value, hard: value }

type LimitProblem = readonly [keys: ReadonlyArray<string>, problem: string]

const problemOf = (name: string, resource: Resource, value: unknown): LimitProblem | undefined => {
  const whole = !isHalves(value)
  const halves = halvesOf(value)
  for (const half of ["soft", "hard"] as const) {
    if (halves[half] === undefined) continue
    const found = read(resource.unit, halves[half])
    if (typeof found === "object") return [whole ? [name] : [name, half], found.problem]
  }
  const { hard, soft } = valuesOf(resource, value)
  if (hard === "keep" || hard === "unlimited" || soft === "keep") return undefined
  return soft === "unlimited" || soft > hard ? [[name, "soft"], "is above the hard limit"] : undefined
}

const valuesOf = (resource: Resource, value: unknown): { readonly soft: LimitValue; readonly hard: LimitValue } => {
  const halves = halvesOf(value)
  const each = (half: unknown): LimitValue => {
    const found = half === undefined ? "keep" : read(resource.unit, half)
    return typeof found === "object" ? "keep" : found
  }
  return { soft: each(halves.soft), hard: each(halves.hard) }
}

const known = (): string => [...Object.keys(resources).sort(), ...Cgroup.names].join(", ")

const oneProblem = (name: string, value: unknown): LimitProblem | undefined => {
  const resource = byName.get(name)
  if (resource !== undefined) return problemOf(name, resource, value)
  const problem = Cgroup.isCgroupLimit(name) ? Cgroup.problemOf(name, value) : `is no limit: they are ${known()}`
  return problem === undefined ? undefined : [[name], problem]
}

/** What is wrong with limits: where, and what. */
export const limitsProblem = (limits: unknown): LimitProblem | undefined => {
  if (typeof limits !== "object" || limits === null) return [[], "is not an object"]
  for (const [name, value] of Object.entries(limits)) {
    const problem = value === undefined ? undefined : oneProblem(name, value)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** What limits without a problem mean. */
export const limitItems = (limits: Limits): ReadonlyArray<SetupItem> =>
  Object.entries(limits).flatMap(([name, value]) => {
    const resource = value === undefined ? undefined : byName.get(name)
    if (resource !== undefined)
      return [{ kind: "limit" as const, resource: resource.number, ...valuesOf(resource, value) }]
    const item = value === undefined ? undefined : Cgroup.itemOf(name, value)
    return item === undefined ? [] : [item]
  })

const encodeHalf = (unit: Unit, value: unknown): number | string => {
  const found = read(unit, value)
  if (typeof found !== "bigint") return "unlimited"
  if (unit === "seconds") return `${found} seconds`
  if (unit === "microseconds") return `${found} micros`
  return found <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(found) : `${found} B`
}

/** One limit as JSON. */
export type EncodedLimit =
  | number
  | string
  | { readonly soft?: number | string; readonly hard?: number | string }
  | Cgroup.EncodedCgroupLimit

/** Limits without a problem as JSON: sizes in bytes, times as texts. */
export const encodeLimits = (limits: Limits): { readonly [name: string]: EncodedLimit } =>
  Object.fromEntries(
    Object.entries(limits).flatMap(([name, value]): ReadonlyArray<readonly [name: string, limit: EncodedLimit]> => {
      const resource = byName.get(name)
      const ofGroup = Cgroup.encode(name, value)
      if (ofGroup !== undefined) return [[name, ofGroup]]
      if (resource === undefined || value === undefined) return []
      if (!isHalves(value)) return [[name, encodeHalf(resource.unit, value)]]
      const { hard, soft } = halvesOf(value)
      const form = {
        ...(soft === undefined ? undefined : { soft: encodeHalf(resource.unit, soft) }),
        ...(hard === undefined ? undefined : { hard: encodeHalf(resource.unit, hard) })
      }
      return [[name, form]]
    })
  )
