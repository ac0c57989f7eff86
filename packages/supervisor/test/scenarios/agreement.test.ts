/** Snapshots, events and what really runs say the same at every moment of random stories. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Random from "../../../process/test/support/random.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import type { Status } from "../../src/SupervisorEvent.ts"
import { Hearsay, standings, unknown } from "../support/hearsay.ts"
import { type Actor, Troupe } from "../support/troupe.ts"

const STORIES = Random.isCampaign ? 1_000 : 25
const STEPS = 40

/** More turns of the event loop than anything takes that follows from one happening. */
const TURNS = 20

const boundless = { restarts: 1_000_000, within: "1 second" } as const
const steady = { ready: Ready.immediate } as const

const company = () => {
  const troupe = new Troupe()
  const [a, b, c, d] = [troupe.actor("a"), troupe.actor("b"), troupe.actor("c"), troupe.actor("d")] as const
  const workers = new Map<string, Actor>()
  const group = Supervisor.make(
    "group",
    [Child.effect("c", c.play, { ready: c.readiness }), Child.effect("d", d.play, { ...steady, after: ["c"] })],
    { strategy: "one-for-all", intensity: { restarts: 2, within: "10 seconds" } }
  )
  const dynamic = Supervisor.dynamic(
    "workers",
    (key: string) => {
      const actor = troupe.actor(key)
      workers.set(key, actor)
      return Child.effect("worker", actor.play, steady)
    },
    { intensity: boundless }
  )
  const tree = Supervisor.make(
    "app",
    [
      Child.effect("a", a.play, { ...steady, restart: Restart.always({ schedule: Schedule.spaced("1 second") }) }),
      Child.effect("b", b.play, { ready: b.readiness, requires: ["a"] }),
      group,
      dynamic
    ],
    { intensity: boundless }
  )
  return { actors: { a, b, c, d }, tree, workers }
}

/** A tree of which all is ready. */
const begin = Effect.gen(function* () {
  const { actors, tree, workers } = company()
  const scope = yield* Scope.make()
  const starting = yield* Effect.forkChild(Scope.provide(Supervisor.start(tree), scope), { startImmediately: true })
  yield* actors.c.isReady
  yield* actors.b.isReady
  const running = yield* Fiber.join(starting)
  const hearsay = new Hearsay()
  const listening = yield* Effect.forkChild(
    Stream.runForEach(running.events, (event) => Effect.sync(() => hearsay.hear(event))),
    { startImmediately: true }
  )
  return { actors, hearsay, listening, running, scope, workers }
})

type Begun = Effect.Success<typeof begin>

/** Something that happens to the tree. What is refused is of no consequence, and what takes its time is not waited for. */
const happening = ({ actors, running, workers }: Begun, random: Random.Random): Effect.Effect<unknown> => {
  const actor = random.pick([actors.a, actors.b, actors.c, actors.d])
  const child = random.pick(["a", "b", "group", "workers"] as const)
  const key = `w${random.below(3)}`
  const some = running.dynamic("workers")
  const request = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(Effect.ignore(effect))
  return random.pick([
    actor.fails,
    actor.fails,
    actor.ends("value"),
    actor.dies(new Error("defect")),
    actor.isReady,
    actor.isReady,
    actor.isNeverReady,
    workers.get(key)?.fails ?? Effect.void,
    TestClock.adjust("400 millis"),
    TestClock.adjust("1 second"),
    request(running.child(child).restart),
    request(running.child(child).stop),
    request(running.child(child).start),
    request(running.child("group").child("d").restart),
    request(running.child("group").child("c").stop),
    request(running.child("group").child("c").start),
    request(running.rollingRestart(["a", "b"])),
    request(some.start(key, { key })),
    request(some.start("anonymous")),
    request(some.remove(key)),
    request(some.child(key).restart)
  ])
}

const expectAgreement = ({ actors, hearsay, running }: Begun, what: string) =>
  Effect.gen(function* () {
    // Everything that needs no time has been done then: also the listener has heard all.
    for (let turn = 0; turn < TURNS; turn++) yield* Effect.yieldNow
    const snapshot = yield* running.snapshot
    const all = standings(snapshot)
    const heard = all.map(([key]) => [key, hearsay.children.get(key) ?? unknown])
    expect(heard, what).toEqual(all)
    // Nothing was told of children that there are not.
    const names = new Set(all.map(([key]) => key))
    expect(
      [...hearsay.children.keys()].filter((key) => !names.has(key)),
      what
    ).toEqual([])
    expect(hearsay.state, what).toBe(snapshot.state)
    for (const [key, { status }] of all) {
      const name = key.split("/").at(-1) ?? ""
      const actor = Object.entries(actors).find(([each]) => each === name)?.[1]
      if (actor !== undefined) expect(`${key} ${actor.alive}`, what).toBe(`${key} ${isUp(status) ? 1 : 0}`)
    }
  })

const isUp = (status: Status): boolean => status === "starting" || status === "ready" || status === "stopping"

it.effect(`they agree in ${STORIES} stories of ${STEPS} steps`, () =>
  Effect.gen(function* () {
    const random = Random.make("agreement")
    const seen = new Set<string>()
    for (let story = 0; story < STORIES; story++) {
      const begun = yield* begin
      for (let step = 0; step < STEPS; step++) {
        yield* expectAgreement(begun, `story ${story}, step ${step}`)
        for (const [, { status }] of standings(yield* begun.running.snapshot)) seen.add(status)
        yield* happening(begun, random)
      }
      yield* Scope.close(begun.scope, Exit.void)
      yield* expectAgreement(begun, `story ${story}, its end`)
      expect((yield* begun.running.snapshot).state).toBe("ended")
      expect(Object.values(begun.actors).map(({ alive }) => alive)).toEqual([0, 0, 0, 0])
      yield* Fiber.join(begun.listening)
    }
    expect([...seen].sort()).toEqual(["backing-off", "completed", "ready", "starting", "stopped", "waiting"])
  })
)
