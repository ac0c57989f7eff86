/**
 * What the compiler checks of a tree: a tuple of children becomes the same tuple, with a message in the place of each child that
 * cannot stand there.
 *
 * @internal
 */
import type { AfterOf, Any, Need, NeedOf, NeedsOf } from "../Child.ts"

/** Walks the children in their order. `Before`: names so far. `Has`: what they provide. */
export type Check<
  Children extends ReadonlyArray<unknown>,
  Tree extends string,
  Before extends string = never,
  Has = never,
  Checked extends ReadonlyArray<unknown> = []
> = Children extends readonly [infer Child extends Any, ...infer Rest]
  ? Check<Rest, Tree, Before | Child["name"], Has | NeedOf<Child>, [...Checked, CheckChild<Child, Tree, Before, Has>]>
  : // What is left is empty, or an array of a length that is known at run time only.
    Checked extends readonly []
    ? Children
    : readonly [...Checked, ...Children]

type CheckChild<Child extends Any, Tree extends string, Before extends string, Has> = [
  Extract<Before, Literal<Child["name"]>>
] extends [never]
  ? [Unknown<Child, Before>] extends [never]
    ? [Unmet<NeedsOf<Child>, Has>] extends [never]
      ? Child
      : `"${Child["name"]}" needs what another "${NameIn<Unmet<NeedsOf<Child>, Has>>}" provides`
    : `"${Child["name"]}" starts after "${Unknown<Child, Before>}", which is not an earlier child of "${Tree}"`
  : `two children are named "${Child["name"]}"`

/** A name that is known only when the program runs is compared then. */
type Literal<Name extends string> = string extends Name ? never : Name

/** The names in its `after` that no earlier child has. */
type Unknown<Child, Before extends string> = Exclude<Literal<AfterOf<Child>>, Before>

/** The needs that no earlier child fulfils. One of a name that is known only when the program runs is taken to. */
type Unmet<Needs, Has> = Needs extends Need
  ? [Extract<Has, Needs>] extends [never]
    ? string extends NameIn<Has> | Needs["name"]
      ? never
      : Needs
    : never
  : never

type NameIn<N> = N extends Need ? N["name"] : never
