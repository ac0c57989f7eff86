/**
 * Trees that run: how they stand, what happens in them, and what can be asked of their children.
 *
 * `Supervisor.start` and `Supervisor.launch` give a {@link Running}. A request is done when what was asked for is so, and is refused as a `ChildRefused` when
 * it cannot be. Requests may be made at any time and by many at once: twenty that ask for a restart at the same time get one.
 */
import type { Command } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Child from "./Child.ts"
import type { ChildExit } from "./ChildExit.ts"
import type { Dynamic, GaveUpOf, Outcome } from "./Supervisor.ts"
import type { ChildRefused, InvalidTree, ReloadFailed } from "./SupervisorError.ts"
import type { Snapshot, SupervisorEvent } from "./SupervisorEvent.ts"

/**
 * A child of a tree that runs.
 *
 * @category models
 */
export interface RunningChild<out A = unknown, out E = unknown, out Provides = unknown> {
  readonly name: string
  /**
   * What it provides, as those get it that start after it: waits until it is ready, or has completed, and gives what its latest life
   * provides. Refused as `down` where it stays down without that, at once or later on.
   */
  readonly provided: Effect.Effect<Provides, ChildRefused>
  /** Starts it where it is down; done when it is ready. */
  readonly start: Effect.Effect<void, ChildRefused>
  /** Stops it, and those that require it; done when nothing of it is left. It stays down until somebody asks for its start. */
  readonly stop: Effect.Effect<void, ChildRefused>
  /** Stops it and starts it again, or starts it where it is down; done when it is ready. */
  readonly restart: Effect.Effect<void, ChildRefused>
  /** Waits until it stays down, and tells how it ended last. Refused as `down` where it has never run. */
  readonly await: Effect.Effect<ChildExit<E, A>, ChildRefused>
}

/**
 * A process of a tree that runs.
 *
 * @category models
 */
export interface RunningProcess<out E = unknown, out Provides = unknown>
  extends RunningChild<ProcessExit, E, Provides> {
  /** Restarts it with another command, which later restarts take too. */
  readonly replace: (command: Command.Streamless) => Effect.Effect<void, ChildRefused>
  /**
   * Lets it read its configuration anew, in the way that its option `reload` says; done when it has acknowledged that, where that way
   * has an answer.
   */
  readonly reload: Effect.Effect<void, ChildRefused | ReloadFailed>
}

/** The names of children. */
type Names<C extends ReadonlyArray<Child.Any>> = C[number]["name"]

/** Those children that may have the name. */
type Named<C, Name> = C extends Child.Any ? (Name extends C["name"] ? C : never) : never

/** Those children that are dynamic supervisors. */
type DynamicIn<C> = C extends { readonly "~@nursery/supervisor/Dynamic": object } ? C : never

/**
 * The children of a supervisor that runs.
 *
 * @category models
 */
export interface RunningChildren<C extends ReadonlyArray<Child.Any>> {
  readonly child: <const Name extends Names<C>>(name: Name) => RunningOf<Named<C[number], Name>>
  /** The children of a dynamic supervisor. */
  readonly dynamic: <const Name extends Child.NameOf<DynamicIn<C[number]>>>(
    name: Name
  ) => RunningDynamicOf<Named<DynamicIn<C[number]>, Name>>
  /** Stops a child and forgets it. Refused as `needed` where others start after it. */
  readonly remove: (name: Names<C>) => Effect.Effect<void, ChildRefused>
  /** Restarts these children one after the other, each when the one before is ready again. Ends at the first that is refused. */
  readonly rollingRestart: (names: Iterable<Names<C>>) => Effect.Effect<void, ChildRefused>
}

/**
 * A supervisor in a tree that runs.
 *
 * @category models
 */
export interface RunningSupervisor<C extends ReadonlyArray<Child.Any>, out A = unknown, out E = unknown>
  extends RunningChild<A, E, void>,
    RunningChildren<C> {}

/**
 * The children of a dynamic supervisor that runs, by their keys.
 *
 * @category models
 */
export interface RunningDynamic<in Args, C extends Child.Any> {
  /**
   * Starts a child; done when it is ready, and answers its key. Without `key` it gets one of its own. Refused as `duplicate` where
   * there is a child of that key already.
   */
  readonly start: (
    args: Args,
    options?: { readonly key?: string | undefined }
  ) => Effect.Effect<string, ChildRefused | InvalidTree>
  readonly child: (key: string) => RunningOf<C>
  /** Stops a child and forgets it. */
  readonly remove: (key: string) => Effect.Effect<void, ChildRefused>
}

/**
 * What a child is while its tree runs.
 *
 * @category utility types
 */
export type RunningOf<C> = C extends { readonly children: infer Children extends ReadonlyArray<Child.Any> }
  ? RunningSupervisor<Children, Child.Success<C>, Child.Error<C>>
  : Child.IsProcess<Child.Success<C>> extends true
    ? RunningProcess<Child.Error<C>, Child.ProvidedBy<C>>
    : RunningChild<Child.Success<C>, Child.Error<C>, Child.ProvidedBy<C>>

/**
 * What the children of a dynamic supervisor are while its tree runs.
 *
 * @category utility types
 */
export type RunningDynamicOf<C> =
  C extends Dynamic<string, infer Args, infer T, unknown, unknown, string, unknown> ? RunningDynamic<Args, T> : never

/**
 * A tree that runs.
 *
 * @category models
 */
export interface Running<C extends ReadonlyArray<Child.Any>> extends RunningChildren<C> {
  /**
   * Waits until all children have been ready, or have completed; fails when the tree gives up before. Done too when it has ended before
   * without giving up: `await` tells how.
   */
  readonly ready: Effect.Effect<void, GaveUpOf<C[number]>>
  /** Waits for the end of the tree: nothing of it is left then. */
  readonly await: Effect.Effect<Outcome<C[number]>, GaveUpOf<C[number]>>
  /** What has happened lately, then what happens; ends with the tree. */
  readonly events: Stream.Stream<SupervisorEvent>
  readonly snapshot: Effect.Effect<Snapshot>
  /**
   * Adds a child, behind all others; done when it is ready. It runs in the context of who asks.
   *
   * From then on the tree also fails with the `GaveUp` of this child: the `Running` that this answers has that in its type, and this one
   * has not.
   */
  readonly add: <Added extends Child.Any>(
    child: Added
  ) => Effect.Effect<Running<readonly [...C, Added]>, ChildRefused | InvalidTree, Child.Services<Added>>
}
