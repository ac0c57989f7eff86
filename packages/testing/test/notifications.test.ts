/** What simulated processes tell by sd_notify(3), and how it gets lost. */
import { expect, it } from "@effect/vitest"
import { Command, ExitStatus, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Faults, Program, TestNursery } from "../src/index.ts"

const service = Command.make("service", [], { notify: true })

const programs = TestNursery.layer({
  service: Program.steps(
    Program.sleep("2 seconds"),
    Program.notify({ READY: 1, STATUS: "up" }),
    Program.fork(Program.notify({ MAINPID: 7 })),
    Effect.forever(Program.steps(Program.sleep("1 second"), Program.notify({ WATCHDOG: 1 })))
  ),
  brief: Program.notify({ READY: 1 }),
  asking: Effect.flatMap(Program.Self, ({ env }) =>
    Program.stdout(env["NOTIFY_SOCKET"] === undefined ? "none" : "one")
  ),
  long: Program.notify({ READY: 1, STATUS: "x".repeat(5000) })
})

it.effect("come when they are sent, of the process and its descendants", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(service)
    const fiber = yield* Effect.forkChild(Stream.runCollect(Stream.take(process.notifications, 3)))
    yield* TestClock.adjust("1999 millis")
    expect(fiber.pollUnsafe()).toBeUndefined()
    yield* TestClock.adjust("1001 millis")
    const from = { sender: "member", truncated: false }
    expect(yield* Fiber.join(fiber)).toEqual([
      { ...from, pid: 1000, fields: { READY: "1", STATUS: "up" } },
      { ...from, pid: 1001, fields: { MAINPID: "7" } },
      { ...from, pid: 1000, fields: { WATCHDOG: "1" } }
    ])
  }).pipe(Effect.provide(programs))
)

it.effect("stop while the process is stopped", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(service)
    let count = 0
    yield* Effect.forkChild(Stream.runForEach(process.notifications, () => Effect.sync(() => void count++)))
    yield* TestClock.adjust("4 seconds")
    expect(count).toBe(4)
    yield* process.signal("SIGSTOP")
    yield* TestClock.adjust("1 minute")
    expect(count).toBe(4)
  }).pipe(Effect.provide(programs))
)

it.effect("are there before the exit, and end with the process", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(Command.make("brief", [], { notify: true }))
    expect((yield* process.exit).status).toEqual(ExitStatus.exited(0))
    const all = yield* Stream.runCollect(process.notifications)
    expect(all.map(({ fields }) => fields)).toEqual([{ READY: "1" }])
  }).pipe(Effect.provide(programs))
)

it.effect("are not there without the option, nor is the socket", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(Command.make("brief"))
    expect(yield* Stream.runCollect(process.notifications)).toEqual([])
    const asking = Command.make("asking", [], { env: { NOTIFY_SOCKET: undefined } })
    expect(yield* Process.string(asking)).toBe("none")
    expect(yield* Process.string(Command.make("asking").pipe(Command.notify(true)))).toBe("one")
  }).pipe(Effect.provide(programs))
)

it.effect("lose their end where they are too long", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(Command.make("long", [], { notify: true }))
    const all = yield* Stream.runCollect(process.notifications)
    expect(all).toMatchObject([{ fields: { READY: "1" }, truncated: true }])
  }).pipe(Effect.provide(programs))
)

it.effect("of a stranger are told to be one's", () =>
  Effect.gen(function* () {
    const process = yield* Process.spawn(service)
    expect(yield* TestNursery.notify(process.pid, { READY: 1 })).toBe(true)
    expect(yield* TestNursery.notify(process.pid, { READY: 1 }, { sender: "gone", from: 77 })).toBe(true)
    expect(yield* TestNursery.notify(1, { READY: 1 })).toBe(false)
    const all = yield* Stream.runCollect(Stream.take(process.notifications, 2))
    expect(all).toMatchObject([
      { pid: 1, sender: "stranger" },
      { pid: 77, sender: "gone" }
    ])
  }).pipe(Effect.provide(programs))
)

it.effect("get lost, all of them or some", () =>
  Effect.gen(function* () {
    const silent = yield* Process.spawn(service)
    const frozen = yield* Process.spawn(service)
    const heard: Array<string> = []
    for (const [name, process] of [
      ["silent", silent],
      ["frozen", frozen]
    ] as const) {
      const note = ({ fields }: Process.Notification) =>
        Effect.sync(() => void heard.push(`${name} ${Object.keys(fields).join()}`))
      yield* Effect.forkChild(Stream.runForEach(process.notifications, note))
    }
    yield* TestClock.adjust("1 minute")
    expect(heard).toEqual(["frozen READY,STATUS", "frozen MAINPID"])
    expect((yield* silent.stop()).status).toEqual(ExitStatus.signaled("SIGTERM"))
    expect(yield* Nursery.processes).toMatchObject([{ pid: frozen.pid }])
  }).pipe(
    Effect.provide(
      Faults.layer(
        Faults.nth(1, Faults.dropNotifications()),
        Faults.nth(
          2,
          Faults.dropNotifications((text) => text.includes("WATCHDOG=1"))
        )
      ).pipe(Layer.provide(programs))
    )
  )
)
