/** Workers that end, hang, and write nonsense, and what becomes of the calls that they had. */

import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { InvalidPool, WorkerPool } from "@nursery/pipeline"
import { Command, Nursery, Process } from "@nursery/process"
import { GaveUp, Restart } from "@nursery/supervisor"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { folder, onKeeper, sh } from "../support/setup.ts"
import { Echoes, echo, once, serving } from "./programs/shell.ts"

const soon = Restart.always({ schedule: Schedule.spaced("1 millis") })
const again = { delivery: "at-least-once", restart: soon, retry: Schedule.spaced("1 millis") } as const
const ndjson = Effect.provide(RpcSerialization.layerNdjson)

/** Waits until it is so. */
const until = (isSo: Effect.Effect<boolean>) =>
  Effect.repeat(isSo, { until: (so) => so, schedule: Schedule.spaced("2 millis") })
const exists = (path: string) => until(Effect.sync(() => existsSync(path)))

onKeeper("a worker of rpcs", (it) => {
  const nonsense = [
    ["no JSON", "nonsense"],
    ["no message", "42"],
    ["a message that there is not", '{"_tag":"Hello"}'],
    ["an answer that nobody asked for", '{"_tag":"Exit","requestId":"x","exit":{"_tag":"Success","value":1}}'],
    ["a part of such an answer", '{"_tag":"Chunk","requestId":"x","values":[1]}'],
    ["a defect of no call", '{"_tag":"Defect","defect":"oh"}']
  ] as const
  it.effect.each(nonsense)("that writes %s is replaced, and its call fails", ([, text]) =>
    Effect.gen(function* () {
      const flag = join(yield* folder, "flag")
      const worker = serving(`${once(flag, `echo '${text}' >&3; sleep 1000`)}; answer "$n"`)
      const { client } = yield* WorkerPool.rpc(worker, Echoes, { size: 1, restart: soon })
      const { attempts, reason } = yield* Effect.flip(client.Echo({ n: 1 }))
      expect([attempts, reason._tag]).toEqual([1, "BadResponse"])
      expect(yield* client.Echo({ n: 2 })).toBe(2)
    }).pipe(ndjson)
  )

  it.effect("whose answer is not what the group says is a defect of that call, and goes on", () =>
    Effect.gen(function* () {
      const { client } = yield* WorkerPool.rpc(serving('[ "$n" = 1 ] && answer true || answer "$n"'), Echoes, {
        size: 1
      })
      const exit = yield* Effect.exit(client.Echo({ n: 1 }))
      expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
      expect(yield* client.Echo({ n: 2 })).toBe(2)
    }).pipe(ndjson)
  )

  it.effect("that writes a line without an end is killed, and nothing of it kept", () =>
    Effect.gen(function* () {
      const worker = sh("read -r line <&3; head -c 1000000000 /dev/zero >&3; sleep 1000")
      const { client } = yield* WorkerPool.rpc(worker, Echoes, { size: 1 })
      const before = process.memoryUsage().rss
      const { reason } = yield* Effect.flip(client.Echo({ n: 1 }))
      expect(reason._tag).toBe("BadResponse")
      expect(reason.message).toContain("maximum size of 1048576")
      expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000)
    }).pipe(Effect.provide(RpcSerialization.layerNdjsonWith({ maxBufferSize: 2 ** 20 })))
  )

  it.effect("that ends at once, or in the midst of an answer, is told of by its status", () =>
    Effect.gen(function* () {
      for (const [script, status] of [
        ["exit 3", { _tag: "Exited", code: 3 }],
        ['read -r line <&3; printf \'{"_tag":"Exit","requ\' >&3; kill -9 $$', { _tag: "Signaled", signal: "SIGKILL" }]
      ] as const) {
        const { client } = yield* WorkerPool.rpc(sh(script), Echoes, { size: 1, restart: soon })
        const { attempts, reason } = yield* Effect.flip(client.Echo({ n: 1 }))
        expect(attempts).toBe(1)
        expect(reason).toMatchObject({ _tag: "WorkerExited", status })
      }
    }).pipe(ndjson)
  )

  it.effect("that does not answer in time is killed, also in the midst of a stream", () =>
    Effect.gen(function* () {
      const silent = serving('part "$n"; sleep 1000')
      const { client } = yield* WorkerPool.rpc(silent, Echoes, { size: 1, restart: soon, timeout: "200 millis" })
      expect((yield* Effect.flip(Stream.runDrain(client.Parts({ n: 1 })))).reason._tag).toBe("RequestTimedOut")
      const deaf = yield* WorkerPool.rpc(sh("exec sleep 1000"), Echoes, { size: 1, timeout: "200 millis" })
      expect((yield* Effect.flip(deaf.client.Echo({ n: 1 }))).reason._tag).toBe("RequestTimedOut")
    }).pipe(ndjson)
  )
})

