/**
 * The options of children.
 *
 * @internal
 */
import type { Command, Process, Signal } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Decision, Replace } from "../Child.ts"
import type { NotReady, Unresponsive } from "../ChildError.ts"
import type { ChildExit, ProcessFailure } from "../ChildExit.ts"
import type { Liveness } from "../Liveness.ts"
import type { Ready } from "../Ready.ts"
import type { Restart } from "../Restart.ts"
import type { Dependencies } from "./childTypes.ts"

/**
 * Any command, whatever it is connected to.
 *
 * @category models
 */
// As a constraint this leaves the compiler nothing to infer those types from but the command itself.
export type AnyCommand = Omit<Command.Command, "stdin" | "stdout" | "stderr" | "fds">

/**
 * Run around each life of a child.
 *
 * @category models
 */
export interface Hooks<out BE, out BR, out AR> {
  /**
   * Before each start; the child starts when it has succeeded. What it fails with the child fails with. It may take as long as
   * `startTimeout` of a process or an Effect says; that of a supervisor has no limit.
   */
  readonly beforeStart?: Effect.Effect<unknown, BE, BR> | undefined
  /** After each end, however it came, when nothing of the child is left. What it fails with is logged, and changes nothing. */
  readonly afterStop?: Effect.Effect<unknown, unknown, AR> | undefined
  /**
   * How long `afterStop` may take; then it is interrupted and no longer waited for, which is logged and told as the event `Abandoned`.
   * Default: 90 seconds.
   */
  readonly afterStopTimeout?: Duration.Input | undefined
}

/**
 * What the options of an Effect add to what it fails with.
 *
 * @category utility types
 */
export type LimitError<Live, Limit> =
  | ([Live] extends [never] ? never : Unresponsive)
  | ([Limit] extends [never] ? never : NotReady)

/** What a liveness check needs. */
export type LivenessServices<Live> = Live extends Liveness<infer R> ? R : never

interface Common<After extends Dependencies, Requires extends Dependencies, BE, BR, AR> {
  /**
   * Earlier siblings that have to be ready before this child starts: by value, which gives what they provide to its function, or by
   * name. Their failures later on do not matter.
   */
  readonly after?: After | undefined
  /**
   * As `after`, and this child runs only while they are ready: when one is not any more, this child is stopped, and started again when
   * it is back.
   */
  readonly requires?: Requires | undefined
  /** Whether the end of this child ends the tree: see `autoShutdown` of `Supervisor.make`. Not for those that are restarted always. */
  readonly significant?: boolean | undefined
  readonly hooks?: Hooks<BE, BR, AR> | undefined
}

/**
 * How a child that is a process is run.
 *
 * @category models
 */
export interface ProcessOptions<
  After extends Dependencies,
  Requires extends Dependencies,
  P,
  E,
  ReadyE,
  ReadyR,
  LivenessR,
  RestartE,
  RestartR,
  DecideE,
  DecideR,
  BE,
  BR,
  AR,
  ReloadE,
  ReloadR
> extends Common<After, Requires, BE, BR, AR> {
  /** When it is ready, and what it provides then. Without it: as soon as its program runs. */
  readonly ready?: Ready<P, ReadyE, ReadyR, Process.Process> | undefined
  /**
   * How long a start may take in all, until the child is ready: its hook `beforeStart`, the Effect that makes its command, and its
   * readiness. Then it is ended and has failed with `NotReady`, whose reason says what it was at. A process that speaks systemd's
   * protocol may extend the limit by `EXTEND_TIMEOUT_USEC=`. Without it there is none but that of `Ready.timeout`.
   */
  readonly startTimeout?: Duration.Input | undefined
  /** Whether it is still alive, once it was ready. */
  readonly liveness?: Liveness<LivenessR, Process.Process> | undefined
  /** When it is started again. Without it: always, at once. */
  readonly restart?:
    | Restart<ChildExit<ProcessFailure | NoInfer<E | ReadyE | BE>, ProcessExit>, RestartE, RestartR>
    | undefined
  /** What is done when it has ended; asked before `restart`. */
  readonly decide?:
    | ((
        exit: ChildExit<ProcessFailure | NoInfer<E | ReadyE | BE>, ProcessExit>
      ) => Effect.Effect<Decision, DecideE, DecideR>)
    | undefined
  /**
   * How many descriptors the process may hand over to its next life, as `FileDescriptorStoreMax=` of systemd: what it sends with
   * `FDSTORE=1` (sd_pid_notify_with_fds(3)) is held, and the process that is started in its place gets it after the descriptors of
   * `activation`, under the names that it was sent with (`FDNAME=`). `FDSTOREREMOVE=1` lets go of a name.
   *
   * It is kept for as long as the child is started again, whoever asks for that, and while it is paused. When the child stays down
   * otherwise, because it was stopped, has completed or has failed for good, and when its tree ends, all of it is closed. Without the
   * option nothing is held. A command that brings an `fdStore` of its own has that instead, for as long as its scope is open.
   */
  readonly fdStoreMax?: number | undefined
  /** How it is ended: changes what its command says. */
  readonly stop?: Command.StopOptions | undefined
  /**
   * How it is told to read its configuration anew. `"notify"`: by SIGHUP, and it says by systemd's notify protocol when it has done so.
   * A signal: by that, without an answer.
   */
  readonly reload?:
    | "notify"
    | Signal.Signal
    | ((process: Process.Process) => Effect.Effect<unknown, ReloadE, ReloadR>)
    | undefined
}

/**
 * How a child that is an Effect is run.
 *
 * @category models
 */
export interface EffectOptions<
  After extends Dependencies,
  Requires extends Dependencies,
  P,
  A,
  E,
  ReadyE,
  ReadyR,
  RestartE,
  RestartR,
  DecideE,
  DecideR,
  BE,
  BR,
  AR,
  Live extends Liveness<unknown> = Liveness<unknown>,
  Limit extends Duration.Input = Duration.Input
> extends Common<After, Requires, BE, BR, AR> {
  /**
   * When it is ready, and what it provides then, for one that goes on. Without it: when it has succeeded, and it provides its value.
   */
  readonly ready?: Ready<P, ReadyE, ReadyR> | undefined
  /**
   * How long a start may take in all, until the child is ready: its hook `beforeStart` and its readiness, or without `ready` all of it.
   * Then it is interrupted and has failed with `NotReady`, whose reason says what it was at. Without it there is no limit.
   */
  readonly startTimeout?: Limit | undefined
  /**
   * Whether it is still alive, once it was ready; only with `ready`. Where it is not it is interrupted, and has failed with
   * `Unresponsive`. One that does not let itself be interrupted needs a `stopTimeout` too.
   */
  readonly liveness?: Live | undefined
  /** When it is started again. Without it: on failure, at once. */
  readonly restart?: Restart<ChildExit<NoInfer<E | ReadyE | BE>, NoInfer<A>>, RestartE, RestartR> | undefined
  /** What is done when it has ended; asked before `restart`. */
  readonly decide?:
    | ((
        exit: ChildExit<NoInfer<E | ReadyE | BE>, NoInfer<A>>
      ) => Effect.Effect<Exclude<Decision, Replace>, DecideE, DecideR>)
    | undefined
  /**
   * How long it is waited for when it is interrupted; then it is left alone, which is told as the event `Abandoned`. Without it: for as
   * long as it takes.
   */
  readonly stopTimeout?: Duration.Input | undefined
}
