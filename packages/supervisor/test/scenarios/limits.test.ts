/** What hangs while a child starts, or after it has stopped, is ended when its time is up. */
import { describe, expect, it } from "@effect/vitest"
import { Command, type Nursery } from "@nursery/process"
import { Program, TestNursery } from "@nursery/testing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { happens, stands, statuses } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

const steady = { ready: Ready.immediate } as const
const command = Command.make("web")

type Web = Child.Child<"web", unknown, unknown, unknown, Nursery.Nursery, never, never>

interface Hanging {
  readonly child: (stuck: Effect.Effect<never>) => Web
  readonly reason: object
  readonly message: string
}

/** Each is still starting after 9.999 seconds, and has failed after 10. */
const hanging: Record<string, Hanging> = {
  "the hook of a process": {
    child: (stuck) =>
      Child.process("web", command, {
        startTimeout: "10 seconds",
        restart: Restart.never(),
        hooks: { beforeStart: stuck }
      }),
    reason: { _tag: "StartTimeout", step: "beforeStart" },
    message: "what it does before its start was not done within 10s (startTimeout gives more time)"
  },
  "the Effect that makes a command": {
    child: (stuck) =>
      Child.process("web", () => Effect.as(stuck, command), { startTimeout: "10 seconds", restart: Restart.never() }),
    reason: { _tag: "StartTimeout", step: "command" },
    message: "the Effect that makes its command was not done within 10s (startTimeout gives more time)"
  },
  "the readiness of a process": {
    child: (stuck) =>
      Child.process("web", command, {
        ready: Ready.effect(stuck),
        startTimeout: "10 seconds",
        restart: Restart.never()
      }),
    reason: { _tag: "ReadyTimeout", ready: "effect" },
    message: "effect did not succeed within 10s (startTimeout or Ready.timeout gives more time)"
  },
  "the hook of an Effect": {
    child: (stuck) =>
      Child.effect("web", Effect.never, {
        ...steady,
        startTimeout: "10 seconds",
        restart: Restart.never(),
        hooks: { beforeStart: stuck }
      }),
    reason: { _tag: "StartTimeout", step: "beforeStart" },
    message: "what it does before its start was not done within 10s (startTimeout gives more time)"
  },
  "the readiness of an Effect": {
    child: (stuck) =>
      Child.effect("web", Effect.never, {
        ready: Ready.effect(stuck),
        startTimeout: "10 seconds",
        restart: Restart.never()
      }),
    reason: { _tag: "ReadyTimeout", ready: "effect" },
    message: "effect did not succeed within 10s (startTimeout or Ready.timeout gives more time)"
  },
  "an Effect that is ready when it is done": {
    child: (stuck) => Child.effect("web", stuck, { startTimeout: "10 seconds", restart: Restart.never() }),
    reason: { _tag: "ReadyTimeout", ready: "it" },
    message: "it did not succeed within 10s (startTimeout or Ready.timeout gives more time)"
  }
}

const programs = TestNursery.layer({ web: Program.runs })

