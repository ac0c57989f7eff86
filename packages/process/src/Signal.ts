/**
 * Signals, by name and by number.
 *
 * A name is what users write and read; a number is what the kernel takes. The numbers are those of Linux on x64 and arm64
 * (`signal(7)`). Real-time signals are counted as the GNU C library does it: `SIGRTMIN` is 34 and `SIGRTMAX` is 64.
 *
 * **Gotchas**
 *
 * Another platform, or another C library, may number signals differently. What is sent through the portable layer is the name.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const standard = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31
} as const

const aliases = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29, SIGUNUSED: 31 } as const

const reserved = { SIG32: 32, SIG33: 33 } as const

const rtMin = 34
const rtMax = 64

/**
 * The standard signals of Linux, 1 to 31.
 */
export type Standard = keyof typeof standard

/**
 * Second names of standard signals: accepted wherever a signal is, never given back by {@link fromNumber}.
 */
export type Alias = keyof typeof aliases

/**
 * Signals that the C library keeps for its threads and leaves without a name. Nobody should send them, but a process can be
 * killed by one.
 */
export type Reserved = keyof typeof reserved

type Offset =
  | (1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15)
  | (16 | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25 | 26 | 27 | 28 | 29 | 30)

/**
 * The real-time signals, 34 to 64. Each has two names, counted from either end: `"SIGRTMIN+3"` is `"SIGRTMAX-27"`.
 */
export type RealTime = "SIGRTMIN" | `SIGRTMIN+${Offset}` | `SIGRTMAX-${Offset}` | "SIGRTMAX"

/**
 * The name of a signal.
 */
export type Signal = Standard | Alias | Reserved | RealTime

const numberByName = new Map<string, number>(Object.entries({ ...standard, ...aliases, ...reserved }))
for (let number = rtMin; number <= rtMax; number++) {
  numberByName.set(number === rtMin ? "SIGRTMIN" : `SIGRTMIN+${number - rtMin}`, number)
  numberByName.set(number === rtMax ? "SIGRTMAX" : `SIGRTMAX-${rtMax - number}`, number)
}

/**
 * Whether a value is the name of a signal.
 */
export const isSignal = (u: unknown): u is Signal => typeof u === "string" && numberByName.has(u)

// Of two names of a real-time signal, the one that `kill -l` prints: counted from the nearer end.
const isPreferred = (name: Signal, number: number): boolean =>
  number < rtMin ? !(name in aliases) : name.startsWith(number < rtMin + 16 ? "SIGRTMIN" : "SIGRTMAX")

const nameByNumber: Array<Option.Option<Signal>> = []
for (const [name, number] of numberByName) {
  if (isSignal(name) && isPreferred(name, number)) nameByNumber[number] = Option.some(name)
}

/**
 * The number of a signal.
 *
 * **Example** (Numbers of names)
 *
 * ```ts
 * import { Signal } from "@nursery/process"
 * import assert from "node:assert/strict"
 *
 * assert.equal(Signal.toNumber("SIGTERM"), 15)
 * assert.equal(Signal.toNumber("SIGRTMIN+3"), 37)
 * ```
 */
export const toNumber = (signal: Signal): number => {
  const number = numberByName.get(signal)
  if (number === undefined) throw new RangeError(`not the name of a signal: ${JSON.stringify(signal)}`)
  return number
}

/**
 * The name of a signal number, if there is such a signal: of two names the usual one, and for a real-time signal the one that
 * `kill -l` prints.
 */
export const fromNumber = (number: number): Option.Option<Signal> => nameByNumber[number] ?? Option.none()

/**
 * The Schema of {@link Signal}.
 */
export const Signal = Schema.Literals(Array.from(numberByName.keys()).filter(isSignal)).annotate({
  identifier: "Signal",
  expected: "the name of a signal"
})