onKeeper("calls", (it) => {
  it.effect("are made again where that is asked for, each alone with its worker", () =>
    Effect.gen(function* () {
      // Ends at the number 13, whatever else it has.
      const worker = serving('[ "$n" = 13 ] && exit 13; answer "$n"')
      const { client, delivery } = yield* WorkerPool.rpc(worker, Echoes, {
        ...again,
        size: 2,
        retry: Schedule.recurs(2)
      })
      expect(delivery).toBe("at-least-once")
      const calls = Array.from({ length: 40 }, (_, n) => Effect.exit(client.Echo({ n })))
      const exits = yield* Effect.all(calls, { concurrency: "unbounded" })
      expect(exits.flatMap((exit, n) => (Exit.isSuccess(exit) && exit.value === n ? [] : [n]))).toEqual([13])
      const { attempts, reason } = yield* Effect.flip(client.Echo({ n: 13 }))
      expect(attempts).toBe(3)
      expect(reason).toMatchObject({ _tag: "WorkerExited", status: { _tag: "Exited", code: 13 } })
    }).pipe(ndjson)
  )

  it.effect("are made again beside a stream that never ends", () =>
    Effect.gen(function* () {
      const flag = join(yield* folder, "flag")
      const begin = 'printf \'{"_tag":"Chunk","requestId":%s,"values":[1]}\\n\' "$id" >&3; continue'
      const worker = serving(`case $line in *Parts*) ${begin} ;; esac; ${once(flag, "kill -9 $$")}; answer "$n"`)
      const retry = Schedule.spaced("300 millis")
      const { client } = yield* WorkerPool.rpc(worker, Echoes, { ...again, size: 1, inFlight: 4, retry })
      let parts = 0
      const reading = Stream.runForEach(client.Parts({ n: 1 }), () => Effect.sync(() => parts++))
      yield* Effect.forkChild(Effect.retry(reading, Schedule.forever))
      yield* until(Effect.sync(() => parts === 1))
      expect(yield* client.Echo({ n: 2 })).toBe(2)
      // The stream has been begun anew, and goes on.
      yield* until(Effect.sync(() => parts === 2))
    }).pipe(ndjson)
  )

  it.effect("are not made again when a part of the answer has been given", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const worker = serving(
        `${once(join(at, "before"), "kill -9 $$")}; part 1; ${once(join(at, "after"), "kill -9 $$")}; part 2; finish`
      )
      const { client } = yield* WorkerPool.rpc(worker, Echoes, { ...again, size: 1 })
      const parts: Array<number> = []
      const read = Stream.runForEach(client.Parts({ n: 1 }), (part) => Effect.sync(() => void parts.push(part)))
      const { attempts, reason } = yield* Effect.flip(read)
      expect([attempts, reason._tag, parts]).toEqual([2, "WorkerExited", [1]])
      expect(yield* Stream.runCollect(client.Parts({ n: 1 }))).toEqual([1, 2])
    }).pipe(ndjson)
  )

  it.effect("wait for a worker that has room, and reach none when they are interrupted before", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const [gate, log] = [join(at, "gate"), join(at, "log")]
      const worker = serving(`echo "$n" >> ${log}; until [ -e ${gate} ]; do sleep 0.01; done; answer "$n"`)
      const { client, status } = yield* WorkerPool.rpc(worker, Echoes, { size: 1 })
      const first = yield* Effect.forkChild(client.Echo({ n: 1 }))
      yield* exists(log)
      const second = yield* Effect.forkChild(client.Echo({ n: 2 }))
      const third = yield* Effect.forkChild(client.Echo({ n: 3 }))
      yield* until(Effect.map(status, ({ running, waiting }) => running === 1 && waiting === 2))
      yield* Fiber.interrupt(second)
      writeFileSync(gate, "")
      expect([yield* Fiber.join(first), yield* Fiber.join(third)]).toEqual([1, 3])
      expect(readFileSync(log, "utf8")).toBe("1\n3\n")
    }).pipe(ndjson)
  )

  it.effect("have as many workers as there is work for", () =>
    Effect.gen(function* () {
      const gate = join(yield* folder, "gate")
      const worker = serving(`until [ -e ${gate} ]; do sleep 0.01; done; answer "$n"`)
      const { client, status } = yield* WorkerPool.rpc(worker, Echoes, { size: { min: 0, max: 3, idle: "20 millis" } })
      const calls = [1, 2, 3, 4].map((n) => client.Echo({ n }))
      const answers = yield* Effect.forkChild(Effect.all(calls, { concurrency: "unbounded" }))
      yield* until(Effect.map(status, ({ running, waiting }) => running === 3 && waiting === 1))
      writeFileSync(gate, "")
      expect(yield* Fiber.join(answers)).toEqual([1, 2, 3, 4])
      yield* until(Effect.map(status, ({ workers }) => workers === 0))
    }).pipe(ndjson)
  )

  it.effect("fail when the pool ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { client, status } = yield* Scope.provide(WorkerPool.rpc(sh("exec sleep 1000"), Echoes, { size: 1 }), scope)
      const call = yield* Effect.forkChild(Effect.flip(client.Echo({ n: 1 })))
      const parts = yield* Effect.forkChild(Effect.flip(Stream.runDrain(client.Parts({ n: 1 }))))
      yield* until(Effect.map(status, ({ running, waiting }) => running === 1 && waiting === 1))
      yield* Scope.close(scope, Exit.void)
      expect((yield* Fiber.join(call)).reason._tag).toBe("PoolClosed")
      expect((yield* Fiber.join(parts)).reason._tag).toBe("PoolClosed")
    }).pipe(ndjson)
  )

  it.effect("that give a stream to a slow reader fail after what has been given", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const third = join(at, "third")
      const gate = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const worker = serving(`part 1; part 2; touch ${third}; part 3; part 4; finish`)
      const { client } = yield* Scope.provide(WorkerPool.rpc(worker, Echoes, { size: 1 }), scope)
      const parts: Array<number> = []
      const reading = client.Parts({ n: 1 }, { streamBufferSize: 1 }).pipe(
        Stream.runForEach((part) =>
          Effect.andThen(
            Effect.sync(() => parts.push(part)),
            Deferred.await(gate)
          )
        )
      )
      const fiber = yield* Effect.forkChild(Effect.flip(reading))
      yield* exists(third)
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(gate, undefined)
      expect((yield* Fiber.join(fiber)).reason._tag).toBe("PoolClosed")
      expect(parts).toEqual([1, 2, 3].slice(0, parts.length))
    }).pipe(ndjson)
  )

  it.effect("fail when it has given up", () =>
    Effect.gen(function* () {
      const { client, gaveUp } = yield* WorkerPool.rpc(sh("exit 3"), Echoes, { size: 1, restart: Restart.never() })
      expect(yield* Effect.flip(gaveUp)).toBeInstanceOf(GaveUp)
      expect((yield* Effect.flip(client.Echo({ n: 1 }))).reason._tag).toBe("PoolClosed")
    }).pipe(ndjson)
  )

  it.effect("need options that make sense, a program, and a serialization whose messages have an end", () =>
    Effect.gen(function* () {
      const invalid = Effect.flip(WorkerPool.rpc(echo, Echoes, { size: 0 }))
      expect(yield* invalid).toEqual(
        new InvalidPool({ option: "size", problem: "has to be an integer from 1 on, not 0" })
      )
      const unframed = Effect.flip(WorkerPool.rpc(echo, Echoes, { size: 1 }))
      expect((yield* Effect.provide(unframed, RpcSerialization.layerJson)).message).toContain(
        "serialization cannot be application/json"
      )
      const missing = Command.make("/no/such/program")
      expect(yield* Effect.flip(WorkerPool.rpc(missing, Echoes, { size: 1 }))).toBeInstanceOf(GaveUp)
      const portable = Effect.flip(WorkerPool.rpc(echo, Echoes, { size: 1 })).pipe(
        Effect.scoped,
        Effect.provide(Nursery.layerPortable)
      )
      expect((yield* portable).message).toContain("keeper")
    }).pipe(ndjson)
  )

  it.effect("leave no process behind", () =>
    Effect.gen(function* () {
      const { client } = yield* WorkerPool.rpc(echo, Echoes, { size: 2 }).pipe(
        Effect.tap(({ client }) => client.Echo({ n: 1 })),
        Effect.scoped
      )
      expect(yield* Nursery.processes).toEqual([])
      expect(Exit.isFailure(yield* Effect.exit(client.Echo({ n: 1 })))).toBe(true)
      yield* Process.run(Command.make("true"))
    }).pipe(ndjson)
  )
})
