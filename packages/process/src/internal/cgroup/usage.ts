/**
 * What a cgroup uses, and how long its processes have to wait for what they need.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Pressure, PressureStall, PressureTime } from "../../Process.ts"
import type { RawCgroupUsage } from "../backend.ts"
import { readText } from "../process/procfs.ts"

/** The number behind a key at the beginning of a line (`key number`) or of a word (`key=number`). */
const numberOf = (text: string | undefined, key: string): number | undefined => {
  const found = text === undefined ? undefined : new RegExp(`(?:^|\\s)${key}[ =](\\d+)`, "m").exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Over all devices. */
const sumOf = (text: string | undefined, key: string): number | undefined => {
  const found = text === undefined ? [] : Array.from(text.matchAll(new RegExp(`\\s${key}=(\\d+)`, "g")))
  return found.length === 0 ? undefined : found.reduce((sum, [, value]) => sum + Number(value), 0)
}

const single = (text: string | undefined): number | undefined =>
  text === undefined || text.trim() === "" ? undefined : Number(text)

/** `undefined` where there is no such group any more. */
export const read = Effect.fnUntraced(function* (group: string): Effect.fn.Return<RawCgroupUsage | undefined> {
  const files = ["cpu.stat", "memory.current", "memory.peak", "memory.events", "io.stat"]
  const [cpu, memory, peak, events, io] = yield* Effect.all(
    files.map((file) => readText(`${group}/${file}`)),
    { concurrency: 5 }
  )
  const cpuTime = numberOf(cpu, "usage_usec")
  if (cpuTime === undefined) return undefined
  return {
    cpuTime,
    userTime: numberOf(cpu, "user_usec") ?? 0,
    systemTime: numberOf(cpu, "system_usec") ?? 0,
    throttledTime: numberOf(cpu, "throttled_usec"),
    memory: single(memory),
    memoryPeak: single(peak),
    readBytes: sumOf(io, "rbytes"),
    writtenBytes: sumOf(io, "wbytes"),
    oomKills: numberOf(events, "oom_kill") ?? 0,
    outOfMemory: false
  }
})

/** A line of `memory.pressure` and the like: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. */
const timeOf = (text: string, kind: "some" | "full"): PressureTime | undefined => {
  const found = new RegExp(`^${kind} avg10=([0-9.]+) avg60=([0-9.]+) avg300=([0-9.]+) total=(\\d+)`, "m").exec(text)
  if (found === null) return undefined
  const [, avg10, avg60, avg300, total = "0"] = found
  return {
    avg10: Number(avg10),
    avg60: Number(avg60),
    avg300: Number(avg300),
    total: Duration.micros(BigInt(total))
  }
}

/** `undefined` where the kernel does not tell it. */
export const parseStall = (text: string | undefined): PressureStall | undefined => {
  const some = text === undefined ? undefined : timeOf(text, "some")
  const full = text === undefined ? undefined : timeOf(text, "full")
  return some === undefined ? undefined : { some, ...(full === undefined ? undefined : { full }) }
}

const stalls = (paths: ReadonlyArray<string>): Effect.Effect<Omit<Pressure, "source">> =>
  Effect.map(Effect.all(paths.map(readText), { concurrency: 3 }), (texts) => {
    const [cpu, memory, io] = texts.map(parseStall)
    return {
      ...(cpu === undefined ? undefined : { cpu }),
      ...(memory === undefined ? undefined : { memory }),
      ...(io === undefined ? undefined : { io })
    }
  })

/** Of a group that is there, else of the machine. */
export const pressure = Effect.fnUntraced(function* (group: string | undefined): Effect.fn.Return<Pressure> {
  const kinds = ["cpu", "memory", "io"]
  if (group !== undefined) {
    const own = yield* stalls(kinds.map((kind) => `${group}/${kind}.pressure`))
    if (Object.keys(own).length > 0) return { source: "cgroup", ...own }
  }
  return { source: "system", ...(yield* stalls(kinds.map((kind) => `/proc/pressure/${kind}`))) }
})
