/**
 * The options of supervisors.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Child from "../Child.ts"
import type { ChildExit } from "../ChildExit.ts"
import type { Restart } from "../Restart.ts"
import type { AutoShutdown, Strategy } from "./core/plan.ts"

/**
 * How many restarts are too many: the supervisor gives up at one more than `restarts` within the time `within`.
 *
 * @category models
 */
export interface Intensity {
  readonly restarts: number
  readonly within: Duration.Input
}

/** Whom a child waits for, beside those that its own options name. */
export type Order = "dependencies" | "sequential"

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
  AR
> {
  /**
   * How many restarts of its children are too many. Without it 5 within 10 seconds, where only the restarts of those children count
   * that have no schedule of their own.
   */
  readonly intensity?: Intensity | undefined
  /** When it is started again after it has ended. Without it: always, at once. */
  readonly restart?: Restart<ChildExit<NoInfer<E | BE>, NoInfer<A>>, RestartE, RestartR> | undefined
  /** What is done when it has ended; asked before `restart`. */
  readonly decide?:
    | ((
        exit: ChildExit<NoInfer<E | BE>, NoInfer<A>>
      ) => Effect.Effect<Exclude<Child.Decision, Child.Replace>, DecideE, DecideR>)
    | undefined
  /** Earlier siblings that have to be ready before it starts. */
  readonly after?: After | undefined
  /** As `after`, and it runs only while they are ready. */
  readonly requires?: Requires | undefined
  /** Whether its end ends the tree above it. */
  readonly significant?: boolean | undefined
  readonly hooks?: Child.Hooks<BE, BR, AR> | undefined
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
  AR
> extends CommonOptions<After, Requires, A, E, RestartE, RestartR, DecideE, DecideR, BE, BR, AR> {
  /**
   * Who is restarted when a child is, as in OTP: `"one-for-one"`, the default, that child alone; `"one-for-all"` all of them;
   * `"rest-for-one"` that child and those given after it.
   */
  readonly strategy?: Strategy | undefined
  /** Whether the end of one significant child ends the tree, or that of the last of them. Default: `"any"`. */
  readonly autoShutdown?: AutoShutdown | undefined
  /**
   * `"dependencies"`, the default: a child waits for those in its `after` and `requires`, and for nobody else. `"sequential"`: as in
   * OTP, each child also waits for the one given before it.
   */
  readonly order?: Order | undefined
}
