/**
 * What the core knows of a tree: names, order and rules, and nothing of what the children are.
 *
 * @internal
 */

/**
 * What a child waits for before each of its starts.
 *
 * - `order`: that the other is ready. One that is at rest is not waited for, but those are that it would wait for.
 * - `value`: the same, and that the other has been ready once or has completed, and so has provided its value.
 * - `alive`: that the other is ready or has completed. And it is stopped when the other is so no longer, until that comes back.
 */
export type Gate = "order" | "value" | "alive"

export interface Dependency {
  readonly on: string
  readonly gate: Gate
}

/** OTP's permanent, transient and temporary. */
export type RestartRule = "always" | "onFailure" | "never"

export interface ChildPlan {
  readonly id: string
  /** Earlier siblings. */
  readonly after: ReadonlyArray<Dependency>
  readonly restart: RestartRule
  /** Its end ends the tree. */
  readonly significant: boolean
  /** Whether its restarts count towards the tree's intensity. */
  readonly counted: boolean
}

export type Strategy = "one-for-one" | "one-for-all" | "rest-for-one"

/** Whether the end of one significant child ends the tree, or that of the last of them. */
export type AutoShutdown = "any" | "all"

/** The tree gives up at one restart more than `restarts` within so many milliseconds. */
export interface Intensity {
  readonly restarts: number
  readonly within: number
}

export interface TreePlan {
  readonly strategy: Strategy
  readonly intensity: Intensity
  readonly autoShutdown: AutoShutdown
  readonly children: ReadonlyArray<ChildPlan>
}
