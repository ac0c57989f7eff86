/** Nurseries on a backend of somebody else. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Backend from "../src/Backend.ts"
import { Command, Nursery, Process, ProgramNotFound } from "../src/index.ts"

const guarantees: Backend.Guarantees = {
  backend: "other",
  levels: [],
  escapees: false,
  ownerDeath: false,
  graceOutsideEventLoop: false,
  cheapSpawn: false,
  noStrayPid: false,
  notifications: false,
  setup: false,
  sandbox: [],
  limits: []
}

const nobody: Backend.Ticket = {
  cancel: () => {},
  stop: () => {},
  signal: (_signal, _reach, done) => queueMicrotask(() => done(3)),
  release: (done) => queueMicrotask(() => done(3)),
  retain: (done) => queueMicrotask(() => done(3)),
  ref: () => {},
  unref: () => {}
}

const noUsage: Backend.RawUsage = {
  userTime: 0,
  systemTime: 0,
  maxResidentSet: 0,
  minorFaults: 0,
  majorFaults: 0,
  blockInput: 0,
  blockOutput: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0
}

/** A backend whose every process does what `play` tells its observer, in the next microtask. */
const backendOf = (
  play: (observer: Backend.Observer) => void,
  ticket: Backend.Ticket = nobody,
  now?: () => number
): Backend.Backend => ({
  guarantees: () => guarantees,
  pipe: undefined,
  spawn: (_request, observer) => {
    queueMicrotask(() => play(observer))
    return ticket
  },
  close: (done) => queueMicrotask(done),
  ...(now === undefined ? undefined : { now })
})

const layerOf = (...args: Parameters<typeof backendOf>) => Nursery.layerBackend(Effect.sync(() => backendOf(...args)))

describe("Nursery.layerBackend", () => {
  it.live("makes the backend in the scope of the layer", () =>
    Effect.gen(function* () {
      const happened: Array<string> = []
      const make = Effect.acquireRelease(
        Effect.sync(() => {
          happened.push("made")
          return backendOf((observer) => {
            observer.started(7, 0, [])
            observer.exited(3 << 8, noUsage, true)
            observer.ended()
          })
        }),
        () => Effect.sync(() => happened.push("closed"))
      )
      const status = Process.exitStatus(Command.make("anything"))
      expect(yield* Effect.provide(status, Nursery.layerBackend(make))).toEqual({ _tag: "Exited", code: 3 })
      expect(happened).toEqual(["made", "closed"])
    })
  )

  it.live("may wrap that of another nursery", () =>
    Effect.gen(function* () {
      const programs: Array<string> = []
      const wrapped = Nursery.layerBackend(
        Effect.map(Nursery.backend, (inner) => ({
          guarantees: inner.guarantees,
          pipe: inner.pipe,
          close: (done) => inner.close(done),
          spawn: (request, observer) => {
            programs.push(request.program)
            return inner.spawn(request, observer)
          }
        }))
      ).pipe(Layer.provide(Nursery.layerPortable))
      expect(yield* Effect.provide(Process.string(Command.make("echo", ["hi"])), wrapped)).toBe("hi\n")
      expect(programs).toEqual(["echo"])
    })
  )

  it.live("takes the reason of a failure from a backend that knows it, without a look at any file", () =>
    Effect.gen(function* () {
      const reason = new ProgramNotFound({ program: "sh", searched: ["/nowhere"] })
      const layer = layerOf((observer) => observer.failed({ step: "exec", errno: 2, target: -1, reason }))
      const error = yield* Effect.flip(Effect.provide(Process.run(Command.make("sh")), layer))
      expect(error.message).toBe('cannot start "sh": no such program on PATH (searched /nowhere)')
    })
  )

  it.live("takes usage, descendants and times from a backend that has its own", () =>
    Effect.gen(function* () {
      let now = 5_000
      const ticket: Backend.Ticket = {
        ...nobody,
        usage: () => ({ ...noUsage, minorFaults: 11 }),
        descendants: () => [{ pid: 9, name: "below", parent: 7, age: 250 }]
      }
      const layer = layerOf(
        (observer) => observer.started(7, 0, []),
        ticket,
        () => now
      )
      yield* Effect.gen(function* () {
        // In a scope that is never closed: this backend ends nothing.
        const process = yield* Process.spawn(Command.make("anything"))
        expect(yield* process.usage).toMatchObject({ minorFaults: 11 })
        expect(yield* process.descendants).toMatchObject([{ pid: 9, name: "below", parent: 7 }])
        now += 1_500
        expect(yield* Nursery.processes).toMatchObject([{ pid: 7, startedAt: 5_000, age: 1_500 }])
      }).pipe(Effect.provideServiceEffect(Scope.Scope, Scope.make()), Effect.provide(layer))
    })
  )
})
