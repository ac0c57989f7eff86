/**
 * A child as data: what the public constructors make and the shell runs. Types of what it provides, fails with and needs are known
 * to the public interfaces alone; here they are unknown.
 *
 * @internal
 */
import type { Command, Process } from "@nursery/process"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { ChildExit } from "../ChildExit.ts"
import type { Dependency, Intensity, RestartRule, Strategy } from "./core/plan.ts"

/** What the children named in `after` have provided. */
export type Provided = Readonly<Record<string, unknown>>

type AnyEffect<A = unknown> = Effect.Effect<A, unknown, unknown>

/** Whether a process, or an Effect, does what it is for; it provides what it answers. `process` is there for process children. */
export interface ReadySpec {
  /** For messages: `http http://127.0.0.1:8080/health`. */
  readonly name: string
  /** Wants the environment that the protocol `notify` needs. */
  readonly notify: boolean
  /** Descriptor on which s6's readiness protocol is spoken. */
  readonly fd: number | undefined
  /** Reads the output that the command pipes. */
  readonly log: RegExp | undefined
  /** Succeeds once ready. Interrupted when the child ends first. */
  readonly check: (running: Running) => AnyEffect
  readonly timeout: Duration.Duration | undefined
}

/** What a readiness or liveness check may look at. */
export interface Running {
  /** `undefined` for a child that is an Effect. */
  readonly process: Process.Process | undefined
  /** Lines of its output, for `Ready.log`: each subscriber gets those from the start of the process on. */
  readonly lines: AnyEffect<never> | undefined
}

export interface LivenessSpec {
  readonly name: string
  /** Watches for as long as the child runs: fails when it is not alive any more. */
  readonly watch: (running: Running) => AnyEffect<never>
}

export interface RestartSpec {
  readonly rule: RestartRule
  /** `undefined`: at once, each time. */
  readonly schedule: Schedule.Schedule<unknown, ChildExit, unknown, unknown> | undefined
  /** How long a child has to be ready until its schedule starts anew. `undefined`: never. */
  readonly healthyAfter: Duration.Duration | undefined
}

export type Decision =
  | { readonly _tag: "restart" | "restartGroup" | "pause" | "stop" | "escalate" | "ignore" }
  | { readonly _tag: "replace"; readonly command: Command.Command }

/** Asked about an end, before the restart rule: `undefined` leaves it to the next one, and at last to the rule. */
export type Policy = (exit: ChildExit) => AnyEffect<Decision | undefined>

/** Run around each life of a child. */
export interface Hooks {
  readonly beforeStart: AnyEffect | undefined
  readonly afterStop: AnyEffect | undefined
}

interface Common {
  readonly name: string
  readonly after: ReadonlyArray<Dependency>
  readonly restart: RestartSpec
  readonly policies: ReadonlyArray<Policy>
  readonly significant: boolean
  readonly hooks: Hooks
}

export interface ProcessSpec extends Common {
  readonly kind: "process"
  readonly command: (provided: Provided) => AnyEffect<Command.Command>
  readonly ready: ReadySpec | undefined
  readonly liveness: LivenessSpec | undefined
  /** Changes the command's own. */
  readonly stop: Command.StopOptions | undefined
  /** How a running process is asked to read its configuration anew. */
  readonly reload: "notify" | AnyEffect | undefined
}

export interface EffectSpec extends Common {
  readonly kind: "effect"
  readonly effect: (provided: Provided) => AnyEffect
  /** `undefined`: it is ready when it has succeeded, and provides its value. */
  readonly ready: ReadySpec | undefined
  /** It is interrupted, and no longer waited for after so long. */
  readonly stopTimeout: Duration.Duration | undefined
}

export interface SupervisorSpec extends Common {
  readonly kind: "supervisor"
  readonly strategy: Strategy
  /** `undefined`: the default, which counts only children that have no schedule of their own. */
  readonly intensity: Intensity | undefined
  readonly autoShutdown: "any" | "all"
  readonly children: ReadonlyArray<ChildSpec>
}

export interface DynamicSpec extends Common {
  readonly kind: "dynamic"
  readonly intensity: Intensity | undefined
  /** What is started with arguments; its name is replaced by the key. */
  readonly template: (args: unknown) => ChildSpec
}

export type ChildSpec = ProcessSpec | EffectSpec | SupervisorSpec | DynamicSpec
