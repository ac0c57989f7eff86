/**
 * The representation of a child, and the boundary between its types and its data.
 *
 * @internal
 */
import type { Command, Process, Signal } from "@nursery/process"
import * as Effect from "effect/Effect"
import { pipeArguments } from "effect/Pipeable"
import type { AnyCommand, Child, Dependencies, Hooks, TypeId } from "../Child.ts"
import type { Restart } from "../Restart.ts"
import type { Dependency, RestartRule } from "./core/plan.ts"
import type { ChildSpec, Decision, Policy, ProcessSpec, Provided, RestartSpec } from "./spec.ts"

/** What the public functions take for a decision. */
type DecisionInput = Exclude<Decision["_tag"], "replace"> | "default" | Extract<Decision, { readonly _tag: "replace" }>

export const id: TypeId = "~@nursery/supervisor/Child"

const covariant = (_: never) => _

export class ChildValue<Name extends string, P, A, E, R, After extends string, Needs>
  implements Child<Name, P, A, E, R, After, Needs>
{
  readonly name: Name
  readonly [id]: Child<Name, P, A, E, R, After, Needs>[TypeId]

  constructor(name: Name, spec: ChildSpec) {
    this.name = name
    this[id] = {
      spec,
      _Provides: covariant,
      _A: covariant,
      _E: covariant,
      _R: covariant,
      _After: covariant,
      _Needs: covariant
    }
  }

  pipe() {
    // biome-ignore lint/complexity/noArguments: the signature of Effect's own Pipeable
    return pipeArguments(this, arguments)
  }
}

export const specOf = (child: { readonly [id]: { readonly spec: ChildSpec } }): ChildSpec => child[id].spec

/** Of `requires` and `after`: what is given by value has to have provided it, what is given by name only to be ready. */
export const dependencies = (after: Dependencies = none, requires: Dependencies = none): ReadonlyArray<Dependency> => {
  if (after.length + requires.length === 0) return none
  return [
    ...requires.map((other): Dependency => ({ on: nameOf(other), gate: "alive" })),
    ...after.map((other): Dependency => ({ on: nameOf(other), gate: typeof other === "string" ? "order" : "value" }))
  ]
}

const none: ReadonlyArray<never> = []

const nameOf = (other: string | { readonly name: string }): string => (typeof other === "string" ? other : other.name)

export const hooksOf = <BE, BR, AR>(hooks: Hooks<BE, BR, AR> | undefined): ChildSpec["hooks"] =>
  hooks === undefined ? noHooks : { ...noHooks, ...hooks }

const noHooks = { beforeStart: undefined, afterStop: undefined, afterStopTimeout: undefined }

/** Types of inputs are forgotten here: the shell gives to each of these what its public type asks for. */
export const erase = <I, O>(f: (input: I) => O): ((input: unknown) => O) => f as (input: unknown) => O

export const restartOf = <I, E, R>(restart: Restart<I, E, R> | undefined, rule: RestartRule): RestartSpec =>
  restart?.spec ?? plainRestart[rule]

const plain = { schedule: undefined, healthyAfter: undefined, retryPermanent: false }

const plainRestart: Readonly<Record<RestartRule, RestartSpec>> = {
  always: { rule: "always", ...plain },
  onFailure: { rule: "onFailure", ...plain },
  never: { rule: "never", ...plain }
}

type Decide<I, E, R> = (input: I) => Effect.Effect<DecisionInput, E, R>

const toDecision = (decision: DecisionInput): Decision | undefined => {
  if (decision === "default") return undefined
  return typeof decision === "string" ? { _tag: decision } : decision
}

const toPolicy = <I, E, R>(decide: Decide<I, E, R>): Policy => {
  const erased = erase(decide)
  return (exit) => Effect.map(erased(exit), toDecision)
}

/** Decides about the failures with a tag, and leaves all else to others. */
const tagPolicy = <I, E, R>(tag: string, f: Decide<I, E, R>): Policy => {
  const erased = erase(f)
  return (exit) =>
    exit._tag === "Failed" && hasTag(exit.error, tag)
      ? Effect.map(erased(exit.error), toDecision)
      : Effect.succeed(undefined)
}

const hasTag = (error: unknown, tag: string): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === tag

export const policyOf = <I, E, R>(decide: Decide<I, E, R> | undefined): Policy | undefined =>
  decide === undefined ? undefined : toPolicy(decide)

/**
 * A further policy. Those before are asked first, and what they fail with takes the place of what the child failed with: the types of
 * the public functions say the same.
 */
const compose =
  (before: Policy, next: Policy): Policy =>
  (exit) =>
    Effect.matchEffect(before(exit), {
      onSuccess: (decision) => (decision === undefined ? next(exit) : Effect.succeed(decision)),
      onFailure: (error) =>
        // What nobody decides about is what the child gives up with.
        Effect.flatMap(next({ _tag: "Failed", error }), (decision) =>
          decision === undefined ? Effect.fail(error) : Effect.succeed(decision)
        )
    })

const withPolicy = (spec: ChildSpec, next: Policy): ChildSpec => ({
  ...spec,
  policy: spec.policy === undefined ? next : compose(spec.policy, next)
})

export const withDecide = <I, E, R>(spec: ChildSpec, decide: Decide<I, E, R>): ChildSpec =>
  withPolicy(spec, toPolicy(decide))

export const withTag = <I, E, R>(spec: ChildSpec, tag: string, f: Decide<I, E, R>): ChildSpec =>
  withPolicy(spec, tagPolicy(tag, f))

type Maybe<I, A, E, R> = A | Effect.Effect<A, E, R> | ((input: I) => A | Effect.Effect<A, E, R>)

export const commandOf = <I, C extends AnyCommand, E, R>(
  command: Maybe<I, C, E, R>
): ((provided: Provided) => Effect.Effect<Command.Command, unknown, unknown>) => {
  if (typeof command !== "function") return () => toEffect(command)
  const erased = erase(command)
  return (provided) => toEffect(erased(provided))
}

const toEffect = (command: AnyCommand | Effect.Effect<AnyCommand, unknown, unknown>) =>
  // The other fields of a command are left out of `AnyCommand` for the sake of inference alone.
  (Effect.isEffect(command) ? command : Effect.succeed(command)) as Effect.Effect<Command.Command, unknown, unknown>

export const effectOf = <I, A, E, R>(
  effect: Effect.Effect<A, E, R> | ((input: I) => Effect.Effect<A, E, R>)
): ((provided: Provided) => Effect.Effect<unknown, unknown, unknown>) =>
  // A service is an Effect and a function too.
  Effect.isEffect(effect) ? () => effect : erase(effect)

export const reloadOf = <E, R>(
  reload: Signal.Signal | "notify" | ((process: Process.Process) => Effect.Effect<unknown, E, R>) | undefined
): ProcessSpec["reload"] =>
  typeof reload !== "string" || reload === "notify" ? reload : (process) => process.signal(reload)
