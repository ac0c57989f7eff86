/**
 * Resource usage from the raw figures of a backend, without the cost of a Schema: thousands of processes end each second.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import type { CgroupUsage, ProcessExit, ResourceUsage } from "../ExitStatus.ts"
import { fromWaitStatus, outOfMemory } from "../ExitStatus.ts"
import type { RawCgroupUsage, RawUsage } from "./backend.ts"

const time = (micros: number): Duration.Duration => Duration.micros(BigInt(micros))

export const makeCgroupUsage = (raw: RawCgroupUsage): CgroupUsage => ({
  userTime: time(raw.userTime),
  systemTime: time(raw.systemTime),
  ...(raw.throttledTime === undefined ? undefined : { throttledTime: time(raw.throttledTime) }),
  ...(raw.memory === undefined ? undefined : { memory: ByteSize.bytes(raw.memory) }),
  ...(raw.memoryPeak === undefined ? undefined : { memoryPeak: ByteSize.bytes(raw.memoryPeak) }),
  ...(raw.readBytes === undefined ? undefined : { bytesRead: ByteSize.bytes(raw.readBytes) }),
  ...(raw.writtenBytes === undefined ? undefined : { bytesWritten: ByteSize.bytes(raw.writtenBytes) }),
  oomKills: raw.oomKills
})

export const makeUsage = (raw: RawUsage): ResourceUsage => ({
  userTime: Duration.micros(BigInt(raw.userTime)),
  systemTime: Duration.micros(BigInt(raw.systemTime)),
  maxResidentSet: ByteSize.bytes(raw.maxResidentSet),
  minorFaults: raw.minorFaults,
  majorFaults: raw.majorFaults,
  blockInput: raw.blockInput,
  blockOutput: raw.blockOutput,
  voluntarySwitches: raw.voluntarySwitches,
  involuntarySwitches: raw.involuntarySwitches,
  ...(raw.cgroup === undefined ? undefined : { cgroup: makeCgroupUsage(raw.cgroup) })
})

/** `status` as of wait(2). */
export const makeExit = (status: number, raw: RawUsage): ProcessExit => ({
  status: raw.cgroup?.outOfMemory === true ? outOfMemory : fromWaitStatus(status),
  usage: makeUsage(raw)
})
