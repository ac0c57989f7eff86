/** Snapshots and events agree at every moment, also while so much happens that others get their turns in between. */
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import type { Snapshot, SupervisorEvent } from "../../src/SupervisorEvent.ts"
import { Hearsay, standings, unknown } from "../support/hearsay.ts"

const COUNT = 2_000

/** What the event loop does between two slices of work is done. */
const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const steady = { ready: Ready.immediate } as const

const isAllBack = (snapshot: Snapshot): boolean =>
  snapshot.children.every(({ incarnation, status }) => incarnation === 2 && status === "ready")

/** Looks every few turns of the event loop, until all have been restarted. */
const watch = (running: { readonly snapshot: Effect.Effect<Snapshot> }) =>
  Effect.gen(function* () {
    const snapshots: Array<Snapshot> = []
    do {
      for (let count = 0; count < 3; count++) yield* turn
      snapshots.push(yield* running.snapshot)
    } while (!snapshots.slice(-1).every(isAllBack))
    return snapshots
  })

it.live(
  `a snapshot is what the events up to its own have told, while ${COUNT} children are restarted together`,
  () =>
    Effect.gen(function* () {
      const end = yield* Deferred.make<void>()
      let lives = 0
      const first = Effect.suspend(() => (++lives === 1 ? Deferred.await(end) : Effect.never))
      const others = Array.from({ length: COUNT - 1 }, (_, index) =>
        Child.effect(`child-${index}`, Effect.never, steady)
      )
      const tree = Supervisor.make("app", [
        Supervisor.make(
          "group",
          [Child.effect("first", Effect.andThen(first, Effect.fail("ended")), steady), ...others],
          {
            strategy: "one-for-all"
          }
        )
      ])
      const running = yield* Supervisor.start(tree)
      const group = Effect.map(running.snapshot, ({ children }) => children[0]?.tree ?? never("no group"))
      const before = yield* group
      const events: Array<SupervisorEvent> = []
      const heard = Stream.filter(running.events, ({ sequence }) => sequence > before.sequence)
      const listening = yield* Effect.forkChild(
        Stream.runForEach(heard, (event) => Effect.sync(() => events.push(event))),
        { startImmediately: true }
      )
      yield* Deferred.succeed(end, undefined)
      const snapshots = yield* watch({ snapshot: group })
      // Many of them were taken amid the restart: otherwise this says nothing.
      expect(
        snapshots.filter(({ children }) => new Set(children.map(({ status }) => status)).size > 1).length
      ).toBeGreaterThan(10)
      const last = snapshots.at(-1)?.sequence ?? 0
      while ((events.at(-1)?.sequence ?? 0) < last) yield* turn
      yield* Fiber.interrupt(listening)
      expect(events.map(({ sequence }) => sequence - before.sequence)).toEqual(events.map((_, index) => index + 1))

      const hearsay = new Hearsay()
      for (const [key, standing] of standings(before)) hearsay.children.set(key, standing)
      let next = 0
      for (const snapshot of snapshots) {
        for (
          let event = events[next];
          event !== undefined && event.sequence <= snapshot.sequence;
          event = events[++next]
        ) {
          hearsay.hear(event)
        }
        const differ = standings(snapshot).filter(([key, { incarnation, lastExit, status }]) => {
          const told = hearsay.children.get(key) ?? unknown
          return told.incarnation !== incarnation || told.lastExit !== lastExit || told.status !== status
        })
        expect(differ).toEqual([])
        expect(hearsay.children.size).toBe(COUNT)
      }
    }).pipe(Effect.scoped),
  300_000
)

const never = (what: string): never => {
  throw new Error(what)
}
