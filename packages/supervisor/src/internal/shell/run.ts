/**
 * Runs trees.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { GaveUp } from "../../SupervisorError.ts"
import type { Outcome, RunningTree } from "../running.ts"
import type { TreeSpec } from "../spec.ts"
import { Hub, makePubSub } from "./hub.ts"
import { runningOf } from "./running.ts"
import { Tree } from "./tree.ts"

const open = (spec: TreeSpec): Effect.Effect<Tree> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.map(makePubSub, (pubsub) => new Tree(spec, [spec.name], new Hub(pubsub), context))
  )

/** Validating a large tree, making and beginning it take some tens of milliseconds each: others get their turns in between. */
const pause = (spec: TreeSpec): Effect.Effect<void> =>
  spec.kind === "supervisor" && spec.children.length > 1_000 ? Effect.yieldNow : Effect.void

/** A tree that has begun; it ends with the scope. */
const begun = (spec: TreeSpec): Effect.Effect<Tree, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.andThen(pause(spec), open(spec)).pipe(
      Effect.tap(pause(spec)),
      Effect.tap((tree) => Effect.sync(() => tree.begin()))
    ),
    (tree) => tree.close
  )

/** The spec is valid. Its requirements are those of all its children. */
export const runTree = (spec: TreeSpec): Effect.Effect<Outcome, GaveUp<string, unknown>, unknown> =>
  Effect.scoped(Effect.flatMap(begun(spec), (tree) => tree.awaitEnd))

/** Returns when it has begun. */
export const launchTree = (spec: TreeSpec): Effect.Effect<RunningTree, never, unknown> =>
  Effect.map(begun(spec), runningOf)

/** Returns when all of it is ready; fails when it gives up before. */
export const startTree = (spec: TreeSpec): Effect.Effect<RunningTree, GaveUp<string, unknown>, unknown> =>
  Effect.tap(launchTree(spec), ({ ready }) => ready)
