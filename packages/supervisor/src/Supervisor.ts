/**
 * Supervisors: trees of children that are started in order, watched, restarted and stopped together.
 */
import type { Command } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type * as Child from "./Child.ts"
import type { ChildExit } from "./ChildExit.ts"
import type { Check } from "./internal/check.ts"
import * as internal from "./internal/supervisor.ts"
import { validateTree } from "./internal/validate.ts"
import type { Restart } from "./Restart.ts"
import { type ChildRefused, GaveUp, type InvalidTree, type ReloadFailed } from "./SupervisorError.ts"
import type { Snapshot, SupervisorEvent } from "./SupervisorEvent.ts"

/**
 * What a tree fails with because of one of its children.
 *
 * @category utility types
 */
export type GaveUpOf<C> = C extends Child.Any ? GaveUp<C["name"], Child.Error<C>> : never

/**
 * How a tree ends that does not give up: it was asked to, or by the end of a significant child.
 *
 * @category models
 */
export type Outcome<C = Child.Any> = Stopped | SignificantOf<C>

/**
 * The tree has been stopped.
 *
 * @category models
 */
export interface Stopped {
  readonly _tag: "Stopped"
}

/**
 * A significant child has ended, and with it the tree.
 *
 * @category models
 */
export interface Significant<out Name extends string = string, out A = unknown> {
  readonly _tag: "Significant"
  readonly child: Name
  /** What the child ended with. */
  readonly value: A
}

type SignificantOf<C> = C extends Child.Any ? Significant<C["name"], Child.Success<C>> : never

/**
 * A description of a tree, which is itself a child: it can stand in another tree. `E` and `R` are what its own policies add there.
 *
 * @category models
 */
export interface Supervisor<
  out Name extends string,
  out C extends ReadonlyArray<Child.Any>,
  out E = never,
  out R = never,
  out After extends string = never,
  out Needs = never
> extends Child.Child<
    Name,
    void,
    Outcome<C[number]>,
    GaveUpOf<C[number]> | E,
    Child.Services<C[number]> | R,
    After,
    Needs
  > {
  readonly children: C
}

/**
 * A supervisor of children that are all of one kind, started at run time with arguments. What they fail with it fails with itself,
 * since their names are data: they stand in the path of the `GaveUp`.
 *
 * @category models
 */
export interface Dynamic<
  out Name extends string,
  in Args,
  out C extends Child.Any,
  out E = never,
  out R = never,
  out After extends string = never,
  out Needs = never
> extends Child.Child<
    Name,
    void,
    Stopped | Significant<string, Child.Success<C>>,
    Child.Error<C> | E,
    Child.Services<C> | R,
    After,
    Needs
  > {
  readonly "~@nursery/supervisor/Dynamic": {
    readonly _Args: Types.Contravariant<Args>
    readonly _Child: Types.Covariant<C>
  }
}

/**
 * How many restarts are too many: the supervisor gives up at one more than `restarts` within the time `within`.
 *
 * @category models
 */
export interface Intensity {
  readonly restarts: number
  readonly within: Duration.Input
}

/**
 * How a supervisor stands in the tree above it.
 *
 * @category models
 */
export interface CommonOptions<
  After extends Child.Dependencies,
  Requires extends Child.Dependencies,
  A,
  E,
  RestartE,
  RestartR,
  DecideE,
  DecideR,
  BE,
  BR,
  AE,
  AR
> {
  /**
   * How many restarts of its children are too many. Without it 5 within 10 seconds, where only the restarts of those children count
   * that have no schedule of their own.
   */
  readonly intensity?: Intensity | undefined
  /** When it is started again after it has ended. Without it: always, at once. */
  readonly restart?: Restart<ChildExit<NoInfer<E | BE | AE>, NoInfer<A>>, RestartE, RestartR> | undefined
  /** What is done when it has ended; asked before `restart`. */
  readonly decide?:
    | ((
        exit: ChildExit<NoInfer<E | BE | AE>, NoInfer<A>>
      ) => Effect.Effect<Exclude<Child.Decision, Child.Replace>, DecideE, DecideR>)
    | undefined
  /** Earlier siblings that have to be ready before it starts. */
  readonly after?: After | undefined
  /** As `after`, and it runs only while they are ready. */
  readonly requires?: Requires | undefined
  /** Whether its end ends the tree above it. */
  readonly significant?: boolean | undefined
  readonly hooks?: Child.Hooks<BE, BR, AE, AR> | undefined
}

/**
 * How a supervisor treats its children, and how it stands in the tree above it.
 *
 * @category models
 */
export interface Options<
  After extends Child.Dependencies,
  Requires extends Child.Dependencies,
  A,
  E,
  RestartE,
  RestartR,
  DecideE,
  DecideR,
  BE,
  BR,
  AE,
  AR
