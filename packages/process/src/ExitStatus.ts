/**
 * How a process ended, and what it used meanwhile.
 *
 * All of it is plain data: two statuses are equal when they say the same.
 */
import type * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import * as Signal from "./Signal.ts"

/**
 * The process ended by itself, with a code from 0 to 255.
 */
export interface Exited {
  readonly _tag: "Exited"
  readonly code: number
}

/**
 * A signal killed the process.
 */
export interface Signaled {
  readonly _tag: "Signaled"
  readonly signal: Signal.Signal
  /** Whether the kernel wrote a core dump (`core(5)`). */
  readonly coreDumped: boolean
}

/**
 * How a process ended.
 */
export type ExitStatus = Exited | Signaled

/**
 * The Schema of {@link ExitStatus}.
 */
export const ExitStatus = Schema.TaggedUnion({
  Exited: { code: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })) },
  Signaled: { signal: Signal.Signal, coreDumped: Schema.Boolean }
})

// Shared: nearly every process ends with one of a few codes, and thousands end each second.
const exitedByCode: ReadonlyArray<Exited> = Array.from({ length: 256 }, (_, code) =>
  Object.freeze({ _tag: "Exited", code })
)

/**
 * The status of a process that ended by itself. Of the code the operating system keeps the lowest 8 bits (`exit(3)`).
 */
export const exited = (code: number): Exited => exitedByCode[code & 0xff] ?? { _tag: "Exited", code: code & 0xff }

/**
 * The status of a process that a signal killed.
 */
export const signaled = (signal: Signal.Signal, options?: { readonly coreDumped?: boolean | undefined }): Signaled => ({
  _tag: "Signaled",
  signal,
  coreDumped: options?.coreDumped ?? false
})

/**
 * Whether the process ended by itself.
 */
export const isExited = (self: ExitStatus): self is Exited => self._tag === "Exited"

/**
 * Whether a signal killed the process.
 */
export const isSignaled = (self: ExitStatus): self is Signaled => self._tag === "Signaled"

/**
 * Whether the process ended by itself with one of `successCodes`; with 0, where nothing is said.
 */
export const isSuccess = (self: ExitStatus, successCodes?: ReadonlyArray<number>): boolean =>
  self._tag === "Exited" && (successCodes === undefined ? self.code === 0 : successCodes.includes(self.code))

/**
 * The status in the form of `wait(2)`, with the bits of Linux: code, signal and core flag in one number.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for the status of a process that has not ended but was stopped or continued.
 *
 * **Example** (Reading a raw status)
 *
 * ```ts
 * import { ExitStatus } from "@nursery/process"
 * import assert from "node:assert/strict"
 *
 * assert.deepEqual(ExitStatus.fromWaitStatus(0x0300), ExitStatus.exited(3))
 * assert.deepEqual(ExitStatus.fromWaitStatus(0x008b), ExitStatus.signaled("SIGSEGV", { coreDumped: true }))
 * ```
 */
export const fromWaitStatus = (raw: number): ExitStatus => {
  const number = raw & 0x7f
  if (number === 0) return exited(raw >> 8)
  const signal = Signal.fromNumber(number)
  if (signal._tag === "None") throw new RangeError(`wait status ${raw} is not that of a process that has ended`)
  return { _tag: "Signaled", signal: signal.value, coreDumped: (raw & 0x80) !== 0 }
}

/**
 * The exit code by which a POSIX shell would report this status: the code itself, or 128 and the number of the signal.
 *
 * **Example** (Ending as a child ended)
 *
 * ```ts
 * import { ExitStatus } from "@nursery/process"
 * import assert from "node:assert/strict"
 *
 * assert.equal(ExitStatus.toShellCode(ExitStatus.exited(3)), 3)
 * assert.equal(ExitStatus.toShellCode(ExitStatus.signaled("SIGTERM")), 143)
 * ```
 */
export const toShellCode = (self: ExitStatus): number =>
  self._tag === "Exited" ? self.code : 128 + Signal.toNumber(self.signal)

/**
 * The status in words, to be read after the name of the process: `exited with code 1`, `was killed by SIGSEGV (core dumped)`.
 */
export const format = (self: ExitStatus): string => {
  if (self._tag === "Exited") return `exited with code ${self.code}`
  return `was killed by ${self.signal}${self.coreDumped ? " (core dumped)" : ""}`
}

/** What to do with each kind of status. */
interface Cases<A, B> {
  readonly Exited: (status: Exited) => A
  readonly Signaled: (status: Signaled) => B
}

/**
 * Does one thing or the other.
 *
 * **Example** (Telling a crash from an exit)
 *
 * ```ts
 * import { ExitStatus } from "@nursery/process"
 * import assert from "node:assert/strict"
 *
 * const crashed = ExitStatus.match({
 *   Exited: ({ code }) => code > 1,
 *   Signaled: ({ signal }) => signal !== "SIGTERM"
 * })
 *
 * assert.equal(crashed(ExitStatus.exited(1)), false)
 * assert.equal(crashed(ExitStatus.signaled("SIGSEGV")), true)
 * ```
 */
export const match: {
  <A, B>(cases: Cases<A, B>): (self: ExitStatus) => A | B
  <A, B>(self: ExitStatus, cases: Cases<A, B>): A | B
} = dual(2, <A, B>(self: ExitStatus, cases: Cases<A, B>): A | B =>
  self._tag === "Exited" ? cases.Exited(self) : cases.Signaled(self)
)

/**
 * What a process used, it alone: not its descendants, unless it waited for them itself. The counters are those of `getrusage(2)`.
 */
export interface ResourceUsage {
  /** Processor time spent in the program itself. */
  readonly userTime: Duration.Duration
  /** Processor time spent in the kernel for it. */
  readonly systemTime: Duration.Duration
  /** The most memory that was resident at any moment. */
  readonly maxResidentSet: ByteSize.ByteSize
  /** Page faults that needed no reading from a disk. */
  readonly minorFaults: number
  /** Page faults that did. */
  readonly majorFaults: number
  /** How many times something was read from a block device. */
  readonly blockInput: number
  /** How many times something was written to a block device. */
  readonly blockOutput: number
  /** How many times it gave the processor up, to wait for something. */
  readonly voluntarySwitches: number
  /** How many times the processor was taken from it. */
  readonly involuntarySwitches: number
}

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The Schema of {@link ResourceUsage}.
 */
export const ResourceUsage: Schema.Codec<ResourceUsage> = Schema.Struct({
  userTime: Schema.Duration,
  systemTime: Schema.Duration,
  maxResidentSet: Schema.ByteSize,
  minorFaults: Count,
  majorFaults: Count,
  blockInput: Count,
  blockOutput: Count,
  voluntarySwitches: Count,
  involuntarySwitches: Count
})

/**
 * The end of a process: how, and what it used.
 */
export interface ProcessExit {
  readonly status: ExitStatus
  readonly usage: ResourceUsage
}

/**
 * The Schema of {@link ProcessExit}.
 */
export const ProcessExit: Schema.Codec<ProcessExit> = Schema.Struct({ status: ExitStatus, usage: ResourceUsage })
