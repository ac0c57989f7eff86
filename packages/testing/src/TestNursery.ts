/**
 * A nursery of simulated processes, in the time of Effect's Clock: under `TestClock` a test moves it.
 *
 * {@link layer} provides the `Nursery` that everything of `@nursery/process` works on, and the {@link TestNursery} by which a test sees
 * what was started, and interferes. No program of this machine runs, and nothing of the operating system is used: what a test does
 * once it does always. Pids count from 1000.
 *
 * **Details**
 *
 * What the keeper promises holds: callbacks in their order, stop policies with their grace periods, SIGKILL at the end of them,
 * descendants that are ended with their leader, one's own signals, full pipes. `TestClock.adjust` returns when everything that
 * follows from the new time has happened.
 *
 * **Gotchas**
 *
 * - A scope that closes waits for the grace period of a process that ignores its stop signal; in virtual time somebody has to move the
 *   clock meanwhile. Fork the close and adjust, or let the program end on the signal, as all programs do that say nothing else.
 * - The close of the layer itself ends everything at once.
 * - Files are not simulated: a descriptor that is a file, `"null"` or `"inherit"` loses what is written, and reads as an empty file.
 */
import { Nursery, Signal } from "@nursery/process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Failures from "./internal/failures.ts"
import * as Notification from "./internal/notification.ts"
import { type Call, type Playable, World } from "./internal/world.ts"
import type { Entry, Invocation, Programs, Self } from "./Program.ts"

/**
 * A command that was started.
 */
export interface Start extends Invocation {
  readonly pid: number
  /** Milliseconds, by the Clock. */
  readonly time: number
}

/**
 * A simulated process that is alive: one that was started, or a descendant of one.
 */
export interface Alive {
  readonly pid: number
  readonly parent: number
  readonly program: string
  /** It got SIGSTOP, and no SIGCONT since. */
  readonly isStopped: boolean
}

/**
 * A signal that was sent to a simulated process, by whomever. SIGCONT that follows a stop signal is among them only where the process was
 * stopped.
 */
export interface Sent {
  /** Milliseconds, by the Clock. */
  readonly time: number
  readonly pid: number
  readonly program: string
  readonly signal: Signal.Signal
}

/**
 * The service. Its functions are those of this module.
 *
 * @category services
 */
export class TestNursery extends Context.Service<
  TestNursery,
  {
    /** @internal */
    readonly internal: World
  }
>()("@nursery/testing/TestNursery") {}

/**
 * Simulated processes by the names of their programs, as commands have them: `"redis-server"`, `"/usr/bin/env"`. A command whose program
 * is not there fails as on a machine that does not have it.
 *
 * **Example** (A process that ends in virtual time)
 *
 * ```ts
 * import { Command, Process } from "@nursery/process"
 * import { Program, TestNursery } from "@nursery/testing"
 * import * as Effect from "effect/Effect"
 * import * as Fiber from "effect/Fiber"
 * import { TestClock } from "effect/testing"
 * import assert from "node:assert/strict"
 *
 * const programs = TestNursery.layer({
 *   backup: Program.steps(Program.stdout("working\n"), Program.sleep("6 hours"), Program.stdout("done\n"))
 * })
 *
 * const test = Effect.gen(function*() {
 *   const output = yield* Effect.forkChild(Process.string(Command.make("backup")))
 *   yield* TestNursery.awaitStart("backup")
 *   yield* TestClock.adjust("6 hours")
 *   assert.equal(yield* Fiber.join(output), "working\ndone\n")
 * })
 *
 * await Effect.runPromise(test.pipe(Effect.provide(programs), Effect.provide(TestClock.layer())))
 * ```
 *
 * @category layers
 */
export const layer = <R = never>(
  programs: Programs<R>
): Layer.Layer<Nursery.Nursery | TestNursery, never, Exclude<R, Self>> => {
  const world = Layer.effect(
    TestNursery,
    Effect.contextWith((context: Context.Context<Exclude<R, Self>>) =>
      // The programs find what they require in this context.
      Effect.sync(() => ({ internal: new World(context as Context.Context<never>, resolverOf(programs)) }))
    )
  )
  return Nursery.layerBackend(
    Effect.acquireRelease(
      TestNursery.use(({ internal }) => Effect.succeed(internal)),
      (backend) => Effect.callback<void>((resume) => backend.dispose(() => resume(Effect.void)))
    )
  ).pipe(Layer.provideMerge(world))
}

