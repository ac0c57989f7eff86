/**
 * The representation of supervisors.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Child from "../Child.ts"
import type { Restart } from "../Restart.ts"
import type * as Supervisor from "../Supervisor.ts"
import { ChildValue, dependencies, erase, hooksOf, policyOf, restartOf, specOf } from "./child.ts"
import type { DynamicSpec, SupervisorSpec } from "./spec.ts"

export { specOf }

export class SupervisorValue<Name extends string, C extends ReadonlyArray<Child.Any>, E, R, After extends string, Needs>
  extends ChildValue<
    Name,
    void,
    Supervisor.Outcome<C[number]>,
    Supervisor.GaveUpOf<C[number]> | E,
    Child.Services<C[number]> | R,
    After,
    Needs
  >
  implements Supervisor.Supervisor<Name, C, E, R, After, Needs>
{
  readonly children: C

  constructor(name: Name, children: C, spec: SupervisorSpec) {
    super(name, spec)
    this.children = children
  }
}

const variance = { _Args: (_: unknown) => {}, _Child: (_: never) => _ }

export class DynamicValue<Name extends string, Args, C extends Child.Any, E, R, After extends string, Needs>
  extends ChildValue<
    Name,
    void,
    Supervisor.Stopped | Supervisor.Significant<string, Child.Success<C>>,
    Child.Error<C> | E,
    Child.Services<C> | R,
    After,
    Needs
  >
  implements Supervisor.Dynamic<Name, Args, C, E, R, After, Needs>
{
  get "~@nursery/supervisor/Dynamic"(): Supervisor.Dynamic<Name, Args, C>["~@nursery/supervisor/Dynamic"] {
    return variance
  }

  constructor(name: Name, spec: DynamicSpec) {
    super(name, spec)
  }
}

/** What supervisors have in common with other children. */
export const common = <I, J, E, R, E2, R2, E3, R3, R4>(
  name: string,
  options: CommonInput<I, J, E, R, E2, R2, E3, R3, R4> | undefined
) => ({
  name,
  intensity: options?.intensity,
  after: dependencies(options?.after, options?.requires),
  restart: restartOf(options?.restart, "always"),
  policy: policyOf(options?.decide),
  significant: options?.significant ?? false,
  hooks: hooksOf(options?.hooks),
  startTimeout: options?.startTimeout
})

interface CommonInput<I, J, E, R, E2, R2, E3, R3, R4> {
  readonly intensity?: Supervisor.Intensity | undefined
  readonly after?: Child.Dependencies | undefined
  readonly requires?: Child.Dependencies | undefined
  readonly restart?: Restart<I, E, R> | undefined
  readonly decide?: ((exit: J) => Effect.Effect<Child.Decision, E2, R2>) | undefined
  readonly significant?: boolean | undefined
  readonly hooks?: Child.Hooks<E3, R3, R4> | undefined
  readonly startTimeout?: Duration.Input | undefined
}

export const templateOf = <Args, C extends Child.Any>(child: (args: Args) => C): DynamicSpec["template"] => {
  const erased = erase(child)
  return (args) => specOf(erased(args))
}
