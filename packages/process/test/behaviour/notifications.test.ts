/** What processes tell by sd_notify(3). */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Process from "../../src/Process.ts"
import { actor } from "../support/native.ts"
import * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"
import { leftOpen, onEveryWay, sh } from "./setup.ts"

const told = (process: Process.ProcessBase<unknown>, count: number) =>
  Stream.runCollect(Stream.take(process.notifications, count))

const fieldsOf = (messages: ReadonlyArray<Process.Notification>) => messages.map(({ fields }) => fields)

const notifying = Command.notify(true)

onEveryWay("notifications", (it, way) => {
  const lacks = way.lacks.has("notifications")

  it.effect("are none, and end at once, without the option", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("exec sleep 1000"))
      expect(yield* Stream.runCollect(process.notifications)).toEqual([])
    })
  )

  it.effect.skipIf(lacks)("say who has sent which variables, also before somebody listens", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        Command.make(
          actor(),
          ["notify", "READY=1\nSTATUS=it is up\nMAINPID=1", "notify", "X=y", "say", "sent", "sleep"],
          {
            env: stage.environment,
            notify: true
          }
        )
      )
      yield* stage.hears("sent")
      const from = { pid: process.pid, sender: "member", truncated: false }
      expect(yield* told(process, 2)).toEqual([
        { ...from, fields: { READY: "1", STATUS: "it is up", MAINPID: "1" } },
        { ...from, fields: { X: "y" } }
      ])
    })
  )

  it.effect.skipIf(lacks)("come from descendants too, and end with the last of them", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const play = stage.play(
        "fork { setsid fork { setsid barrier notify STATUS=late barrier } } notify READY=1 exit 3"
      )
      const process = yield* Process.spawn(play.pipe(notifying))
      const all = yield* Stream.runCollect(process.notifications)
      expect(all.map(({ fields }) => JSON.stringify(fields)).toSorted()).toEqual(['{"READY":"1"}', '{"STATUS":"late"}'])
      yield* process.ended
    })
  )

  it.effect.skipIf(lacks)("are all there when the exit is known", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      for (const level of ["tree", "group"] as const) {
        const play = stage.play("notify READY=1 notify STOPPING=1").pipe(notifying, Command.containment(level))
        const process = yield* Process.spawn(play)
        yield* process.exit
        expect(fieldsOf(yield* Stream.runCollect(process.notifications))).toEqual([{ READY: "1" }, { STOPPING: "1" }])
      }
    })
  )

  it.effect.skipIf(lacks)("of a stranger are told to be one's", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(
        sh("echo $NOTIFY_SOCKET; exec sleep 1000").pipe(notifying, Command.stdout("pipe"))
      )
      const name = yield* process.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.take(1), Stream.mkString)
      const other = yield* Process.spawn(stage.play("notify READY=1 sleep").pipe(Command.env({ NOTIFY_SOCKET: name })))
      expect(yield* told(process, 1)).toEqual([
        { pid: other.pid, sender: "stranger", fields: { READY: "1" }, truncated: false }
      ])
    })
  )

  it.effect.skipIf(lacks)("go to the process whose socket it is", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const spawn = (name: string) => Process.spawn(stage.play(`notify NAME=${name} sleep`).pipe(notifying))
      const processes = yield* Effect.forEach(["a", "b", "c"], spawn)
      const all = yield* Effect.forEach(processes, (process) => told(process, 1))
      expect(all.map(fieldsOf)).toEqual([[{ NAME: "a" }], [{ NAME: "b" }], [{ NAME: "c" }]])
    })
  )

  it.effect.skipIf(lacks)("go on for the next consumer where one has ended; a second one at a time dies", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("notify A=1 notify B=2 notify C=3 sleep").pipe(notifying))
      expect(fieldsOf(yield* told(process, 1))).toEqual([{ A: "1" }])
      expect(fieldsOf(yield* told(process, 2))).toEqual([{ B: "2" }, { C: "3" }])
      const reader = yield* Effect.forkChild(told(process, 1), { startImmediately: true })
      expect(String(yield* Effect.exit(told(process, 1)))).toContain("StreamInUse")
      yield* Fiber.interrupt(reader)
    })
  )

  it.effect.skipIf(lacks)("end with the scope for a reader outside of it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const reader = yield* Effect.scoped(
        Effect.gen(function* () {
          const process = yield* Process.spawn(stage.play("notify READY=1 sleep").pipe(notifying))
          yield* told(process, 1)
          return yield* Effect.forkDetach(Stream.runCollect(process.notifications), { startImmediately: true })
        })
      )
      expect(yield* Fiber.join(reader)).toEqual([])
    })
  )

  it.effect.skipIf(lacks)("end when the helpers are lost, after what was told before", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const process = yield* Process.spawn(stage.play("notify READY=1 barrier say sent sleep").pipe(notifying))
      yield* stage.hears("sent")
      const reaper = Proc.entryOf(process.pid)?.parent ?? 0
      Proc.kill(Proc.entryOf(reaper)?.parent ?? 0)
      expect(fieldsOf(yield* Stream.runCollect(process.notifications))).toEqual([{ READY: "1" }])
      expect(yield* Effect.flip(process.exit)).toMatchObject({ _tag: "KeeperLost" })
    }).pipe(Effect.provide(way.layer))
  )

  it.effect.skipIf(lacks)("keep no descriptor, and hold nobody up who waits for a barrier", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      // More than anybody keeps of it, and nobody reads it.
      const notes = Array.from({ length: 300 }, (_, index) => `notify STATUS=${index}`).join(" ")
      const run = Process.exitStatus(stage.play(`notify READY=1 ${notes} barrier`).pipe(notifying))
      expect(yield* leftOpen(run)).toEqual([])
      expect(stage.left()).toEqual([])
    })
  )

  it.effect.skipIf(lacks)("need nothing of the environment of this program", () =>
    Effect.gen(function* () {
      const variables = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] as const
      for (const name of variables) process.env[name] = "of this program"
      const script = 'echo "$NOTIFY_SOCKET|$WATCHDOG_PID|$WATCHDOG_USEC"'
      const inherited = yield* Process.string(sh(script))
      const own = yield* Process.string(sh(script).pipe(notifying, Command.env({ WATCHDOG_USEC: "5" })))
      for (const name of variables) delete process.env[name]
      expect(inherited).toBe("of this program|of this program|of this program\n")
      expect(own).toMatch(/^@nursery-notify-[0-9a-f]{32}\|\|5\n$/)
    })
  )
})