describe("a start that hangs", () => {
  for (const [what, { child, message, reason }] of Object.entries(hanging)) {
    const launch = Effect.gen(function* () {
      const troupe = new Troupe()
      const stuck = Effect.onInterrupt(Effect.andThen(troupe.act("hangs"), Effect.never), () => troupe.act("is ended"))
      const running = yield* Supervisor.launch(Supervisor.make("app", [child(stuck)]))
      yield* troupe.hears("hangs")
      return { running, troupe }
    })

    it.effect(`in ${what} is ended when its time is up, and says what hung`, () =>
      Effect.gen(function* () {
        const { running, troupe } = yield* launch
        yield* TestClock.adjust("9999 millis")
        expect(yield* statuses(running)).toEqual(["web starting"])
        yield* TestClock.adjust("1 millis")
        const gaveUp = yield* Effect.flip(running.ready)
        expect(gaveUp.exit).toMatchObject({ _tag: "Failed", error: { _tag: "NotReady", child: "web", reason } })
        expect(gaveUp.message).toBe(`web gave up after 1 attempt: "web" did not become ready: ${message}`)
        expect(troupe.record).toEqual(["hangs", "is ended"])
        expect(yield* TestNursery.alive).toEqual([])
      }).pipe(Effect.provide(programs))
    )

    it.effect(`in ${what} is stopped at once by whoever asks for that`, () =>
      Effect.gen(function* () {
        const { running, troupe } = yield* launch
        yield* running.child("web").stop
        expect(yield* statuses(running)).toEqual(["web stopped"])
        expect(troupe.record).toEqual(["hangs", "is ended"])
        // Its time limit is gone with it.
        yield* TestClock.adjust("1 minute")
        expect(yield* statuses(running)).toEqual(["web stopped"])
      }).pipe(Effect.provide(programs))
    )
  }

  it.effect("has the time from its beginning on for all of it, and none is left of the limit when it is ready", () =>
    Effect.gen(function* () {
      const child = Child.process("web", () => Effect.as(Effect.sleep("4 seconds"), command), {
        hooks: { beforeStart: Effect.sleep("4 seconds") },
        ready: Ready.effect(Effect.sleep("1999 millis")),
        startTimeout: "10 seconds"
      })
      const running = yield* Supervisor.launch(Supervisor.make("app", [child]))
      yield* TestClock.adjust("9999 millis")
      yield* running.ready
      yield* TestClock.adjust("1 hour")
      expect(yield* statuses(running)).toEqual(["web ready"])
    }).pipe(Effect.provide(programs))
  )

  it.effect("is begun anew, with all of its time, by the restart rule", () =>
    Effect.gen(function* () {
      let lives = 0
      const beforeStart = Effect.suspend(() => (++lives < 3 ? Effect.never : Effect.sleep("9 seconds")))
      const child = Child.process("web", command, { hooks: { beforeStart }, startTimeout: "10 seconds" })
      const running = yield* Supervisor.launch(Supervisor.make("app", [child]))
      for (let seconds = 0; seconds < 29; seconds++) yield* TestClock.adjust("1 second")
      yield* running.ready
      yield* stands(running, "web", "ready", 3)
    }).pipe(Effect.provide(programs))
  )

  it.effect("has more time when its process asks for it", () =>
    Effect.gen(function* () {
      const child = Child.process("web", command, { ready: Ready.notify, startTimeout: "10 seconds" })
      const running = yield* Supervisor.launch(Supervisor.make("app", [child]))
      yield* TestNursery.awaitStart("web")
      for (let seconds = 0; seconds < 23; seconds++) yield* TestClock.adjust("1 second")
      yield* running.ready
      yield* stands(running, "web", "ready", 1)
    }).pipe(
      Effect.provide(
        TestNursery.layer({
          web: Program.steps(
            Program.sleep("9 seconds"),
            Program.notify({ EXTEND_TIMEOUT_USEC: 15_000_000 }),
            Program.sleep("14 seconds"),
            Program.notify({ READY: 1 }),
            Program.runs
          )
        })
      )
    )
  )
})

describe("a hook after the stop that hangs", () => {
  const launch = (options: { readonly afterStopTimeout?: "5 seconds" }, hang: Effect.Effect<unknown>) =>
    Effect.gen(function* () {
      const troupe = new Troupe()
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
      const a = troupe.actor("a")
      const scope = yield* Scope.make()
      const afterStop = Effect.onInterrupt(Effect.andThen(troupe.act("hangs"), hang), () => troupe.act("is ended"))
      const tree = Supervisor.make("app", [
        Child.effect("a", a.play, { ...steady, hooks: { ...options, afterStop } }),
        Child.effect("b", troupe.actor("b").play, { ...steady, after: ["a"] })
      ])
      const running = yield* Supervisor.start(tree).pipe(Scope.provide(scope), Effect.provide(Logger.layer([logger])))
      return { a, logged, running, scope, troupe }
    })

  const isAbandoned = (event: { readonly _tag: string }) => event._tag === "Abandoned"

  it.effect("is ended when its time is up, which is told, and the end of the tree goes on", () =>
    Effect.gen(function* () {
      const { logged, running, scope, troupe } = yield* launch({ afterStopTimeout: "5 seconds" }, Effect.never)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* troupe.hears("hangs")
      yield* TestClock.adjust("4999 millis")
      expect(closing.pollUnsafe()).toBeUndefined()
      expect(yield* statuses(running)).toEqual(["a stopping", "b stopped"])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      yield* troupe.hears("is ended")
      expect(troupe.record).toEqual(["a starts", "b starts", "b stops", "a stops", "hangs", "is ended"])
      const told = yield* happens(running, (event): event is typeof event & { what: string } => isAbandoned(event))
      expect(told).toMatchObject({ child: "a", what: "afterStop" })
      expect(logged).toEqual([
        'what "a" does after its stop was not done within 5s: it is interrupted, and no longer waited for'
      ])
    })
  )

  it.effect("has 90 seconds where nothing else is said, and is left alone also where nothing interrupts it", () =>
    Effect.gen(function* () {
      const { a, running, troupe } = yield* launch({}, Effect.uninterruptible(Effect.never))
      yield* a.fails
      yield* troupe.hears("hangs")
      yield* TestClock.adjust("89 seconds")
      expect(yield* statuses(running)).toEqual(["a ready", "b ready"])
      yield* TestClock.adjust("1 second")
      yield* stands(running, "a", "ready", 2)
    })
  )
})
