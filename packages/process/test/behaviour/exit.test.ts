/** How processes end, and what is known of it. */
import { expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Command from "../../src/Command.ts"
import * as ExitStatus from "../../src/ExitStatus.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"
import { onEveryWay, sh, text } from "./setup.ts"

onEveryWay("exit", (it, way) => {
  const statuses: ReadonlyArray<readonly [script: string, status: ExitStatus.ExitStatus]> = [
    ["exit 0", ExitStatus.exited(0)],
    ["exit 1", ExitStatus.exited(1)],
    ["exit 255", ExitStatus.exited(255)],
    ["kill -TERM $$", ExitStatus.signaled("SIGTERM")],
    ["kill -KILL $$", ExitStatus.signaled("SIGKILL")],
    ["kill -USR1 $$", ExitStatus.signaled("SIGUSR1")],
    ["kill -PIPE $$", ExitStatus.signaled("SIGPIPE")]
  ]
  for (const [script, status] of statuses) {
    it.effect(`tells how ${script} ended`, () =>
      Effect.gen(function* () {
        const process = yield* Process.spawn(sh(script))
        expect((yield* process.exit).status).toEqual(status)
      })
    )
  }

  it.effect("tells of a real-time signal, where that can be told", () =>
    Effect.gen(function* () {
      const { status } = yield* (yield* Process.spawn(sh("kill -36 $$"))).exit
      expect(status).toEqual(
        way.lacks.has("realTimeSignals") ? ExitStatus.exited(0) : ExitStatus.signaled("SIGRTMIN+2")
      )
    })
  )

  it.effect("gives the same answer to whoever asks, however late", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("exit 7"))
      const early = yield* Effect.forkChild(process.exit, { startImmediately: true })
      yield* process.ended
      expect(yield* process.exit).toBe(yield* Fiber.join(early))
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(7))
      expect(yield* process.isRunning).toBe(false)
    })
  )

  it.effect("is not held up by a descendant that holds stdout", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("sleep 1000 & exit 3").pipe(Command.stdout("pipe")))
      expect((yield* process.exit).status).toEqual(ExitStatus.exited(3))
      // The scope ends the descendant, which nothing else does.
    })
  )

  const successes: ReadonlyArray<readonly [codes: ReadonlyArray<number>, code: number, isSuccess: boolean]> = [
    [[0], 0, true],
    [[0], 1, false],
    [[0, 1], 1, true],
    [[1], 0, false],
    [[], 0, false]
  ]
  for (const [codes, code, isSuccess] of successes) {
    it.effect(`takes ${code} as ${isSuccess ? "a success" : "a failure"} of ${JSON.stringify(codes)}`, () =>
      Effect.gen(function* () {
        const process = yield* Process.spawn(sh(`exit ${code}`).pipe(Command.successCodes(codes)))
        const result = yield* Effect.result(process.success)
        expect(result._tag).toBe(isSuccess ? "Success" : "Failure")
      })
    )
  }

  it.effect("puts the end of a piped stderr into the error, and leaves it in the stream", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("echo why >&2; exit 2").pipe(Command.stderr("pipe")))
      const error = yield* Effect.flip(process.success)
      expect(error).toMatchObject({
        _tag: "ExitError",
        status: ExitStatus.exited(2),
        stderr: "why\n",
        command: "/bin/sh -c 'echo why >&2; exit 2'"
      })
      expect(yield* text(process.stderr)).toBe("why\n")
    })
  )

  it.effect("keeps the last 8 KiB of stderr, whoever reads it", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("seq 100000 >&2; exit 1").pipe(Command.stderr("pipe")))
      const all = yield* text(process.stderr)
      const error = yield* Effect.flip(process.success)
      expect(all.length).toBeGreaterThan(500_000)
      expect(error._tag === "ExitError" ? error.stderr : "").toBe(all.slice(-8192))
    })
  )

  it.effect("counts what the process used", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"))
      const { usage } = yield* process.exit
      const cpu = Duration.toMillis(usage.userTime) + Duration.toMillis(usage.systemTime)
      if (way.lacks.has("usage")) expect(cpu).toBe(0)
      else {
        expect(cpu).toBeGreaterThan(0)
        // A shell, not the program that asked for it, which has hundreds of megabytes.
        expect(usage.maxResidentSet).toBeLessThan(50_000_000n)
        expect(usage.maxResidentSet).toBeGreaterThan(100_000n)
      }
      expect(yield* process.usage).toEqual(usage)
    })
  )

  it.effect("counts while the process runs", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("say up sleep"))
      yield* stage.hears("up")
      const usage = yield* process.usage
      expect(usage.minorFaults).toBeGreaterThan(0)
      expect(usage.maxResidentSet).toBeGreaterThan(100_000n)
    })
  )

  it.effect("sends signals, to the process alone or to its group", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage
          .play("fork { hold say child term say got sleep } hold say leader term say got wait")
          .pipe(Command.stop({ grace: 0 }))
      )
      yield* stage.hears("child", "leader")
      expect(yield* process.signal("SIGTERM")).toBe(true)
      expect(yield* stage.hears("got")).toEqual([process.pid])
      expect(yield* process.signal("SIGTERM", { to: "group" })).toBe(true)
      const [child = 0] = yield* stage.hears("got")
      expect(child).not.toBe(process.pid)
      expect(yield* process.isRunning).toBe(true)
    })
  )

  it.effect("says that there is nobody to get a signal", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("exit 0"))
      yield* process.ended
      expect(yield* process.signal("SIGTERM")).toBe(false)
      expect(yield* process.signal("SIGKILL", { to: "tree" })).toBe(false)
    })
  )

  it.effect("tells what descends from the process", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        stage.play("fork { fork { say deep sleep } say middle sleep } say top sleep")
      )
      const [deep, middle] = yield* stage.hears("deep", "middle", "top")
      const descendants = yield* process.descendants
      expect(descendants.map(({ name, parent, pid }) => ({ name, parent, pid }))).toEqual([
        { name: stage.mark, parent: process.pid, pid: middle },
        { name: stage.mark, parent: middle, pid: deep }
      ])
      for (const { age } of descendants) expect(Duration.toMillis(age)).toBeLessThan(60_000)
    })
  )

  it.effect("finds an orphan among the descendants", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("fork { fork { say orphan sleep } exit 0 } wait say alone sleep"))
      const [orphan] = yield* stage.hears("orphan", "alone")
      const descendants = yield* process.descendants
      expect(descendants.map(({ pid }) => pid)).toEqual(way.lacks.has("orphansInDescendants") ? [] : [orphan])
    })
  )

  it.effect("has no descendants when it has ended", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("exit 0"))
      yield* process.ended
      expect(yield* process.descendants).toEqual([])
    })
  )
})
