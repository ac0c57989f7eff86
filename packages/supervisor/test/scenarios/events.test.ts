/** Who hears which events, and until when. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import type { SupervisorEvent } from "../../src/SupervisorEvent.ts"
import { listen, stands } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const

const show = (event: SupervisorEvent): string => {
  const where = event.path.join("/")
  if (!("child" in event)) return `${where}: ${event._tag}`
  const what = event._tag === "Changed" ? event.status : event._tag
  return `${where}/${event.child} ${event.incarnation}: ${what}`
}

describe("the events of a tree", () => {
  it.effect("tell all that happens in it and in the trees below, in order, and end with it", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const inner = Supervisor.make("inner", [Child.effect("a", a.play, steady)])
      const listening = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(Supervisor.make("app", [inner]))
          yield* a.fails
          yield* stands(running, "a", "ready", 2)
          yield* running.child("inner").child("a").stop
          return yield* listen(running)
        })
      )
      expect((yield* Fiber.join(listening)).map(show)).toEqual([
        "app/inner 1: starting",
        "app/inner/a 1: starting",
        "app/inner/a 1: ready",
        "app/inner: TreeReady",
        "app/inner 1: ready",
        "app: TreeReady",
        "app/inner/a 1: Exited",
        "app/inner/a 1: deciding",
        "app/inner/a 1: waiting",
        "app/inner/a 2: starting",
        "app/inner/a 2: ready",
        "app/inner/a 2: stopping",
        "app/inner/a 2: Exited",
        "app/inner/a 2: stopped",
        "app: TreeStopping",
        "app/inner 1: stopping",
        "app/inner: TreeStopping",
        "app/inner: TreeEnded",
        "app/inner 1: Exited",
        "app/inner 1: stopped",
        "app: TreeEnded"
      ])
    })
  )

  it.effect("are told also to those who come after the end, who get the last ones", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const tree = Supervisor.make("app", [Child.effect("a", a.play, { ...steady, significant: true })])
      const running = yield* Supervisor.start(tree)
      for (let life = 1; life <= 5; life++) yield* running.child("a").restart
      yield* a.ends("value")
      yield* running.await
      const heard = Array.from(yield* Stream.runCollect(running.events), show)
      expect(heard.slice(0, 2)).toEqual(["app/a 1: starting", "app/a 1: ready"])
      expect(heard.slice(-3)).toEqual(["app/a 6: completed", "app: TreeStopping", "app: TreeEnded"])
      expect(Array.from(yield* Stream.runCollect(running.events), show)).toEqual(heard)
    })
  )

  it.effect("are told to a listener that is slow, but for the oldest, and nobody waits for it", () =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const a = troupe.actor("a")
      const [listening, fast] = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* Supervisor.start(Supervisor.make("app", [Child.effect("a", a.play, steady)]))
          const all = yield* listen(running)
          // Takes the first event, and the next one only when everything is over.
          const slow = running.events.pipe(
            Stream.mapEffect((event) => Effect.as(troupe.hears("over"), event)),
            Stream.runCollect
          )
          const fiber = yield* Effect.forkChild(slow, { startImmediately: true })
          for (let count = 0; count < 1_000; count++) yield* running.child("a").restart
          return [fiber, all] as const
        })
      )
      troupe.note("over")
      const heard = (yield* Fiber.join(listening)).map(show)
      // Others lose nothing by it.
      const lives = (yield* Fiber.join(fast)).map(show).filter((line) => line.endsWith(": starting"))
      expect(lives.length).toBe(1_001)
      expect(heard.length).toBeLessThan(1_000 * 5)
      expect(heard.slice(-2)).toEqual(["app/a 1001: stopped", "app: TreeEnded"])
    })
  )
})
