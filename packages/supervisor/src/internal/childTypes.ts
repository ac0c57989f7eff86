/**
 * Children as types, and what their types tell.
 *
 * @internal
 */
import type { Pipeable } from "effect/Pipeable"
import type * as Types from "effect/Types"
import type { ChildSpec } from "./spec.ts"

/**
 * What marks a child.
 *
 * @category models
 */
export type TypeId = "~@nursery/supervisor/Child"

/**
 * A description of a child.
 *
 * `Provides` is what those that start after it get of it, `A` what it ends with when it ends as it should, `E` what it fails with,
 * `R` what it needs, `After` the names of those that it starts after, and `Needs` what it takes of them.
 *
 * @category models
 */
export interface Child<
  out Name extends string = string,
  out Provides = unknown,
  out A = unknown,
  out E = unknown,
  out R = unknown,
  out After extends string = string,
  out Needs = unknown
> extends Pipeable {
  readonly "~@nursery/supervisor/Child": {
    /** @internal */
    readonly spec: ChildSpec
    readonly _Provides: Types.Covariant<Provides>
    readonly _A: Types.Covariant<A>
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
    readonly _After: Types.Covariant<After>
    readonly _Needs: Types.Covariant<Needs>
  }
  readonly name: Name
}

/**
 * Any child.
 *
 * @category models
 */
// Structural, without the type parameters: a constraint of `Child<string, any, ...>` would be what inline children are inferred from.
export interface Any {
  readonly name: string
  readonly "~@nursery/supervisor/Child": { readonly spec: ChildSpec }
}

/**
 * Other children, by value or by name.
 *
 * @category models
 */
export type Dependencies = ReadonlyArray<string | Any>

/**
 * The name of what is given by value or by name.
 *
 * @category utility types
 */
export type NameOf<T> = T extends string ? T : T extends { readonly name: infer N extends string } ? N : never

/** What is to be expected of a child of which no more is known than that it is one. */
type Untold<T, Anything> = T extends Any ? Anything : never

/**
 * What a child provides to those that start after it.
 *
 * @category utility types
 */
export type ProvidedBy<T> = T extends {
  readonly "~@nursery/supervisor/Child": { readonly _Provides: Types.Covariant<infer P> }
}
  ? P
  : Untold<T, unknown>

/**
 * What a child ends with when it ends as it should.
 *
 * @category utility types
 */
export type Success<T> = T extends { readonly "~@nursery/supervisor/Child": { readonly _A: Types.Covariant<infer A> } }
  ? A
  : Untold<T, unknown>

/**
 * What a child fails with.
 *
 * @category utility types
 */
export type Error<T> = T extends { readonly "~@nursery/supervisor/Child": { readonly _E: Types.Covariant<infer E> } }
  ? E
  : Untold<T, unknown>

/**
 * What a child needs.
 *
 * @category utility types
 */
export type Services<T> = T extends { readonly "~@nursery/supervisor/Child": { readonly _R: Types.Covariant<infer R> } }
  ? R
  : Untold<T, unknown>

/**
 * The names of those that a child starts after.
 *
 * @category utility types
 */
export type AfterOf<T> = T extends {
  readonly "~@nursery/supervisor/Child": { readonly _After: Types.Covariant<infer A extends string> }
}
  ? A
  : Untold<T, string>

/**
 * What a child takes of those that it starts after.
 *
 * @category utility types
 */
export type NeedsOf<T> = T extends {
  readonly "~@nursery/supervisor/Child": { readonly _Needs: Types.Covariant<infer N> }
}
  ? N
  : Untold<T, unknown>

/**
 * What a child takes of another one that it starts after.
 *
 * @category models
 */
export interface Need<out Name extends string = string, out Provides = unknown> {
  readonly name: Name
  readonly provides: Provides
}

/**
 * What is taken of a child that is given by value. Of a name nothing is.
 *
 * @category utility types
 */
// Name and type only, and taken apart here: a child whose type holds on to those before it makes a row of them too deep for the compiler.
export type NeedOf<T> = T extends {
  readonly name: infer Name extends string
  readonly "~@nursery/supervisor/Child": { readonly _Provides: Types.Covariant<infer Provides> }
}
  ? Need<Name, Provides>
  : never

/**
 * What those that a child starts after provide, by name. What is given by name only is of unknown type.
 *
 * @category models
 */
export type Provided<T extends string | Any> = {
  readonly [D in T as NameOf<D>]: D extends string ? unknown : ProvidedBy<D>
}
