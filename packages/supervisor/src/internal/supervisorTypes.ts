/**
 * Supervisors as types, and what their types tell.
 *
 * @internal
 */
import type * as Types from "effect/Types"
import type * as Child from "../Child.ts"
import type { GaveUp } from "../SupervisorError.ts"

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
