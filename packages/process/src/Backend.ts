/**
 * What a way to start processes implements: the seam below `Nursery`, for simulations and other backends. Types, and a list of what
 * they name; give an implementation to `Nursery.layerBackend`.
 *
 * A backend is told what to do by synchronous calls, which never throw and never block, and tells what has happened by the
 * callbacks of an {@link Observer}, never from inside a call.
 *
 * **Gotchas**
 *
 * It is stable for the packages of this project only: they are released together with it.
 */
export type {
  Backend,
  Below,
  FdRequest,
  Joined,
  Level,
  NamespaceItem,
  NamespaceKind,
  Observer,
  OpenedFd,
  RawNotification,
  RawUsage,
  Reach,
  SpawnFailure,
  SpawnRequest,
  Step,
  StopPolicy,
  Ticket
} from "./internal/backend.ts"
export { type Guarantees, type LevelGuarantee, sandboxFeatures } from "./internal/guarantees.ts"
export type { Held, HeldAddress, HeldEnd, HeldFailure, HeldRequest, HeldStep, Holding } from "./internal/held.ts"
export type { Outcome } from "./internal/streams/descriptor.ts"
export type { Flow, Receiver } from "./internal/streams/flow.ts"
export type { VirtualEnd } from "./internal/streams/virtual.ts"
