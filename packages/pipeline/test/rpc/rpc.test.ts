/** Calls, streams, errors and interruptions, between a pool and workers on Effect. */

import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect } from "@effect/vitest"
import { WorkerPool } from "@nursery/pipeline"
import { Command, Fd, Process } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { folder, onKeeper } from "../support/setup.ts"
import { Numbers, TooLarge } from "./programs/group.ts"

const program = fileURLToPath(new URL("programs/worker.ts", import.meta.url))
const worker = Command.make(process.execPath, [program])

/** Waits until it is so. */
const until = (isSo: () => boolean) =>
  Effect.repeat(Effect.sync(isSo), { until: (so) => so, schedule: Schedule.spaced("2 millis") })

const wrote = (path: string, text: string) => until(() => existsSync(path) && readFileSync(path, "utf8") === text)

const serializations = [
  ["ndjson", RpcSerialization.layerNdjson],
  ["binary", RpcSerialization.layerSchemaBinary()],
  ["json-rpc", RpcSerialization.layerNdJsonRpc()]
] as const

onKeeper("a pool that serves an RpcGroup", (it) => {
  it.effect.each(serializations)("has all kinds of rpcs, in %s", ([name, serialization]) =>
    Effect.gen(function* () {
      const { client, delivery, status } = yield* WorkerPool.rpc(
        Command.make(process.execPath, [program, name]),
        Numbers,
        {
          size: 1,
          inFlight: 8
        }
      )
      expect(delivery).toBe("at-most-once")
      expect(yield* client.Square({ n: 12 })).toBe(144)
      expect(yield* Effect.flip(client.Square({ n: 1001 }))).toEqual(new TooLarge({ n: 1001 }))
      expect(yield* client.Later({ at: new Date(0), days: 2 })).toEqual(new Date(172_800_000))
      const numbers = yield* Stream.runCollect(client.Count({ to: 100, failing: false }))
      expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
      const some: Array<number> = []
      const failing = client.Count({ to: 25, failing: true })
      const failure = yield* Effect.flip(Stream.runForEach(failing, (n) => Effect.sync(() => void some.push(n))))
      expect([failure, some.length]).toEqual([new TooLarge({ n: 25 }), 25])
      // The defect of a handler is of its call alone.
      const [dead, square] = yield* Effect.all(
        [Effect.exit(client.Defect({ message: "oh" })), client.Square({ n: 3 })],
        { concurrency: 2 }
      )
      expect(Exit.isFailure(dead) && Cause.hasDies(dead.cause)).toBe(true)
      expect(square).toBe(9)
      // Who makes a call for each part of a stream does not wait for itself, nor for a part that is larger than it has room for.
      const squares = client.Count({ to: 30, failing: false }, { streamBufferSize: 1 }).pipe(
        Stream.mapEffect((n) => client.Square({ n })),
        Stream.runCollect
      )
      expect((yield* squares).slice(-2)).toEqual([841, 900])
      expect(yield* client.Square({ n: 1001 }, { discard: true })).toBeUndefined()
      expect(yield* status).toEqual({ workers: 1, running: 0, waiting: 0 })
    }).pipe(Effect.provide(serialization))
  )
})

onKeeper("a pool that serves an RpcGroup", (it) => {
  it.effect("interrupts handlers, lets no stream run ahead of who reads it, and replaces its workers", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const { client, status } = yield* WorkerPool.rpc(worker, Numbers, { size: 1, inFlight: 4 })
      const held = join(at, "held")
      const call = yield* Effect.forkChild(client.Hold({ path: held }))
      yield* wrote(held, "begun ")
      yield* Fiber.interrupt(call)
      yield* wrote(held, "begun interrupted")

      const endless = join(at, "endless")
      const reading = yield* Effect.forkChild(Stream.runForEach(client.Endless({ path: endless }), () => Effect.never))
      // The reader has up to 16 parts, as many are kept for it, and one waits to be kept: then the worker waits, with one more.
      yield* until(() => existsSync(endless) && statSync(endless).size >= 17)
      // Who does not read holds up nobody else.
      expect(yield* client.Square({ n: 4 })).toBe(16)
      expect(statSync(endless).size).toBeLessThanOrEqual(34)
      yield* Fiber.interrupt(reading)
      expect(yield* Stream.runCollect(Stream.take(client.Endless({ path: endless }), 3))).toEqual([1, 2, 3])
      yield* Effect.repeat(status, { until: ({ running }) => running === 0, schedule: Schedule.spaced("2 millis") })

      // One that ends is replaced, and so is one that cannot read what it is asked.
      const first = yield* client.Pid()
      const tooLarge = yield* Effect.flip(client.Defect({ message: "x".repeat(2 * 2 ** 20) }))
      expect(tooLarge.reason._tag).toBe("BadResponse")
      expect(tooLarge.message).toContain("maximum size of 1048576")
      const { attempts, reason } = yield* Effect.flip(client.Exit({ code: 7 }))
      expect(attempts).toBe(1)
      expect(reason).toMatchObject({ _tag: "WorkerExited", status: { _tag: "Exited", code: 7 } })
      expect(yield* client.Pid()).not.toBe(first)
    }).pipe(Effect.provide(RpcSerialization.layerNdjson))
  )
})

onKeeper("a worker that serves an RpcGroup", (it) => {
  it.effect("interrupts its handlers and ends when the pool has ended", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "held")
      const [ours, theirs] = yield* Fd.socketpair()
      const request = `{"_tag":"Request","id":1,"tag":"Hold","payload":{"path":"${path}"},"headers":[]}\n`
      const opened = yield* Deferred.make<void>()
      // The pair is this program's own when it is written to for the first time.
      yield* Stream.fromEffect(Effect.as(Deferred.succeed(opened, undefined), new TextEncoder().encode(request))).pipe(
        Stream.concat(Stream.drain(Stream.fromEffect(wrote(path, "begun ")))),
        Stream.run(Fd.writable(ours)),
        Effect.forkScoped
      )
      yield* Deferred.await(opened)
      const { exit } = yield* Process.spawn(Command.fds(worker, { 3: Fd.give(theirs) }))
      expect((yield* exit).status).toMatchObject({ _tag: "Exited", code: 0 })
      expect(readFileSync(path, "utf8")).toBe("begun interrupted")
    })
  )

  it.effect("says so where it has not been started by a pool", () =>
    Effect.gen(function* () {
      const stderr: unknown = expect.stringContaining("descriptor 3 is no socket")
      expect(yield* Effect.flip(Process.run(worker))).toMatchObject({ _tag: "ExitError", stderr })
    })
  )
})
