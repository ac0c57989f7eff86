/**
 * Programs of simulated processes: what a process does, as an Effect.
 *
 * A program is an Effect that a simulated process plays. Its end is the exit of the process, with code 0; a failure is a crash: its
 * cause goes to stderr, and the exit code is 1. The steps of this module are what a program can do as a process: write, read, exit,
 * react to signals, start others. All other Effects can be used between them; time is that of the Clock, under `TestClock` the
 * test's.
 *
 * **Gotchas**
 *
 * - A stopped process (SIGSTOP) does nothing from its next step on. Effects of other modules that run at that moment go on.
 * - When a process dies, its program is interrupted wherever it is; its finalizers run, but no step does anything any more.
 */

import { Signal, type SpawnReason } from "@nursery/process"
import type { Step } from "@nursery/process/Backend"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Errno, SpawnProblem } from "./internal/failures.ts"
import * as Notification from "./internal/notification.ts"
import type { SimulatedProcess } from "./internal/process.ts"
import { Self } from "./internal/self.ts"

export type { Errno } from "./internal/failures.ts"
export { Self } from "./internal/self.ts"

/**
 * What a simulated process does. `R`: what it requires besides the process itself.
 */
export type Program<R = never> = Effect.Effect<unknown, unknown, Self | R>

/**
 * What a program is chosen by: the command, resolved, and how often the program has been asked for, from 1.
 */
export interface Invocation {
  /** As the command has it; for a command with the option `shell` the shell. */
  readonly program: string
  /** All of it, the name of the program first. */
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly nth: number
}

/**
 * A start that fails, in place of a program. Make it with {@link cannotStart}.
 */
export interface CannotStart extends SpawnProblem {
  readonly _tag: "CannotStart"
}

/**
 * A program, or a function that chooses one for each start.
 */
export type Entry<R = never> = Program<R> | CannotStart | ((invocation: Invocation) => Program<R> | CannotStart)

/**
 * Programs by their names, as commands have them.
 */
export type Programs<R = never> = { readonly [program: string]: Entry<R> }

