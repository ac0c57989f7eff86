/**
 * Signals, by name and by number.
 *
 * A name is what users write and read; a number is what the kernel takes. The numbers are those of Linux on x64 and arm64
 * (`signal(7)`). Real-time signals are counted as the GNU C library counts them: `SIGRTMIN` is 34 and `SIGRTMAX` is 64.
 *
 * The portable layer hands names to the platform, whose own numbers may differ; the numbers here are never sent there.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const numbers = {
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

// The C library keeps these two for its threads and gives them no name. A child can still die of one, sent by number.
const reserved = { SIG32: 32, SIG33: 33 } as const

/**
 * The standard signals of Linux, 1 to 31.
 */
export type Standard = keyof typeof numbers

/**
 * Second names of standard signals: accepted wherever a signal is, never given back by {@link fromNumber}.
 */
export type Alias = keyof typeof aliases

type Offset =
  | (1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15)
  | (16 | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25 | 26 | 27 | 28 | 29 | 30)

/**
 * The real-time signals, 34 to 64: `"SIGRTMIN"`, `"SIGRTMIN+1"` to `"SIGRTMIN+30"`, `"SIGRTMAX-30"` to `"SIGRTMAX-1"`,
 * `"SIGRTMAX"`. Each number has two such names.
 */
export type RealTime = "SIGRTMIN" | `SIGRTMIN+${Offset}` | `SIGRTMAX-${Offset}` | "SIGRTMAX"

/**
 * Signals that the C library reserves for its threads and leaves without a name. They are never asked for, but a process can
 * be killed by one.
 */
export type Reserved = keyof typeof reserved

/**
 * The name of a signal.
 */
export type Signal = Standard | Alias | RealTime | Reserved

const rtMin = 34
const rtMax = 64

const numberByName = new Map<string, number>(Object.entries({ ...numbers, ...aliases, ...reserved }))
for (let number = rtMin; number <= rtMax; number++) {
  numberByName.set(number === rtMin ? "SIGRTMIN" : `SIGRTMIN+${number - rtMin}`, number)
  numberByName.set(number === rtMax ? "SIGRTMAX" : `SIGRTMAX-${rtMax - number}`, number)
}

/**
 * Whether a value is the name of a signal.
 */
export const isSignal = (u: unknown): u is Signal => typeof u === "string" && numberByName.has(u)

/**
 * The number of a signal.
 */
export const toNumber = (signal: Signal): number => numberByName.get(signal) ?? Number.NaN

/**
 * The name of a signal number, if there is such a signal.
 */
export const fromNumber = (number: number): Option.Option<Signal> => Option.fromUndefinedOr(nameByNumber[number])

// The names that `kill -l` prints: the nearer end of the real-time range.
const nameByNumber: Array<Signal | undefined> = []
for (const [name, number] of numberByName) {
  const nearer = number < rtMin + 16 ? "SIGRTMIN" : "SIGRTMAX"
  if (isSignal(name) && !(name in aliases) && (number < rtMin || name.startsWith(nearer))) nameByNumber[number] = name
}

/**
 * The Schema of signal names.
 */
export const Signal = Schema.Literals(Array.from(numberByName.keys()).filter(isSignal)).annotate({
  identifier: "Signal"
})
