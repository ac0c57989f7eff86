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
 * The kernel killed the process for want of memory, by SIGKILL: the limit `memory.max` of its cgroup was reached, or the machine had none
 * left. Only a process with `containment: "cgroup"` is told so; of any other it is a SIGKILL like all.
 */
export interface OutOfMemory {
  readonly _tag: "OutOfMemory"
}

/**
 * How a process ended.
 */
export type ExitStatus = Exited | Signaled | OutOfMemory

/**
 * The Schema of {@link ExitStatus}.
 */
export const ExitStatus = Schema.TaggedUnion({
  Exited: { code: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })) },
  Signaled: { signal: Signal.Signal, coreDumped: Schema.Boolean },
  OutOfMemory: {}
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
 * The status of a process that was killed for want of memory.
 */
export const outOfMemory: OutOfMemory = Object.freeze({ _tag: "OutOfMemory" })

/**
 * Whether the process ended by itself.
 */
export const isExited = (self: ExitStatus): self is Exited => self._tag === "Exited"

/**
 * Whether a signal killed the process.
 */
export const isSignaled = (self: ExitStatus): self is Signaled => self._tag === "Signaled"

/**
 * Whether the process was killed for want of memory.
 */
export const isOutOfMemory = (self: ExitStatus): self is OutOfMemory => self._tag === "OutOfMemory"

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
export const toShellCode = (self: ExitStatus): number => {
  if (self._tag === "Exited") return self.code
  return 128 + Signal.toNumber(self._tag === "OutOfMemory" ? "SIGKILL" : self.signal)
}

/**
 * The status in words, to be read after the name of the process: `exited with code 1`, `was killed by SIGSEGV (core dumped)`.
 */
export const format = (self: ExitStatus): string => {
  if (self._tag === "Exited") return `exited with code ${self.code}`
  if (self._tag === "OutOfMemory") return "was killed for want of memory"
  return `was killed by ${self.signal}${self.coreDumped ? " (core dumped)" : ""}`
}

/** What to do with each kind of status. */
interface Cases<A, B, C> {
  readonly Exited: (status: Exited) => A
  readonly Signaled: (status: Signaled) => B
  /** Where nothing is said, it is the SIGKILL that it was. */
  readonly OutOfMemory?: ((status: OutOfMemory) => C) | undefined
}

/**
 * Does what fits the status.
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
  <A, B, C = never>(cases: Cases<A, B, C>): (self: ExitStatus) => A | B | C
  <A, B, C = never>(self: ExitStatus, cases: Cases<A, B, C>): A | B | C
} = dual(2, <A, B, C>(self: ExitStatus, cases: Cases<A, B, C>): A | B | C => {
  if (self._tag === "Exited") return cases.Exited(self)
  if (self._tag === "Signaled") return cases.Signaled(self)
  return cases.OutOfMemory === undefined ? cases.Signaled(signaled("SIGKILL")) : cases.OutOfMemory(self)
})

/**
 * What all processes of a cgroup have used, from its beginning on: also those that have ended, and that nobody has waited for.
 */
export interface CgroupUsage {
  readonly userTime: Duration.Duration
  readonly systemTime: Duration.Duration
  /** How long `cpu.max` has kept all of them from running. Absent without a limit of the processor time. */
  readonly throttledTime?: Duration.Duration | undefined
  /** What they have now, page cache included. Absent once the group is gone, and without the memory controller; likewise the next. */
  readonly memory?: ByteSize.ByteSize | undefined
  /** The most that they have had at any moment. */
  readonly memoryPeak?: ByteSize.ByteSize | undefined
  /** Read from disks. Absent without the io controller; likewise the next. */
  readonly bytesRead?: ByteSize.ByteSize | undefined
  readonly bytesWritten?: ByteSize.ByteSize | undefined
  /** How many of them the kernel has killed for want of memory. */
  readonly oomKills: number
}

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
  /** With `containment: "cgroup"`: what it and all that it has started have used. */
  readonly cgroup?: CgroupUsage | undefined
}

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The Schema of {@link CgroupUsage}.
 */
export const CgroupUsage: Schema.Codec<CgroupUsage> = Schema.Struct({
  userTime: Schema.Duration,
  systemTime: Schema.Duration,
  throttledTime: Schema.optional(Schema.Duration),
  memory: Schema.optional(Schema.ByteSize),
  memoryPeak: Schema.optional(Schema.ByteSize),
  bytesRead: Schema.optional(Schema.ByteSize),
  bytesWritten: Schema.optional(Schema.ByteSize),
  oomKills: Count
})

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
  involuntarySwitches: Count,
  cgroup: Schema.optional(CgroupUsage)
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