> extends CommonOptions<After, Requires, A, E, RestartE, RestartR, DecideE, DecideR, BE, BR, AE, AR> {
  /**
   * Who is restarted when a child is, as in OTP: `"one-for-one"`, the default, that child alone; `"one-for-all"` all of them;
   * `"rest-for-one"` that child and those given after it.
   */
  readonly strategy?: "one-for-one" | "one-for-all" | "rest-for-one" | undefined
  /** Whether the end of one significant child ends the tree, or that of the last of them. Default: `"any"`. */
  readonly autoShutdown?: "any" | "all" | undefined
  /**
   * `"dependencies"`, the default: a child waits for those in its `after` and `requires`, and for nobody else. `"sequential"`: as in
   * OTP, each child also waits for the one given before it.
   */
  readonly order?: "dependencies" | "sequential" | undefined
}

/**
 * A tree of children.
 *
 * @category constructors
 */
export const make = <
  const Name extends string,
  const C extends ReadonlyArray<Child.Any>,
  const After extends Child.Dependencies = [],
  const Requires extends Child.Dependencies = [],
  RestartE = never,
  RestartR = never,
  DecideE = never,
  DecideR = never,
  BE = never,
  BR = never,
  AE = never,
  AR = never
>(
  name: Name,
  children: C & Check<C, Name>,
  options?: Options<
    After,
    Requires,
    Outcome<C[number]>,
    GaveUpOf<C[number]>,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AE,
    AR
  >
): Supervisor<
  Name,
  C,
  RestartE | DecideE | BE | AE,
  RestartR | DecideR | BR | AR,
  Child.NameOf<After[number] | Requires[number]>,
  Child.NeedOf<After[number] | Requires[number]>
> =>
  new internal.SupervisorValue(name, children, {
    ...internal.common(name, options),
    kind: "supervisor",
    strategy: options?.strategy ?? "one-for-one",
    autoShutdown: options?.autoShutdown ?? "any",
    order: options?.order ?? "dependencies",
    children: children.map(internal.specOf)
  })

/** A child of a dynamic supervisor has no siblings that it could know. */
type CheckTemplate<C> = C extends Child.Any
  ? [Child.AfterOf<C>] extends [never]
    ? unknown
    : `"${C["name"]}" starts after "${Child.AfterOf<C>}", but children of a dynamic supervisor start after nobody`
  : unknown

/**
 * A supervisor of children that are started at run time, each from arguments.
 *
 * @category constructors
 */
export const dynamic = <
  const Name extends string,
  Args,
  C extends Child.Any,
  const After extends Child.Dependencies = [],
  const Requires extends Child.Dependencies = [],
  RestartE = never,
  RestartR = never,
  DecideE = never,
  DecideR = never,
  BE = never,
  BR = never,
  AE = never,
  AR = never
>(
  name: Name,
  child: (args: Args) => C & CheckTemplate<C>,
  options?: CommonOptions<
    After,
    Requires,
    Stopped | Significant<string, Child.Success<C>>,
    Child.Error<C>,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AE,
    AR
  >
): Dynamic<
  Name,
  Args,
  C,
  RestartE | DecideE | BE | AE,
  RestartR | DecideR | BR | AR,
  Child.NameOf<After[number] | Requires[number]>,
  Child.NeedOf<After[number] | Requires[number]>
> =>
  new internal.DynamicValue(name, {
    ...internal.common(name, options),
    kind: "dynamic",
    template: internal.templateOf(child)
  })

/** Any supervisor. */
type AnySupervisor = Child.Any & { readonly children: ReadonlyArray<Child.Any> }

/**
 * What is wrong with a tree, if anything: what the types cannot see, and everything in a tree that is built at run time. `run` and
 * `start` do the same first.
 *
 * @category validation
 */
export const validate = (self: AnySupervisor): Result.Result<void, InvalidTree> => validateTree(internal.specOf(self))

type NameOfGaveUp<E> = E extends GaveUp<infer Name, unknown> ? Name : never
interface NamedGaveUp<out Name> {
  readonly _tag: "GaveUp"
  readonly name: Name
}
type GaveUpOfName<E, Name> = Extract<E, NamedGaveUp<Name>>

/**
 * Handles that one child has given up. The tree has ended then.
 *
 * @category error handling
 */
export const catchChild =
  <E, const Name extends NameOfGaveUp<E>, A2, E2, R2>(
    name: Name,
    f: (error: GaveUpOfName<E, Name>) => Effect.Effect<A2, E2, R2>
  ) =>
  <A, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | A2, Exclude<E, NamedGaveUp<Name>> | E2, R | R2> =>
    Effect.catch(
      self,
      (error): Effect.Effect<A2, Exclude<E, NamedGaveUp<Name>> | E2, R2> =>
        isOf(error, name) ? f(error) : Effect.fail(others<E, Name>(error))
    )

