/**
 * How a child ended, as its restart policy sees it.
 */
import type { ExitError, KeeperLost, SpawnError } from "@nursery/process"
import type * as Cause from "effect/Cause"
import type { NotReady, Unresponsive } from "./ChildError.ts"

/**
 * How a child ended.
 *
 * `Completed`: a process with one of its command's `successCodes`, an Effect with a value. `Failed`: with a typed error. `Died`: by a
 * defect, or by an interruption from outside.
 *
 * @category models
 */
export type ChildExit<E = unknown, A = unknown> =
  | { readonly _tag: "Completed"; readonly value: A }
  | { readonly _tag: "Failed"; readonly error: E }
  | { readonly _tag: "Died"; readonly cause: Cause.Cause<never> }

/**
 * What a child that is a process fails with.
 *
 * @category models
 */
export type ProcessFailure = ExitError | SpawnError | KeeperLost | NotReady | Unresponsive
