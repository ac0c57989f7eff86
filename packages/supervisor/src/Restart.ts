/**
 * When a child is started again.
 *
 * The rules are OTP's (stdlib, `supervisor`): `always` is its `permanent`, `onFailure` its `transient`, `never` its `temporary`. Beyond
 * OTP each child may have a Schedule of its own, whose input is the typed exit of the child.
 *
 * **Details**
 *
 * Where nothing is said, processes and supervisors are started again always, and Effects on failure.
 */
import type * as Duration from "effect/Duration"
import type * as Schedule from "effect/Schedule"
import type * as Types from "effect/Types"
import type { RestartRule } from "./internal/core/plan.ts"
import type { RestartSpec } from "./internal/spec.ts"

const TypeId = "~@nursery/supervisor/Restart"

/**
 * A restart policy for children that end with an `I`. `E` and `R` are what its Schedule fails with and needs.
 *
 * @category models
 */
export interface Restart<in I = unknown, out E = never, out R = never> {
  readonly [TypeId]: {
    readonly _I: Types.Contravariant<I>
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
  }
  /** @internal */
  readonly spec: RestartSpec
}

/**
 * How a child is started again.
 *
 * @category models
 */
export interface Options<in I = unknown, out E = never, out R = never> {
  /**
   * Asked for each restart: its delay is waited for, and when it is done the child gives up. Its input is the exit of the child.
   * Without it a child is started again at once.
   */
  readonly schedule?: Schedule.Schedule<unknown, I, E, R> | undefined
  /** A child that has been ready for so long is forgiven: its schedule and its attempts start anew. Without it never. */
  readonly healthyAfter?: Duration.Input | undefined
  /**
   * Whether the schedule is asked also after a failure that will not go away by itself, such as a program that does not exist.
   * Without it the child gives up at once.
   */
  readonly retryPermanent?: boolean | undefined
}

// The Schedule's types are those of the `Restart`: the shell gives it the exits of the child that this was given to.
const make = <I, E, R>(rule: RestartRule, options: Options<I, E, R> | undefined): Restart<I, E, R> => ({
  [TypeId]: variance,
  spec: {
    rule,
    schedule: options?.schedule as RestartSpec["schedule"],
    healthyAfter: options?.healthyAfter,
    retryPermanent: options?.retryPermanent ?? false
  }
})

const variance = {
  _I: (_: unknown) => {},
  _E: (_: never) => _,
  _R: (_: never) => _
}

/**
 * Whenever it ends, however it ends.
 *
 * **Example** (A back-off that looks at the exit)
 *
 * ```ts
 * import { type ChildExit, type ProcessFailure, Restart } from "@nursery/supervisor"
 * import * as Schedule from "effect/Schedule"
 *
 * const restart = Restart.always({
 *   schedule: Schedule.exponential("100 millis").pipe(
 *     Schedule.setInputType<ChildExit<ProcessFailure>>(),
 *     Schedule.while(({ input }) => input._tag === "Failed" && input.error._tag === "ExitError"),
 *     Schedule.jittered,
 *     Schedule.upTo({ times: 10 })
 *   ),
 *   healthyAfter: "1 minute"
 * })
 * ```
 *
 * @category constructors
 */
export const always = <I = unknown, E = never, R = never>(options?: Options<I, E, R>): Restart<NoInfer<I>, E, R> =>
  make("always", options)

/**
 * When it fails. One that ends as it should has completed, and stays down.
 *
 * @category constructors
 */
export const onFailure = <I = unknown, E = never, R = never>(options?: Options<I, E, R>): Restart<NoInfer<I>, E, R> =>
  make("onFailure", options)

/**
 * Never: one that fails after it was ready stays down, and one that fails before gives up.
 *
 * @category constructors
 */
export const never = (): Restart => make("never", undefined)