const isOf = <E, Name>(error: E, name: Name): error is GaveUpOfName<E, Name> =>
  error instanceof GaveUp && error.name === name

// Asked after `isOf`: what is left is of the type, which the compiler does not derive for a type parameter.
const others = <E, Name>(error: E) => error as Exclude<E, NamedGaveUp<Name>>

/**
 * A child of a tree that runs.
 *
 * @category models
 */
export interface RunningChild<out A = unknown, out E = unknown> {
  readonly name: string
  /** Stops it and starts it again, or starts it where it is down; done when it is ready. */
  readonly restart: Effect.Effect<void, ChildRefused>
  /** Stops it, and those that require it; done when nothing of it is left. */
  readonly stop: Effect.Effect<void, ChildRefused>
  /** Waits until it stays down, and tells how it ended last. Refused as `down` where it has never run. */
  readonly await: Effect.Effect<ChildExit<E, A>, ChildRefused>
}

/** What can be started without arguments. */
interface Startable {
  /** Starts it where it is down; done when it is ready. */
  readonly start: Effect.Effect<void, ChildRefused>
}

/**
 * An Effect of a tree that runs.
 *
 * @category models
 */
export interface RunningEffect<out A = unknown, out E = unknown> extends RunningChild<A, E>, Startable {}

/**
 * A process of a tree that runs.
 *
 * @category models
 */
export interface RunningProcess<out E = unknown> extends RunningChild<ProcessExit, E>, Startable {
  /** Restarts it with another command, which later restarts take too. */
  readonly replace: (command: Command.Plain) => Effect.Effect<void, ChildRefused>
  /** Lets it read its configuration anew; done when it has acknowledged that, where its option `reload` knows a way. */
  readonly reload: Effect.Effect<void, ChildRefused | ReloadFailed>
}

/** The names of children. */
type Names<C extends ReadonlyArray<Child.Any>> = C[number]["name"]

/** Those children that may have the name. */
type Named<C, Name> = C extends Child.Any ? (Name extends C["name"] ? C : never) : never

/**
 * The children of a supervisor that runs.
 *
 * @category models
 */
export interface RunningChildren<C extends ReadonlyArray<Child.Any>> {
  readonly child: <const Name extends Names<C>>(name: Name) => RunningOf<Named<C[number], Name>>
  /** Stops a child for good. Refused as `needed` where others start after it. */
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
  extends RunningEffect<A, E>,
    RunningChildren<C> {}

/**
 * A dynamic supervisor in a tree that runs.
 *
 * @category models
 */
export interface RunningDynamic<in Args, C extends Child.Any, out A = unknown, out E = unknown>
  extends RunningChild<A, E> {
  /**
   * Starts a child; done when it is ready, and answers its key. Without `key` it gets one of its own. Refused as `duplicate` where there
   * is a child of that key already.
   */
  readonly start: (args: Args, options?: { readonly key?: string | undefined }) => Effect.Effect<string, ChildRefused>
  readonly child: (key: string) => RunningOf<C>
  /** Stops a child for good. */
  readonly remove: (key: string) => Effect.Effect<void, ChildRefused>
}

/**
 * What a child is while its tree runs.
 *
 * @category utility types
 */
export type RunningOf<C> =
  C extends Dynamic<string, infer Args, infer T, unknown, unknown, string, unknown>
    ? RunningDynamic<Args, T, Child.Success<C>, Child.Error<C>>
    : C extends { readonly children: infer Children extends ReadonlyArray<Child.Any> }
      ? RunningSupervisor<Children, Child.Success<C>, Child.Error<C>>
      : Child.IsProcess<Child.Success<C>> extends true
        ? RunningProcess<Child.Error<C>>
        : RunningEffect<Child.Success<C>, Child.Error<C>>

/**
 * A tree that runs.
 *
 * @category models
 */
export interface Running<C extends ReadonlyArray<Child.Any>> extends RunningChildren<C> {
  /** Waits for the end of the tree: nothing of it is left then. */
  readonly await: Effect.Effect<Outcome<C[number]>, GaveUpOf<C[number]>>
  /** What has happened lately, then what happens; ends with the tree. */
  readonly events: Stream.Stream<SupervisorEvent>
  readonly snapshot: Effect.Effect<Snapshot>
  /**
   * Adds a child, behind all others; done when it is ready. The tree fails also with its `GaveUp` from then on: the answer has it in
   * its type, and this value has not.
   */
  readonly add: <Added extends Child.Any>(
    child: Added
  ) => Effect.Effect<Running<readonly [...C, Added]>, ChildRefused, Child.Services<Added>>
}
