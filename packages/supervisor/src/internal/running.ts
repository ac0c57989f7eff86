/**
 * What the shell offers of a tree that runs, types erased. Children are named by their path below the tree: `["web", "nginx"]`; the
 * children of a dynamic supervisor by their key.
 *
 * @internal
 */
import type { Command } from "@nursery/process"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ChildExit } from "../ChildExit.ts"
import type { ChildRefused, GaveUp, InvalidTree, ReloadFailed } from "../SupervisorError.ts"
import type { Snapshot, SupervisorEvent } from "../SupervisorEvent.ts"
import type { ChildSpec } from "./spec.ts"

/** How a tree ends that does not give up. `value`: what the significant child ended with. */
export type Outcome =
  | { readonly _tag: "Stopped" }
  | { readonly _tag: "Significant"; readonly child: string; readonly value: unknown }

type Path = ReadonlyArray<string>

export interface RunningTree {
  /** Waits until all of it has been ready, or it has ended as it should. */
  readonly ready: Effect.Effect<void, GaveUp<string, unknown>>
  readonly await: Effect.Effect<Outcome, GaveUp<string, unknown>>
  /** The last events, then those to come; ends with the tree. */
  readonly events: Stream.Stream<SupervisorEvent>
  readonly snapshot: Effect.Effect<Snapshot>
  /** Done when it is ready, is down, is ready again. */
  readonly ask: (what: "start" | "stop" | "restart", path: Path) => Effect.Effect<void, ChildRefused>
  /**
   * Waits until the child stays down, and tells how it ended last. Refused: `unknown` when there is no such child, or it is removed
   * meanwhile; `down` when it has never run.
   */
  readonly ended: (path: Path) => Effect.Effect<ChildExit, ChildRefused>
  /** Waits until the child is ready or has completed, and tells what it provides. Refused as `ended`, and as `down` when it stays down. */
  readonly provided: (path: Path) => Effect.Effect<unknown, ChildRefused>
  /** Restarts a process with another command, which later restarts take too. Refused for other children: `unsupported`. */
  readonly replace: (path: Path, command: Command.Command) => Effect.Effect<void, ChildRefused>
  /** Done when the process has acknowledged it. Refused without the option `reload`: `unsupported`. */
  readonly reload: (path: Path) => Effect.Effect<void, ChildRefused | ReloadFailed>
  /** Adds a child to the supervisor at the path, behind all others. Done when it is ready. Runs it in the context of who asks. */
  readonly add: (path: Path, child: ChildSpec) => Effect.Effect<void, ChildRefused | InvalidTree, unknown>
  /** Stops a child and forgets it. */
  readonly remove: (path: Path) => Effect.Effect<void, ChildRefused>
  /** Starts a child of the dynamic supervisor at the path. Done when it is ready; answers its key. */
  readonly startWith: (
    path: Path,
    args: unknown,
    key: string | undefined
  ) => Effect.Effect<string, ChildRefused | InvalidTree>
}
