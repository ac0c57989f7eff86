/**
 * Liveness: whether a child that was ready is still alive.
 *
 * A process can run and be of no use: it waits for a lock that nobody holds, its event loop is blocked, it has been frozen. A
 * `Liveness` finds out; the child is ended then, fails with `Unresponsive`, and its restart policy decides.
 *
 * **Details**
 *
 * - Watching begins when the child is ready, anew with each start, and ends with it.
 * - A child that is an Effect is watched by what looks at no process: {@link effect}, {@link tcp} and their like. It is interrupted then.
 * - A probe is made `every` 10 seconds and has 5 seconds to succeed; after 3 `failures` in a row the child is held for dead.
 *
 * **Gotchas**
 *
 * Ask what a restart would repair. A check that fails because a database elsewhere is down restarts what is healthy.
 */
import type { Nursery, Process } from "@nursery/process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Pipeable } from "effect/Pipeable"
import type * as Types from "effect/Types"
import * as Probe from "./internal/ready/command.ts"
import { connect } from "./internal/ready/connect.ts"
import { request } from "./internal/ready/http.ts"
import { liveness, noWants } from "./internal/ready/make.ts"
import * as Options from "./internal/ready/options.ts"
import * as watch from "./internal/ready/watch.ts"
import type { LivenessSpec, Running } from "./internal/spec.ts"
import type { AnyProcess, HttpRequest, TcpAddress } from "./Ready.ts"

/**
 * How it is known that a child is still alive. `R` is what that needs, and `In` the process that is looked at: `unknown` where it is
 * none, and then it fits children that are Effects too.
 *
 * @category models
 */
export interface Liveness<out R = never, in In = unknown> extends Pipeable {
  readonly "~nursery/Liveness": { readonly _R: Types.Covariant<R>; readonly _In: Types.Contravariant<In> }
  /** @internal */
  readonly spec: LivenessSpec
}

/**
 * How often, how long, and how many failures in a row.
 *
 * @category options
 */
export interface ProbeOptions {
  /** From the end of one probe to the beginning of the next. Default: 10 seconds. */
  readonly every?: Duration.Input | undefined
  /** The time limit of each probe. Default: 5 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** So many failures in a row mean that it is not alive. Default: 3. */
  readonly failures?: number | undefined
}

const probing = <R, In>(
  name: string,
  problem: string | undefined,
  options: ProbeOptions | undefined,
  probe: (running: Running) => Effect.Effect<unknown, unknown, R>
): Liveness<R, In> => {
  const every = Options.duration("every", options?.every, Duration.seconds(10))
  const timeout = Options.duration("timeout", options?.timeout, Duration.seconds(5))
  const failures = Options.count("failures", options?.failures, 3)
  const rhythm = { every: every.value, timeout: timeout.value, failures: failures.value }
  return liveness({
    name,
    wants: noWants,
    problem: Options.firstProblem(problem, every.problem, timeout.problem, failures.problem),
    watch: (running) => watch.probing(name, rhythm, running, probe(running))
  })
}

/**
 * Alive while a TCP port accepts connections.
 *
 * @category constructors
 */
export const tcp = (address: TcpAddress, options?: ProbeOptions): Liveness => {
  const { value, problem } = Options.tcp(address)
  return probing(Options.showTcp(value), problem, options, () => connect(value))
}

/**
 * Alive while a unix socket accepts connections.
 *
 * @category constructors
 */
export const unix = (path: string, options?: ProbeOptions): Liveness =>
  probing(`unix ${path}`, Options.socketPath(path), options, () => connect({ path }))

/**
 * Alive while a request is answered well: with a status from 200 to 399, unless the request says something else.
 *
 * **Example** (Half a minute without an answer)
 *
 * ```ts
 * import { Liveness } from "@nursery/supervisor"
 *
 * const alive = Liveness.http("http://localhost:8080/health", { every: "5 seconds", failures: 3 })
 * ```
 *
 * @category constructors
 */
export const http = (input: string | URL | HttpRequest, options?: ProbeOptions): Liveness => {
  const { value, problem } = Options.http(input)
  return probing(Options.showHttp(value), problem, options, () => request(value, () => {}))
}

/**
 * Alive while a command exits with one of its `successCodes`. What it writes is not shown.
 *
 * @category constructors
 */
export const command = (command: Probe.ProbeCommand, options?: ProbeOptions): Liveness<Nursery.Nursery> =>
  probing(Probe.nameOf(command), undefined, options, () => Probe.succeed(command))

/**
 * Alive while an Effect succeeds. A failure, a defect and too long a time are the same here.
 *
 * @category constructors
 */
export const effect: {
  <A, E, R>(effect: Effect.Effect<A, E, R>, options?: ProbeOptions): Liveness<R>
  <A, E, R, In extends AnyProcess = Process.Process>(
    f: (process: In) => Effect.Effect<A, E, R>,
    options?: ProbeOptions
  ): Liveness<R, In>
} = <A, E, R, In extends AnyProcess>(
  input: Effect.Effect<A, E, R> | ((process: In) => Effect.Effect<A, E, R>),
  options?: ProbeOptions
): Liveness<R, In> =>
  probing("effect", undefined, options, (running) =>
    // A check that looks at a process does not fit a child without one: the type `In` sees to it.
    Effect.isEffect(input) ? input : Effect.suspend(() => input(running.process as In))
  )

/**
 * Alive while the process says so itself: by `WATCHDOG=1` of systemd's notify protocol (`sd_notify(3)`), at least once in each
 * interval. The process finds the interval in its environment, as `WATCHDOG_USEC`; half of it is a good rhythm.
 *
 * `WATCHDOG=trigger` ends it at once, and `WATCHDOG_USEC=` changes the interval.
 *
 * @category constructors
 */
export const watchdog = (interval: Duration.Input): Liveness<never, AnyProcess> => {
  const { value, problem } = Options.duration("the interval of the watchdog", interval, Duration.seconds(30))
  return liveness({
    name: "watchdog",
    wants: { ...noWants, notify: true, watchdog: value },
    problem,
    watch: (running) => watch.watchdog(value, running)
  })
}