const resolverOf =
  <R>(programs: Programs<R>) =>
  (call: Call): Playable => {
    const entry: Entry<R> | undefined = Object.hasOwn(programs, call.program) ? programs[call.program] : undefined
    const found = typeof entry === "function" ? entry(call) : entry
    if (found === undefined) return Failures.notFound
    // What it requires is in the context of the layer.
    return found as Playable
  }

const sync = <A>(f: (world: World) => A): Effect.Effect<A, never, TestNursery> =>
  TestNursery.use(({ internal }) => Effect.sync(() => f(internal)))

const startOf = ({ call, pid, time }: World["started"][number]): Start => ({
  pid,
  time,
  program: call.program,
  argv: call.argv,
  cwd: call.cwd,
  nth: call.nth,
  get env() {
    return call.env
  }
})

/**
 * Every command that was started until now, oldest first.
 *
 * @category inspection
 */
export const started: Effect.Effect<ReadonlyArray<Start>, never, TestNursery> = sync((world) =>
  world.started.map(startOf)
)

/**
 * Everything alive, descendants too, oldest first.
 *
 * @category inspection
 */
export const alive: Effect.Effect<ReadonlyArray<Alive>, never, TestNursery> = sync((world) =>
  world.alive.map(({ birth, isStopped, parent, pid }) => ({ pid, parent, program: birth.name, isStopped }))
)

/**
 * Every signal that was sent until now, oldest first.
 *
 * @category inspection
 */
export const signals: Effect.Effect<ReadonlyArray<Sent>, never, TestNursery> = sync((world) =>
  world.signals.map(({ pid, program, signal, time }) => ({
    pid,
    program,
    time,
    // Only signals with a name can be sent.
    signal: Option.getOrThrow(Signal.fromNumber(signal))
  }))
)

/**
 * Waits until a program has been started for the `nth` time, counted from 1, and gives that start.
 *
 * @category inspection
 */
export const awaitStart = (program: string, nth = 1): Effect.Effect<Start, never, TestNursery> =>
  TestNursery.use(({ internal }) =>
    Effect.callback<Start>((resume) => {
      const check = () => {
        const found = internal.started.filter(({ call }) => call.program === program)[nth - 1]
        if (found === undefined) return
        forget()
        resume(Effect.succeed(startOf(found)))
      }
      const forget = internal.onStart(check)
      check()
      return Effect.sync(forget)
    })
  )

/**
 * Sends a signal to one process, as somebody outside would. Whether there was such a process.
 *
 * @category operations
 */
export const kill = (pid: number, signal: Signal.Signal = "SIGKILL"): Effect.Effect<boolean, never, TestNursery> =>
  sync((world) => {
    const process = world.get(pid)
    if (process === undefined) return false
    world.signal(process, Signal.toNumber(signal))
    return true
  })

/**
 * Somebody tells something about a process by sd_notify(3) who is not of its tree, or who has ended before that could be found out.
 * Whether there was such a process.
 *
 * @category operations
 */
export const notify = (
  pid: number,
  fields: { readonly [name: string]: string | number },
  options?: { readonly sender?: "stranger" | "gone" | undefined; readonly from?: number | undefined }
): Effect.Effect<boolean, never, TestNursery> =>
  sync((world) => {
    const process = world.get(pid)
    process?.tree.notified(Notification.make(options?.from ?? 1, options?.sender ?? "stranger", fields))
    return process !== undefined
  })

/**
 * The keeper dies: all handles fail with `KeeperLost`, and everything is ended. Later starts work.
 *
 * @category operations
 */
export const loseKeeper: Effect.Effect<void, never, TestNursery> = sync((world) =>
  world.loseKeeper(Failures.keeperLost)
)

/**
 * The reaper of one process dies: its handle fails with `KeeperLost`, and it is ended with all that it has started. Whether there was
 * such a process.
 *
 * @category operations
 */
export const loseReaper = (pid: number): Effect.Effect<boolean, never, TestNursery> =>
  sync((world) => {
    const process = world.get(pid)
    process?.tree.lost(Failures.reaperLost)
    return process !== undefined
  })
