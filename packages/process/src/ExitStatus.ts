/**
 * How a process ended, and what it used.
 */
import type * as ByteSize from "effect/ByteSize"
import type * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import * as Signal from "./Signal.ts"

/**
 * The process ended by itself, with an exit code from 0 to 255.
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
  /** Whether it left a core dump (`core(5)`). */
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
  Exited: { code: Schema.Int },
  Signaled: { signal: Signal.Signal, coreDumped: Schema.Boolean }
})

const exitedByCode: ReadonlyArray<Exited> = Array.from({ length: 256 }, (_, code) =>
  Object.freeze({ _tag: "Exited", code })
)

/**
 * The status of a process that ended by itself with `code`, of which the operating system keeps the lowest 8 bits.
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
 * Whether the process ended by itself with one of `successCodes`, which is 0 where nothing is said.
 */
export const isSuccess = (self: ExitStatus, successCodes?: ReadonlyArray<number>): boolean =>
  self._tag === "Exited" && (successCodes === undefined ? self.code === 0 : successCodes.includes(self.code))

/**
 * The status as `wait(2)` gives it.
 */
export const fromWaitStatus = (raw: number): ExitStatus => {
  const signal = raw & 0x7f
  if (signal === 0) return exited(raw >> 8)
  const name = Signal.fromNumber(signal)
  if (name._tag === "None") throw new RangeError(`wait status ${raw} is not that of a process that has ended`)
  return { _tag: "Signaled", signal: name.value, coreDumped: (raw & 0x80) !== 0 }
}

/**
 * The exit code by which a POSIX shell reports a status: the code itself, or 128 and the number of the signal.
 */
export const toShellCode = (self: ExitStatus): number =>
  self._tag === "Exited" ? self.code : 128 + Signal.toNumber(self.signal)

/**
 * The status in words: `exited with code 1`, `was killed by SIGSEGV (core dumped)`.
 */
export const format = (self: ExitStatus): string => {
  if (self._tag === "Exited") return `exited with code ${self.code}`
  return `was killed by ${self.signal}${self.coreDumped ? " (core dumped)" : ""}`
}

/**
 * Handles each kind of status.
 */
export const match: {
  <A, B>(cases: {
    readonly Exited: (status: Exited) => A
    readonly Signaled: (status: Signaled) => B
  }): (self: ExitStatus) => A | B
  <A, B>(
    self: ExitStatus,
    cases: { readonly Exited: (status: Exited) => A; readonly Signaled: (status: Signaled) => B }
  ): A | B
} = dual(
  2,
  <A, B>(
    self: ExitStatus,
    cases: { readonly Exited: (status: Exited) => A; readonly Signaled: (status: Signaled) => B }
  ) => (self._tag === "Exited" ? cases.Exited(self) : cases.Signaled(self))
)

/**
 * What a process used.
 */
export interface ResourceUsage {
  readonly userTime: Duration.Duration
  readonly systemTime: Duration.Duration
  readonly maxResidentSet: ByteSize.ByteSize
  readonly minorFaults: number
  readonly majorFaults: number
  readonly blockInput: number
  readonly blockOutput: number
  readonly voluntarySwitches: number
  readonly involuntarySwitches: number
}

/**
 * The Schema of {@link ResourceUsage}.
 */
export const ResourceUsage: Schema.Codec<ResourceUsage> = Schema.Struct({
  userTime: Schema.Duration,
  systemTime: Schema.Duration,
  maxResidentSet: Schema.ByteSize,
  minorFaults: Schema.Int,
  majorFaults: Schema.Int,
  blockInput: Schema.Int,
  blockOutput: Schema.Int,
  voluntarySwitches: Schema.Int,
  involuntarySwitches: Schema.Int
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