const step = <A, E, R>(f: (process: SimulatedProcess) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Self> =>
  Effect.flatMap(Self, ({ internal }) =>
    Effect.andThen(
      internal.running,
      Effect.suspend(() => f(internal))
    )
  )

const act = (f: (process: SimulatedProcess) => void): Effect.Effect<void, never, Self> =>
  step((process) => Effect.sync(() => f(process)))

const encoder = new TextEncoder()

/**
 * One step after the other.
 *
 * **Example** (A server that says that it is ready, and crashes after an hour)
 *
 * ```ts
 * import { Program } from "@nursery/testing"
 *
 * const server = Program.steps(
 *   Program.sleep("2 seconds"),
 *   Program.stdout("listening\n"),
 *   Program.sleep("1 hour"),
 *   Program.exit(70)
 * )
 * ```
 *
 * @category constructors
 */
export const steps = <Steps extends ReadonlyArray<Effect.Effect<unknown, unknown, unknown>>>(
  ...all: Steps
): Effect.Effect<void, Effect.Error<Steps[number]>, Effect.Services<Steps[number]>> =>
  // The elements of the list are of these types, which `forEach` cannot tell from the list.
  Effect.forEach(all, (one) => one, { discard: true }) as Effect.Effect<
    void,
    Effect.Error<Steps[number]>,
    Effect.Services<Steps[number]>
  >

/**
 * Exits at once, or after a time, with a code.
 *
 * @category constructors
 */
export const exits = (
  code: number,
  options?: { readonly after?: Duration.Input | undefined }
): Effect.Effect<never, never, Self> =>
  options?.after === undefined ? exit(code) : Effect.andThen(sleep(options.after), exit(code))

/**
 * Runs until a signal ends it.
 *
 * @category constructors
 */
export const runs: Effect.Effect<never, never, Self> = Effect.never

/**
 * Writes all that it reads, until the end of its stdin.
 *
 * @category constructors
 */
export const cat: Effect.Effect<void, never, Self> = Effect.suspend(() =>
  Stream.runForEach(stdin, (chunk) => write(1, chunk))
)

/**
 * The start fails with an error of the operating system: at `exec`, as a program that is not there (`"ENOENT"`) or may not be
 * executed (`"EACCES"`), or at another step. `reason` says more than the number does.
 *
 * **Example** (The second start fails)
 *
 * ```ts
 * import { Program, TestNursery } from "@nursery/testing"
 *
 * const layer = TestNursery.layer({
 *   worker: ({ nth }) => nth === 2 ? Program.cannotStart("EAGAIN") : Program.runs
 * })
 * ```
 *
 * @category constructors
 */
export const cannotStart = (
  errno: Errno,
  options?: { readonly step?: Step | undefined; readonly reason?: SpawnReason | undefined }
): CannotStart => ({ _tag: "CannotStart", errno, step: options?.step ?? "exec", reason: options?.reason })

/**
 * Lets time pass.
 *
 * @category steps
 */
export const sleep = (duration: Duration.Input): Effect.Effect<void, never, Self> =>
  step((process) => Effect.andThen(Effect.sleep(duration), process.running))

/**
 * Ends the process with an exit code, 0 where none is given. Nothing comes after it.
 *
 * @category steps
 */
export const exit = (code = 0): Effect.Effect<never, never, Self> =>
  Effect.andThen(
    act((process) => process.die((code & 0xff) << 8)),
    Effect.never
  )

/**
 * Ends the process as a signal does that nobody has sent, such as SIGSEGV. Nothing comes after it.
 *
 * @category steps
 */
export const dieOf = (
  signal: Signal.Signal,
  options?: { readonly coreDumped?: boolean | undefined }
): Effect.Effect<never, never, Self> =>
  Effect.andThen(
    act((process) => process.die(Signal.toNumber(signal) | (options?.coreDumped === true ? 0x80 : 0))),
    Effect.never
  )

/**
 * Writes to a descriptor, and waits for a reader where its pipe is full. SIGPIPE ends a process that nobody reads. What goes to a
 * descriptor that is no pipe is lost.
 *
 * @category steps
 */
export const write = (descriptor: number, data: string | Uint8Array): Effect.Effect<void, never, Self> =>
  step((process) => process.write(descriptor, typeof data === "string" ? encoder.encode(data) : data))

/**
 * Writes to stdout.
 *
 * @category steps
 */
export const stdout = (data: string | Uint8Array): Effect.Effect<void, never, Self> => write(1, data)

/**
 * Writes to stderr.
 *
 * @category steps
 */
export const stderr = (data: string | Uint8Array): Effect.Effect<void, never, Self> => write(2, data)

/**
 * Closes a descriptor: who reads the other end gets the end of file, unless a descendant holds it too.
 *
 * @category steps
 */
export const close = (descriptor: number): Effect.Effect<void, never, Self> =>
  act((process) => process.close(descriptor))

/**
 * What can be read from a descriptor, up to its end. One that is no pipe is at its end.
 *
 * @category steps
 */
export const input = (descriptor: number): Stream.Stream<Uint8Array, never, Self> =>
  Stream.unfold(undefined, () =>
    step((process) =>
      Effect.map(process.read(descriptor), (chunk) => (chunk === undefined ? undefined : ([chunk, undefined] as const)))
    )
  )

/**
 * What can be read from stdin.
 *
 * @category steps
 */
export const stdin: Stream.Stream<Uint8Array, never, Self> = input(0)

/**
 * Tells something by sd_notify(3), as a service of systemd does: it comes out of `process.notifications` where the command has the
 * option `notify`, and is lost where it has not.
 *
 * **Example** (A service that says when it is ready)
 *
 * ```ts
 * import { Command, Process } from "@nursery/process"
 * import { Program, TestNursery } from "@nursery/testing"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const programs = TestNursery.layer({
 *   service: Program.steps(Program.sleep("10 millis"), Program.notify({ READY: 1, STATUS: "up" }), Program.runs)
 * })
 *
 * const test = Effect.gen(function*() {
 *   const service = yield* Process.spawn(Command.make("service", [], { notify: true }))
 *   const [first] = yield* service.notifications.pipe(Stream.take(1), Stream.runCollect)
 *   assert.deepEqual(first?.fields, { READY: "1", STATUS: "up" })
 * })
 *
 * await Effect.runPromise(test.pipe(Effect.scoped, Effect.provide(programs)))
 * ```
 *
 * @category steps
 */
export const notify = (fields: Notification.Fields): Effect.Effect<void, never, Self> =>
  act((process) => process.tree.notified(Notification.make(process.pid, "member", fields)))

/**
 * Has no effect on the process from now on. SIGKILL and SIGSTOP cannot be ignored.
 *
 * @category signals
 */
export const ignore = (...signals: ReadonlyArray<Signal.Signal>): Effect.Effect<void, never, Self> =>
  act((process) => {
    for (const signal of signals) process.react(Signal.toNumber(signal), "ignore")
  })

/**
 * Does what the system does by default about these signals from now on.
 *
 * @category signals
 */
export const reset = (...signals: ReadonlyArray<Signal.Signal>): Effect.Effect<void, never, Self> =>
  act((process) => {
    for (const signal of signals) process.react(Signal.toNumber(signal), undefined)
  })

/**
 * Runs an Effect each time that the signal arrives, beside the program.
 *
 * **Example** (A program that takes three seconds to end in order)
 *
 * ```ts
 * import { Program } from "@nursery/testing"
 *
 * const slow = Program.steps(
 *   Program.onSignal("SIGTERM", Program.exits(0, { after: "3 seconds" })),
 *   Program.runs
 * )
 * ```
 *
 * @category signals
 */
export const onSignal = <E, R>(
  signal: Signal.Signal,
  reaction: Effect.Effect<unknown, E, R>
): Effect.Effect<void, never, R | Self> =>
  Effect.contextWith((context: Context.Context<R | Self>) =>
    act((process) => process.react(Signal.toNumber(signal), Effect.provide(reaction, context)))
  )

/**
 * SIGKILL does not end the process from now on, as when it is blocked in the kernel; {@link killable} undoes it.
 *
 * @category signals
 */
export const unkillable: Effect.Effect<void, never, Self> = act((process) => process.setUnkillable(true))

/**
 * SIGKILL ends the process, also one that came before.
 *
 * @category signals
 */
export const killable: Effect.Effect<void, never, Self> = act((process) => process.setUnkillable(false))

/**
 * Starts a descendant, which lives on when this process ends, and gives its pid. It has the descriptors of this process, so that it
 * holds its pipes open.
 *
 * @category steps
 */
export const fork = <E, R>(
  program: Effect.Effect<unknown, E, R>,
  options?: {
    /** What it is called; else as this process. */
    readonly name?: string | undefined
    /** Leaves the process group, as a daemon does. */
    readonly session?: boolean | undefined
    /** Which descriptors it has; all, where nothing is said. */
    readonly keep?: ReadonlyArray<number> | undefined
  }
): Effect.Effect<number, never, R | Self> =>
  Effect.contextWith((context: Context.Context<R | Self>) =>
    step((process) =>
      Effect.sync(() => {
        // All that this process has, but another self.
        const own = Effect.flatMap(Self, (self) => Effect.provide(program, Context.add(context, Self, self)))
        return process.tree.world.fork(process, own, options ?? {})
      })
    )
  )
