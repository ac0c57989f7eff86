/** What tests wait for and look at in a tree that runs. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ChildSnapshot, Snapshot, Status, SupervisorEvent } from "../../src/SupervisorEvent.ts"

interface Observable {
  readonly events: Stream.Stream<SupervisorEvent>
  readonly snapshot: Effect.Effect<Snapshot>
}

export type Event<Tag extends SupervisorEvent["_tag"]> = Extract<SupervisorEvent, { readonly _tag: Tag }>

/** Waits for an event, also one that has been. */
export const happens = <E extends SupervisorEvent>(
  { events }: Observable,
  what: (event: SupervisorEvent) => event is E
): Effect.Effect<E> =>
  events.pipe(
    Stream.filter(what),
    Stream.runHead,
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.die(new Error("the tree has ended without that event")),
        onSome: (event) => Effect.succeed(event)
      })
    )
  )

/** Waits until a child stands so in the given life, or has done so lately; without one in any life. */
export const stands = (running: Observable, child: string, status: Status, incarnation?: number): Effect.Effect<void> =>
  Effect.flatMap(running.snapshot, (snapshot) => {
    const isMeant = (other: { readonly status: Status; readonly incarnation: number }): boolean =>
      other.status === status && (incarnation === undefined || other.incarnation === incarnation)
    // Events are kept for a while only.
    if (allIn(snapshot).some((other) => other.name === child && isMeant(other))) return Effect.void
    const changed = happens(
      running,
      (event): event is Event<"Changed"> => event._tag === "Changed" && event.child === child && isMeant(event)
    )
    return Effect.asVoid(changed)
  })

/** All children of a tree, and of the trees in it. */
export const allIn = ({ children }: Snapshot): ReadonlyArray<ChildSnapshot> =>
  children.flatMap((child) => [child, ...(child.tree === undefined ? [] : allIn(child.tree))])

/** Waits until the process of a child runs in the given life. */
export const isSpawned = (running: Observable, child: string, incarnation: number): Effect.Effect<Event<"Spawned">> =>
  happens(
    running,
    (event): event is Event<"Spawned"> =>
      event._tag === "Spawned" && event.child === child && event.incarnation === incarnation
  )

/** The child at a path below the root, as the snapshot has it. */
export const childAt = (running: Observable, ...path: ReadonlyArray<string>): Effect.Effect<ChildSnapshot> =>
  Effect.map(running.snapshot, (snapshot) => {
    let tree: Snapshot | undefined = snapshot
    let child: ChildSnapshot | undefined
    for (const name of path) {
      child = tree?.children.find((each) => each.name === name)
      tree = child?.tree
    }
    if (child === undefined) throw new Error(`the snapshot has no ${path.join("/")}`)
    return child
  })

/** `NAME STATUS`, in the order of the children. */
export const statuses = (running: Observable): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(running.snapshot, ({ children }) => children.map(({ name, status }) => `${name} ${status}`))

/** Listens to all events, those before too, until the tree has ended. */
export const listen = ({ events }: Observable): Effect.Effect<Fiber.Fiber<ReadonlyArray<SupervisorEvent>>> =>
  Effect.forkChild(Stream.runCollect(events), { startImmediately: true })

/** Whose processes were spawned, in their order. */
export const spawns = (events: ReadonlyArray<SupervisorEvent>): ReadonlyArray<string> =>
  events.flatMap((event) => (event._tag === "Spawned" ? [event.child] : []))
