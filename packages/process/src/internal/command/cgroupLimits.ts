/**
 * Limits of cgroups: what can be said, what is wrong with it, and what is written to the files of the kernel.
 *
 * @internal
 */
import type * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import type { SetupItem } from "../backend.ts"
import { durationProblem } from "./duration.ts"
import { readSize } from "./size.ts"

/**
 * Limits of everything that a process and its descendants use together, by the names of their files in
 * [cgroup v2](https://docs.kernel.org/admin-guide/cgroup-v2.html). They need `containment: "cgroup"`.
 */
export interface CgroupLimits {
  /** Memory, page cache included. Who needs more is killed by the kernel, and its exit is `OutOfMemory`. */
  readonly "memory.max"?: ByteSize.Input | "unlimited" | undefined
  /** Memory beyond which they are slowed down and what they have is reclaimed, without being killed for it. */
  readonly "memory.high"?: ByteSize.Input | "unlimited" | undefined
  /** Swap space, which `memory.max` does not count. */
  readonly "memory.swap.max"?: ByteSize.Input | "unlimited" | undefined
  /** `true`: where one of them is killed for want of memory, all are. Otherwise the kernel chooses one, often the largest. */
  readonly "memory.oom.group"?: boolean | undefined
  /**
   * Processor time: how many processors they may keep busy together, such as `0.5` or `2`; or a quota in each period, from 1 ms on, of
   * at most a second.
   */
  readonly "cpu.max"?: number | CpuQuota | "unlimited" | undefined
  /** Their share of the processors when others want them too, from 1 to 10000; 100 where nothing is said. */
  readonly "cpu.weight"?: number | undefined
  /** Their share of the disks likewise; it counts where the scheduler of a disk knows weights (BFQ, io.cost). */
  readonly "io.weight"?: number | undefined
  /** Processes and threads: beyond it their forks fail. From 1 on. */
  readonly "pids.max"?: number | "unlimited" | undefined
}

/** Processor time in each period; a period is 100 ms where nothing is said. */
export interface CpuQuota {
  readonly quota: Duration.Input
  readonly period?: Duration.Input | undefined
}

type Read = string | { readonly problem: string }

const usualPeriod = 100_000

const readMemory = (value: unknown): Read => {
  if (value === "unlimited") return "max"
  const size = readSize(value)
  return typeof size === "bigint" ? String(size) : size
}

const isInteger = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most

const readCount = (value: unknown): Read => {
  if (value === "unlimited") return "max"
  return isInteger(value, 1, 4_194_304) ? String(value) : { problem: "is not an integer from 1 to 4194304" }
}

const readWeight = (value: unknown): Read =>
  isInteger(value, 1, 10_000) ? String(value) : { problem: "is not a weight: an integer from 1 to 10000" }

const readSwitch = (value: unknown): Read =>
  typeof value === "boolean" ? (value ? "1" : "0") : { problem: "is not a boolean" }

const isQuota = (value: unknown): value is CpuQuota => typeof value === "object" && value !== null && "quota" in value

const micros = (value: unknown): number | undefined => {
  // From untyped code too: what is none is found out by the parser.
  const input = value as Duration.Input
  if (durationProblem(input) !== undefined) return undefined
  const duration = Duration.fromInputUnsafe(input)
  return Duration.isFinite(duration) ? Number((Duration.toNanosUnsafe(duration) + 999n) / 1000n) : undefined
}

const readProcessors = (value: unknown): Read => {
  if (value === "unlimited") return "max"
  if (typeof value === "number") {
    const quota = Math.round(value * usualPeriod)
    return Number.isSafeInteger(quota) && quota >= 1000
      ? `${quota} ${usualPeriod}`
      : { problem: "is not a number of processors, from 0.01 on" }
  }
  if (!isQuota(value)) return { problem: "is neither a number of processors nor a quota" }
  const period = value.period === undefined ? usualPeriod : micros(value.period)
  if (period === undefined || period < 1000 || period > 1_000_000)
    return { problem: "has a period that is not from 1 ms to 1 second" }
  const quota = micros(value.quota)
  return quota !== undefined && quota >= 1000
    ? `${quota} ${period}`
    : { problem: "has a quota that is not from 1 ms on" }
}

const kinds: { readonly [Name in keyof CgroupLimits]-?: (value: unknown) => Read } = {
  "memory.max": readMemory,
  "memory.high": readMemory,
  "memory.swap.max": readMemory,
  "memory.oom.group": readSwitch,
  "cpu.max": readProcessors,
  "cpu.weight": readWeight,
  "io.weight": readWeight,
  "pids.max": readCount
}

const byName: ReadonlyMap<string, (value: unknown) => Read> = new Map(Object.entries(kinds))

export const names: ReadonlyArray<string> = Object.keys(kinds)

export const isCgroupLimit = (name: string): boolean => byName.has(name)

/** What is wrong with the value of one of them. */
export const problemOf = (name: string, value: unknown): string | undefined => {
  const read = byName.get(name)?.(value)
  return typeof read === "object" ? read.problem : undefined
}

/** What one without a problem means, `undefined` for another kind of limit. */
export const itemOf = (name: string, value: unknown): SetupItem | undefined => {
  const text = byName.get(name)?.(value)
  return typeof text === "string" ? { kind: "cgroupFile", file: name, value: text } : undefined
}

/** The part of the kernel that sets a limit. */
export const controllerOf = (file: string): string => file.slice(0, file.indexOf("."))

/** One limit as JSON. */
export type EncodedCgroupLimit = number | string | boolean | { readonly quota: string; readonly period?: string }

/** One without a problem as JSON: sizes in bytes, times as texts. */
export const encode = (name: string, value: unknown): EncodedCgroupLimit | undefined => {
  const text = byName.get(name)?.(value)
  if (typeof text !== "string") return undefined
  if (typeof value === "boolean" || typeof value === "number") return value
  if (text === "max") return "unlimited"
  if (!isQuota(value)) return BigInt(text) <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(text) : `${text} B`
  const [quota = "", period = ""] = text.split(" ")
  return { quota: `${quota} micros`, period: `${period} micros` }
}
