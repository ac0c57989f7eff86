/**
 * A child as data: what the public constructors make and the shell runs. Types of what it provides, fails with and needs are known
 * to the public interfaces alone; here they are unknown.
 *
 * Numbers and durations are as they were given: `internal/validate.ts` finds what is wrong with them before anything runs.
 *
 * @internal
 */
import type { Command, Process } from "@nursery/process"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Stream from "effect/Stream"
import type { ReadyStranger, Unresponsive } from "../ChildError.ts"
import type { ChildExit } from "../ChildExit.ts"
import type { AutoShutdown, Dependency, RestartRule, Strategy } from "./core/plan.ts"
import type { Intensity, Order } from "./supervisorOptions.ts"

/** What the children named in `after` have provided. */
export type Provided = Readonly<Record<string, unknown>>

type AnyEffect<A = unknown> = Effect.Effect<A, unknown, unknown>

/** What a check wants of the command of its process; `internal/ready/prepare.ts` changes the command accordingly. */
export interface Wants {
  /** The socket of systemd's notify protocol. */
  readonly notify: boolean
  /** The interval that the process is told, by `WATCHDOG_USEC`. */
  readonly watchdog: Duration.Duration | undefined
  /** Descriptors that the process writes and the check reads. */
  readonly fds: ReadonlyArray<number>
  readonly stdout: boolean
  readonly stderr: boolean
}

/** Whether a process, or an Effect, does what it is for; it provides what it answers. */
export interface ReadySpec {
  /** For messages: `http http://127.0.0.1:8080/health`. */
  readonly name: string
  readonly wants: Wants
  /** What is wrong with its options: makes the tree an `InvalidTree`. */
  readonly problem: string | undefined
  /** Succeeds once ready. Interrupted when the child ends first. Its failures are the child's: they name it where they have to. */
  readonly check: (running: Running) => AnyEffect
}

/** What a readiness or liveness check may look at. */
export interface Running {
  /** The name of the child, for errors. */
  readonly child: string
  /** `undefined` for a child that is an Effect. */
  readonly process: Process.ProcessBase<unknown> | undefined
  /**
   * What the process says of itself: empty without `wants.notify`. A subscriber that comes before the child is ready gets it from
   * the start on, any later one from then on. It does not end before the process.
   */
  readonly notifications: Stream.Stream<Process.Notification>
  /**
   * What `find` makes of the first line of the wanted output of which it makes something: from the start on, as far as the last
   * 256 KiB go back when it is asked for, and from then on each line.
   */
  readonly findLine: <A>(of: "stdout" | "stderr" | "both", find: (line: string) => A | undefined) => Effect.Effect<A>
  /** Told why it is not ready yet, each time that a probe has failed. With a reason: the child fails with it when its time is up. */
  readonly report: (problem: string, reason?: ReadyStranger) => void
}

export interface LivenessSpec {
  readonly name: string
  readonly wants: Wants
  /** What is wrong with its options: makes the tree an `InvalidTree`. */
  readonly problem: string | undefined
  /** Watches from when the child is ready for as long as it runs: fails with `Unresponsive` when it is not alive any more. */
  readonly watch: (running: Running) => Effect.Effect<never, Unresponsive, unknown>
}

export interface RestartSpec {
  readonly rule: RestartRule
  /** `undefined`: at once, each time. */
  readonly schedule: Schedule.Schedule<unknown, ChildExit, unknown, unknown> | undefined
  /** How long a child has to be ready until its schedule starts anew. `undefined`: never. */
  readonly healthyAfter: Duration.Input | undefined
  /** Whether also those failures are retried that will not go away by trying again. */
  readonly retryPermanent: boolean
}

export type Decision =
  | { readonly _tag: "restart" | "restartGroup" | "pause" | "stop" | "escalate" | "ignore" }
  | { readonly _tag: "replace"; readonly command: Command.Command }

/** Asked about an end, before the restart rule: `undefined` leaves it to the rule. What it fails with is what the child gives up with. */
export type Policy = (exit: ChildExit) => AnyEffect<Decision | undefined>

/** Run around each life of a child. */
export interface Hooks {
  readonly beforeStart: AnyEffect | undefined
  readonly afterStop: AnyEffect | undefined
  /** `undefined`: the default. */
  readonly afterStopTimeout: Duration.Input | undefined
}

interface Common {
  readonly name: string
  /** At most one for each name, unless the tree is invalid. */
  readonly after: ReadonlyArray<Dependency>
  readonly restart: RestartSpec
  /** What the public functions add to a child is composed to one. */
  readonly policy: Policy | undefined
  readonly significant: boolean
  readonly hooks: Hooks
  /** Within so much time from the beginning of its start it has to be ready. `undefined`: there is no limit. */
  readonly startTimeout: Duration.Input | undefined
}

export interface ProcessSpec extends Common {
  readonly kind: "process"
  readonly command: (provided: Provided) => AnyEffect<Command.Command>
  readonly ready: ReadySpec | undefined
  readonly liveness: LivenessSpec | undefined
  /** What it may hand over for its next life: how many descriptors. `undefined`: nothing. */
  readonly fdStoreMax: number | undefined
  /** Changes the command's own. */
  readonly stop: Command.StopOptions | undefined
  /**
   * How a running process is asked to read its configuration anew. `notify`: by SIGHUP, and it says by the notify protocol when it
   * has done so. `undefined`: it cannot be.
   */
  readonly reload: "notify" | ((process: Process.Process) => AnyEffect) | undefined
}

export interface EffectSpec extends Common {
  readonly kind: "effect"
  readonly effect: (provided: Provided) => AnyEffect
  /** `undefined`: it is ready when it has succeeded, and provides its value. */
  readonly ready: ReadySpec | undefined
  /** Only with `ready`. */
  readonly liveness: LivenessSpec | undefined
  /** It is interrupted, and no longer waited for after so long. */
  readonly stopTimeout: Duration.Input | undefined
}

export interface SupervisorSpec extends Common {
  readonly kind: "supervisor"
  readonly strategy: Strategy
  /** `undefined`: the default, which counts only children that have no schedule of their own. */
  readonly intensity: Intensity | undefined
  readonly autoShutdown: AutoShutdown
  readonly order: Order
  readonly children: ReadonlyArray<ChildSpec>
}

export interface DynamicSpec extends Common {
  readonly kind: "dynamic"
  readonly intensity: Intensity | undefined
  /** What is started with arguments; its name is replaced by the key. May throw: it is the user's function. */
  readonly template: (args: unknown) => ChildSpec
}

export type ChildSpec = ProcessSpec | EffectSpec | SupervisorSpec | DynamicSpec

export type TreeSpec = SupervisorSpec | DynamicSpec
