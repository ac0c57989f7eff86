/**
 * Running processes: children of this program, each tied to a scope.
 *
 * The scope of a process cannot close before the process, and everything that it started, has ended and been waited for. Closing
 * it is the way to end a process; waiting for its exit is the way to let it end by itself.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Command, Reach, StopOptions } from "./Command.ts"
import type { ProcessExit, ResourceUsage } from "./ExitStatus.ts"
import { Handle } from "./internal/process/handle.ts"
import * as internal from "./internal/process/spawn.ts"
import type { Nursery } from "./Nursery.ts"
import type { ExitError, KeeperLost, SpawnError, Unkillable } from "./ProcessError.ts"
import type * as Signal from "./Signal.ts"
import type * as Stdio from "./Stdio.ts"

/**
 * A process that a running one has started, directly or through others.
 */
export interface Descendant {
  readonly pid: number
  /** The name of its program, which the kernel cuts to 15 characters. */
  readonly name: string
  readonly parent: number
  readonly age: Duration.Duration
}

/**
 * What every process has, whatever its descriptors are connected to. `E` is the failure of the Streams that are its input.
 */
export interface ProcessBase<out E = never> {
  readonly pid: number
  readonly command: Command
  /**
   * Waits for the exit. However late it is asked, the answer is the same.
   */
  readonly exit: Effect.Effect<ProcessExit, KeeperLost>
  /**
   * Waits for an exit with one of the command's `successCodes`; any other is an `ExitError`. A failure of a Stream given as input
   * comes at once, before the exit.
   */
  readonly success: Effect.Effect<ProcessExit, ExitError | KeeperLost | E>
  readonly isRunning: Effect.Effect<boolean>
  /**
   * Waits until nothing is left of the process and of all that it started.
   */
  readonly ended: Effect.Effect<void>
  /**
   * What the process has used: until now, or in all once it has ended.
   */
  readonly usage: Effect.Effect<ResourceUsage, KeeperLost>
  /**
   * Everything alive that descends from the process, parents before their children. Empty on systems without `/proc`.
   */
  readonly descendants: Effect.Effect<ReadonlyArray<Descendant>>
  /**
   * Sends a signal, to the process alone unless `to` says more, and does not wait for what comes of it. Whether there was
   * somebody to get it.
   */
  readonly signal: (name: Signal.Signal, options?: { readonly to?: Reach | undefined }) => Effect.Effect<boolean>
  /**
   * Ends the process by its stop policy, changed by `policy`, and waits until nothing is left of it and of all that it started.
   *
   * Fails with `Unkillable` if SIGKILL did not help within 5 seconds.
   */
  readonly stop: (policy?: StopOptions) => Effect.Effect<ProcessExit, KeeperLost | Unkillable>
}

/**
 * A running process. `stdin`, `stdout`, `stderr` and `fd` are there only where the command connects them to this program.
 */
export type Process<In = unknown, Out = unknown, Err = unknown, Fds = unknown> = ProcessBase<
  Stdio.InputError<In, Fds>
> &
  Stdio.StdinProperty<In> &
  Stdio.StdoutProperty<Out> &
  Stdio.StderrProperty<Err> &
  Stdio.DescriptorProperty<Fds>

/**
 * Starts a process, tied to the scope: when that closes, the process is ended by its stop policy together with everything that it
 * started.
 */
export const spawn = <
  In extends Stdio.Input,
  Out extends Stdio.Output,
  Err extends Stdio.Output,
  Fds extends Stdio.Descriptors
>(
  command: Command<In, Out, Err, Fds>
): Effect.Effect<
  Process<In, Out, Err, Fds>,
  SpawnError | KeeperLost,
  Nursery | Scope.Scope | Stdio.Requirements<In, Out, Err, Fds>
> =>
  // The properties of a handle follow from the command at run time as they do in its type, which the compiler cannot see.
  Effect.map(
    internal.spawn(command, "none"),
    (run) => new Handle(run) as ProcessBase<never> as Process<In, Out, Err, Fds>
  )
