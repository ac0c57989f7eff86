/**
 * Resource usage from the raw figures of a backend, without the cost of a Schema: thousands of processes end each second.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import type { ProcessExit, ResourceUsage } from "../ExitStatus.ts"
import { fromWaitStatus } from "../ExitStatus.ts"
import type { RawUsage } from "./backend.ts"

export const makeUsage = (raw: RawUsage): ResourceUsage => ({
  userTime: Duration.micros(BigInt(raw.userTime)),
  systemTime: Duration.micros(BigInt(raw.systemTime)),
  maxResidentSet: ByteSize.bytes(raw.maxResidentSet),
  minorFaults: raw.minorFaults,
  majorFaults: raw.majorFaults,
  blockInput: raw.blockInput,
  blockOutput: raw.blockOutput,
  voluntarySwitches: raw.voluntarySwitches,
  involuntarySwitches: raw.involuntarySwitches
})

/** `status` as of wait(2). */
export const makeExit = (status: number, raw: RawUsage): ProcessExit => ({
  status: fromWaitStatus(status),
  usage: makeUsage(raw)
})
