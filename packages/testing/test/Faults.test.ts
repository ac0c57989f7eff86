/** Faults of real processes and their helpers. */
import { describe, expect, it } from "@effect/vitest"
import { Command, ExitStatus, KeeperLost, Nursery, PermissionDenied, Process } from "@nursery/process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Faults, Program, TestNursery } from "../src/index.ts"

const sleeper = Command.make("sleep", ["1000"])
const quick = Process.exitStatus(Command.make("true"))
const fine = ExitStatus.exited(0)

const faulty = (...rules: ReadonlyArray<Faults.Rule>) =>
  Faults.layer(...rules).pipe(Layer.provide(Layer.fresh(Nursery.layer)))

/** Real time is nobody's here: under TestClock no delay ends by itself. */
describe("Faults.layer", () => {
  it.effect("fails the start that it is told to, and no other", () =>
    Effect.gen(function* () {
      expect(yield* quick).toEqual(fine)
      const error = yield* Effect.flip(quick)
      expect(error).toMatchObject({ _tag: "SpawnError", step: "exec", errno: "EMFILE" })
      expect(error.message).toContain("too many open descriptors")
      expect(yield* quick).toEqual(fine)
    }).pipe(Effect.provide(faulty(Faults.nth(2, Faults.fail("EMFILE")))))
  )

  it.effect("counts the starts of one program", () =>
    Effect.gen(function* () {
      expect(yield* quick).toEqual(fine)
      expect(yield* Process.string(Command.make("echo", ["x"]))).toBe("x\n")
      const error = yield* Effect.flip(Process.string(Command.make("echo", ["x"])))
      expect(error).toMatchObject({ reason: { _tag: "PermissionDenied", path: "/mnt/echo" } })
      expect(yield* quick).toEqual(fine)
    }).pipe(
      Effect.provide(
        faulty(
          Faults.nth(2, Faults.fail("EACCES", { reason: new PermissionDenied({ path: "/mnt/echo" }) }), {
            program: "echo"
          })
        )
      )
    )
  )

  it.effect("fails at the step that it is told", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Process.exitStatus(Command.make("true", [], { cwd: "/tmp" })))
      expect(error).toMatchObject({ step: "cwd", reason: { _tag: "WorkingDirectory", path: "/tmp", errno: "ESTALE" } })
    }).pipe(Effect.provide(faulty(Faults.every("true", Faults.fail("ESTALE", { step: "cwd" })))))
  )

  it.effect("lets a start wait", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(quick, { startImmediately: true })
      yield* TestClock.adjust("59 minutes")
      expect(yield* Nursery.processes).toEqual([])
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 minutes")
      expect(yield* Fiber.join(fiber)).toEqual(fine)
    }).pipe(Effect.provide(faulty(Faults.every("true", Faults.delay("1 hour")))))
  )

  it.effect("starts nothing where a start was interrupted while it waited", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(quick, { startImmediately: true })
      yield* TestClock.adjust("59 minutes")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      expect(yield* Nursery.processes).toEqual([])
    }).pipe(Effect.provide(faulty(Faults.every("true", Faults.delay("1 hour")))))
  )

  it.effect("loses a start", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(quick)).toBeInstanceOf(KeeperLost)
      expect(yield* quick).toEqual(fine)
    }).pipe(Effect.provide(faulty(Faults.nth(1, Faults.lose()))))
  )

  it.effect("stands before simulated processes too", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(Process.exitStatus(Command.make("job")))).toBeInstanceOf(KeeperLost)
      const late = yield* Effect.forkChild(Process.exitStatus(Command.make("job")), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(late)).toEqual(ExitStatus.exited(4))
    }).pipe(
      Effect.provide(
        Faults.layer(Faults.nth(1, Faults.lose()), Faults.nth(2, Faults.delay("5 seconds"))).pipe(
          Layer.provide(TestNursery.layer({ job: Program.exits(4) }))
        )
      )
    )
  )
})

describe("the helpers of a real nursery", () => {
  it.live("the keeper is killed: its processes are lost, and later ones start", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sleeper)
      expect(yield* Faults.killKeeper(process.pid)).toBe(true)
      expect(yield* Effect.flip(process.exit)).toMatchObject({ helper: "keeper" })
      yield* process.ended
      expect(yield* quick).toEqual(fine)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Nursery.layer)))
  )

  it.live("a reaper is killed: its process is lost, and no other", () =>
    Effect.gen(function* () {
      const [one, other] = yield* Effect.all([Process.spawn(sleeper), Process.spawn(sleeper)])
      expect(yield* Faults.killReaper(one.pid)).toBe(true)
      expect(yield* Effect.flip(one.exit)).toMatchObject({ helper: "reaper" })
      expect(yield* other.isRunning).toBe(true)
      expect((yield* other.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Nursery.layer)))
  )

  it.live("the guard is killed: what runs goes on", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sleeper)
      expect(yield* Faults.killGuard(process.pid)).toBe(true)
      expect(yield* quick).toEqual(fine)
      expect((yield* process.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Nursery.layer)))
  )

  it.live("are not found for a process that is not there, or has none", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("true"))
      yield* process.ended
      expect(yield* Faults.killKeeper(process.pid)).toBe(false)
      expect(yield* Faults.killReaper(globalThis.process.pid)).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Nursery.layer)))
  )

  it.effect("are not there for simulated processes", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(Command.make("job"))
      expect(yield* Faults.killKeeper(process.pid)).toBe(false)
      expect(yield* process.isRunning).toBe(true)
    }).pipe(Effect.provide(TestNursery.layer({ job: Program.runs })))
  )

  it.live("work below rules", () =>
    Effect.gen(function* () {
      const lost = yield* Deferred.make<unknown>()
      const process = yield* Process.spawn(sleeper)
      yield* Effect.forkChild(Effect.flatMap(Effect.flip(process.exit), (error) => Deferred.succeed(lost, error)))
      expect(yield* Faults.killKeeper(process.pid)).toBe(true)
      expect(yield* Deferred.await(lost)).toBeInstanceOf(KeeperLost)
    }).pipe(Effect.scoped, Effect.provide(faulty()))
  )
})
