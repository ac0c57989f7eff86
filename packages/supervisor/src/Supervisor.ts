/**
 * Supervisors: trees of children that are started in order, watched, restarted and stopped together.
 */
import type { Process } from "@nursery/process"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import type * as Child from "./Child.ts"
import type { ChildExit } from "./ChildExit.ts"
import type { Check } from "./internal/check.ts"
import * as handles from "./internal/handles.ts"
import * as internal from "./internal/supervisor.ts"
import { validateTree } from "./internal/validate.ts"
import type { Restart } from "./Restart.ts"
import type { Running } from "./Running.ts"
import { GaveUp, type InvalidTree } from "./SupervisorError.ts"

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

/** Any supervisor of these children: what its own policies add matters only in a tree above it. */
type AnySupervisor<C extends ReadonlyArray<Child.Any> = ReadonlyArray<Child.Any>> = Child.Any & { readonly children: C }

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
 * Runs a tree until it ends.
 *
 * @category running
 */
export const run = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>
): Effect.Effect<Outcome<C[number]>, InvalidTree | GaveUpOf<C[number]>, Child.Services<C[number]>> =>
  handles.run<C>(self)

/**
 * Starts a tree, which ends with the scope.
 *
 * @category running
 */
export const start = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>
): Effect.Effect<Running<C>, InvalidTree | GaveUpOf<C[number]>, Child.Services<C[number]> | Scope.Scope> =>
  handles.start<C>(self)

/**
 * A tree as a layer: there when all of it is ready, and ended with the layer.
 *
 * @category running
 */
export const layer = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>,
  options?: { readonly onEnd?: Process.OnEnd | undefined }
): Layer.Layer<never, InvalidTree | GaveUpOf<C[number]>, Exclude<Child.Services<C[number]>, Scope.Scope>> =>
  Layer.effectDiscard(handles.startForUser(self.name, start(self), options?.onEnd ?? "interrupt"))
