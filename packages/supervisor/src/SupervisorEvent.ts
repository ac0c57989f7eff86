/**
 * What happens in a tree, as `running.events` tells it, and how it stands, as `running.snapshot` does.
 *
 * The two agree: a snapshot is what all events up to the one with its `sequence` have told, and whoever applies to it those that come
 * after has the next one. That holds at every moment, also while a tree of thousands is being restarted.
 */
import type { ChildExit } from "./ChildExit.ts"

/**
 * How a child stands.
 *
 * - `waiting`: for children that it starts after, or for its turn in the restart of a group.
 * - `starting`: started, and not ready yet. `ready`: doing what it is for.
 * - `deciding`: it has ended, and its policy is being asked. `backing-off`: its next start waits for its schedule.
 * - `stopping`: it has been asked to end.
 * - `completed`, `stopped`, `paused`, `failed`: it stays down, until somebody asks for its start.
 *
 * @category models
 */
export type Status =
  | "waiting"
  | "starting"
  | "ready"
  | "stopping"
  | "deciding"
  | "backing-off"
  | "completed"
  | "stopped"
  | "paused"
  | "failed"

/**
 * What every event about a child tells.
 *
 * @category models
 */
export interface ChildEventBase {
  /** The number of the event among all of its tree and of those below it: 1, 2, and so on. A gap is what a slow listener has lost. */
  readonly sequence: number
  /** The names of the supervisors above the child, the root first. */
  readonly path: ReadonlyArray<string>
  readonly child: string
  /** Which of its lives; the first is 1, and 0 is before it. */
  readonly incarnation: number
  /** Milliseconds since 1970. */
  readonly time: number
}

/**
 * What every event about a whole tree tells.
 *
 * @category models
 */
export interface TreeEventBase {
  /** Counted together with those about children. */
  readonly sequence: number
  /** The names of the supervisors down to this one. */
  readonly path: ReadonlyArray<string>
  readonly time: number
}

/**
 * Something that has happened.
 *
 * @category models
 */
export type SupervisorEvent =
  /** A child stands differently. */
  | (ChildEventBase & { readonly _tag: "Changed"; readonly status: Status })
  /** The process of a child has a pid. */
  | (ChildEventBase & { readonly _tag: "Spawned"; readonly pid: number })
  /** A child has ended. `expected`: it had been asked to. */
  | (ChildEventBase & { readonly _tag: "Exited"; readonly exit: ChildExit; readonly expected: boolean })
  /** Its next start comes after so many milliseconds. */
  | (ChildEventBase & { readonly _tag: "BackingOff"; readonly delay: number; readonly attempt: number })
  /** What a child says of itself, by the notify protocol. */
  | (ChildEventBase & { readonly _tag: "Said"; readonly status: string })
  /** It says, by the notify protocol, that it reads its configuration anew, or that it is ending. */
  | (ChildEventBase & { readonly _tag: "Reloading" | "Ending" })
  /** The child, or what it does after its stop, could not be ended in time, and is no longer waited for. */
  | (ChildEventBase & { readonly _tag: "Abandoned"; readonly what: "child" | "afterStop" })
  | (ChildEventBase & { readonly _tag: "Added" })
  | (ChildEventBase & { readonly _tag: "Removed" })
  /** Every child that is to run is ready, for the first time. */
  | (TreeEventBase & { readonly _tag: "TreeReady" })
  | (TreeEventBase & { readonly _tag: "TreeStopping" })
  /** Nothing of it runs any more. */
  | (TreeEventBase & { readonly _tag: "TreeEnded" })

/**
 * A child at one moment.
 *
 * @category models
 */
export interface ChildSnapshot {
  readonly name: string
  readonly kind: "process" | "effect" | "supervisor" | "dynamic"
  readonly status: Status
  readonly incarnation: number
  /** How often its policy has restarted it. */
  readonly restarts: number
  readonly pid: number | undefined
  /** The pid that it calls its main one, by the notify protocol, where that is another. */
  readonly mainPid: number | undefined
  /** Milliseconds for which it has been ready. */
  readonly uptime: number | undefined
  readonly lastExit: ChildExit | undefined
  /** Why it is not ready yet, as its latest probe found. */
  readonly problem: string | undefined
  /** What it says of itself. */
  readonly says: string | undefined
  /** The siblings that it waits for. */
  readonly waitsFor: ReadonlyArray<string>
  /** Of a supervisor that runs. */
  readonly tree: Snapshot | undefined
}

/**
 * A tree at one moment.
 *
 * @category models
 */
export interface Snapshot {
  /** That of the last event that has come to it; 0 before the first. */
  readonly sequence: number
  readonly name: string
  readonly path: ReadonlyArray<string>
  readonly state: "starting" | "ready" | "stopping" | "ended"
  /** In the order in which they were given. */
  readonly children: ReadonlyArray<ChildSnapshot>
}
