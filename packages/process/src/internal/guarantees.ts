/**
 * What a backend promises here and now.
 *
 * @internal
 */
import type { Level } from "./backend.ts"

export interface LevelGuarantee {
  readonly level: Level
  readonly available: boolean
  /** Why not, and what to do; empty where it is available. */
  readonly reason: string
}

/** The keys of the option `sandbox`, what its `scope` can have, and the option `seccomp`. */
export const sandboxFeatures = [
  "read",
  "write",
  "execute",
  "connect",
  "bind",
  "signals",
  "abstract-sockets",
  "seccomp"
] as const

/** One thing that a sandbox can hold back. */
export interface SandboxGuarantee {
  readonly feature: (typeof sandboxFeatures)[number]
  readonly available: boolean
  /** Why not, and what to do; empty where it is available. */
  readonly reason: string
}

export interface Guarantees {
  /** `other`: given to `Nursery.layerBackend`, such as a simulation. */
  readonly backend: "keeper" | "portable" | "other"
  readonly levels: ReadonlyArray<LevelGuarantee>
  /** Descendants that left the process group (setsid, double fork) end with the scope. */
  readonly escapees: boolean
  /** Everything ends when this program is killed by SIGKILL. */
  readonly ownerDeath: boolean
  /** Grace periods are measured outside of this program's event loop. */
  readonly graceOutsideEventLoop: boolean
  /** A spawn costs the event loop the same whatever the size of the heap. */
  readonly cheapSpawn: boolean
  /** No signal can ever reach a process that reuses the pid of a dead child. */
  readonly noStrayPid: boolean
  /** A process can tell how it is by sd_notify(3): the option `notify` of a command. */
  readonly notifications: boolean
  /** A process can be given limits, credentials, a priority, processors and a score for the out-of-memory killer. */
  readonly setup: boolean
  /** What the options `sandbox` and `seccomp` can do here. */
  readonly sandbox: ReadonlyArray<SandboxGuarantee>
  /** What does not hold, in words, one promise a line. */
  readonly limits: ReadonlyArray<string>
}
