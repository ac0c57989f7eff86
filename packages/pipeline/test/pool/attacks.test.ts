/** What a pool withstands: workers that do not keep to their part, requests that are none, and whoever goes away in the middle. */

import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Codec, type DeadLetter, Pipeline, WorkerPool } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Restart } from "@nursery/supervisor"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { folder, onEveryWay, onKeeper, sh } from "../support/setup.ts"

const numbers = { request: Schema.Int, response: Schema.Int } as const
const texts = { request: Codec.lines(), response: Codec.lines() } as const
const soon = Restart.always({ schedule: Schedule.spaced("1 millis") })
const once = { size: 1, restart: soon, delivery: "at-most-once" } as const

const echo = sh('while read -r line; do echo "$line"; done')
/** Answers when the file exists that it is told. */
const patient = sh('while read -r path; do until [ -e "$path" ]; do sleep 0.01; done; echo "$path"; done')

const until = (isSo: Effect.Effect<boolean>) =>
  Effect.repeat(isSo, { until: (so) => so, schedule: Schedule.spaced("2 millis") })

const lettersTo = <A>(letters: Array<DeadLetter<A>>) => {
  const keep = (letter: DeadLetter<A>) => Effect.sync(() => void letters.push(letter))
  return Sink.forEach(keep)
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

onEveryWay("a worker that does not keep to its part", (it) => {
  it.effect("has not answered with the beginning of an answer", () =>
    Effect.gen(function* () {
      const reasonOf = <A>(response: WorkerPool.Format<A, never, never>) =>
        Effect.gen(function* () {
          const worker = sh("read -r n; printf 12; kill -KILL $$")
          const pool = yield* WorkerPool.make(worker, { request: Schema.Int, response, ...once })
          return (yield* Effect.flip(pool.request(123))).reason
        })
      const killed = { _tag: "WorkerExited", status: { signal: "SIGKILL" } }
      expect(yield* reasonOf(Schema.Int)).toMatchObject(killed)
      expect(yield* reasonOf(Codec.lines())).toMatchObject(killed)
      expect(yield* reasonOf(Codec.lengthPrefixed(Schema.Int, { prefix: "uint8" }))).toMatchObject(killed)
    })
  )

  it.effect("is replaced when it answers before it is asked, or twice", () =>
    Effect.gen(function* () {
      const log = join(yield* folder, "log")
      const starts = Effect.sync(() => readFileSync(log, "latin1").split("\n").length - 1)
      const begin = `echo started >> ${log}; while read -r n; do echo $n`
      writeFileSync(log, "")
      yield* WorkerPool.make(sh(`echo 1; ${begin}; done`), { ...numbers, size: 1, restart: soon })
      yield* until(Effect.map(starts, (count) => count > 3))
      writeFileSync(log, "")
      const twice = yield* WorkerPool.make(sh(`${begin}; echo $n; done`), { ...numbers, size: 1, restart: soon })
      expect(yield* twice.request(5)).toBe(5)
      yield* until(Effect.map(starts, (count) => count > 1))
    })
  )

  it.effect("is replaced when it closes its input and lives on", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("read -r n; exec <&-; echo $n; sleep 1000"), { ...numbers, ...once })
      expect(yield* pool.request(1)).toBe(1)
      expect((yield* Effect.flip(pool.request(2))).reason._tag).toBe("InputClosed")
      expect(yield* pool.request(3)).toBe(3)
    })
  )

  it.effect("may write to its stderr what it likes", () =>
    Effect.gen(function* () {
      const loud = sh("while read -r n; do head -c 10000000 /dev/zero >&2; echo $n; done")
      const pool = yield* WorkerPool.make(Command.stderr(loud, "pipe"), { ...numbers, size: 1 })
      expect(yield* Stream.range(1, 3).pipe(pool.through(), Stream.runCollect)).toEqual([1, 2, 3])
    })
  )

  it.effect("is ended by a line without an end, of which no more is held than may be", () =>
    Effect.gen(function* () {
      const endless = sh("read -r n; exec head -c 1000000000 /dev/zero 2>/dev/null")
      const pool = yield* WorkerPool.make(endless, { ...numbers, ...once })
      const before = process.memoryUsage().arrayBuffers
      const error = yield* Effect.flip(pool.request(1))
      expect(error.reason).toMatchObject({ _tag: "BadResponse", error: { reason: { _tag: "RecordTooLarge" } } })
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32_000_000)
    })
  )

  it.effect("fails its requests in time when it reads none of them", () =>
    Effect.gen(function* () {
      const letters: Array<DeadLetter<string>> = []
      const pool = yield* WorkerPool.make(sh("exec sleep 1000"), {
        ...texts,
        size: 2,
        restart: soon,
        timeout: "50 millis",
        retry: Schedule.recurs(1)
      })
      const requests = range(10).map((each) => `${each}`.repeat(50_000))
      const answers = yield* Stream.fromArray(requests).pipe(
        pool.through({ deadLetters: lettersTo(letters) }),
        Stream.runCollect
      )
      expect(answers).toEqual([])
      expect(letters.map(({ request }) => request)).toEqual(requests)
      for (const { error } of letters) {
        expect([error.attempts, error.reason._tag]).toEqual([2, "RequestTimedOut"])
      }
    })
  )

  it.effect("may end after each answer", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("read -r n; echo $n"), {
        ...numbers,
        size: 2,
        restart: soon,
        retry: Schedule.spaced("1 millis")
      })
      expect(yield* Stream.range(1, 40).pipe(pool.through(), Stream.runCollect)).toEqual(range(41).slice(1))
    })
  )

  it.effect("does not keep a pool from its beginning when all of them end at once", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("exit 7"), {
        ...numbers,
        size: 4,
        restart: soon,
        retry: Schedule.recurs(1)
      })
      const errors = yield* Effect.forEach(range(5), (n) => Effect.flip(pool.request(n)), { concurrency: "unbounded" })
      for (const { reason } of errors) expect(reason).toMatchObject({ _tag: "WorkerExited", status: { code: 7 } })
    })
  )

  it.effect("is killed when it ignores that it is to stop", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const stubborn = Command.make(
        "/bin/sh",
        ["-c", 'trap "" TERM; while read -r n; do echo $n; done; while :; do sleep 1; done'],
        {
          stop: { grace: "20 millis" }
        }
      )
      const pool = yield* Scope.provide(WorkerPool.make(stubborn, { ...numbers, size: 3 }), scope)
      expect(yield* pool.request(1)).toBe(1)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Nursery.processes).toEqual([])
    })
  )
})

onKeeper("requests that cannot be written", (it) => {
  it.effect("are told by their place, and harm no others", () =>
    Effect.gen(function* () {
      for (const batch of [undefined, 4]) {
        const letters: Array<DeadLetter<unknown>> = []
        const pool = yield* WorkerPool.make(echo, { request: Schema.Any, response: Schema.Json, size: 2, batch })
        const requests: ReadonlyArray<unknown> = [1, 2n, "three", undefined, { five: 5 }, () => 6, [7], { eight: 8n }]
        const answers = yield* Stream.fromArray(requests).pipe(
          pool.through({ deadLetters: lettersTo(letters) }),
          Stream.runCollect
        )
        expect(answers).toEqual([1, "three", { five: 5 }, [7]])
        for (const { error, request } of letters) {
          const record = requests.indexOf(request) + 1
          expect(error).toMatchObject({ attempts: 0, reason: { _tag: "EncodeError", record } })
        }
        expect(letters.map(({ request }) => requests.indexOf(request))).toEqual([1, 3, 5, 7])
      }
    })
  )

  it.effect("are told by their place where the Schema says no", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, { ...numbers, size: 2 })
      const answers: Array<number> = []
      const error = yield* Stream.make(1, 2, 3.5, 4).pipe(
        pool.through(),
        Stream.runForEach((n) => Effect.sync(() => void answers.push(n))),
        Effect.flip
      )
      expect(error.reason).toMatchObject({ _tag: "EncodeError", record: 3, reason: { _tag: "SchemaMismatch" } })
      expect(answers).toEqual([1, 2])
    })
  )
})

onKeeper("whoever goes away in the middle", (it) => {
  const bad = { ...texts, size: 1 } as const

  it.effect("is the sink of dead letters: its failure is that of the stream", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, bad)
      const refuse = () => Effect.fail("sink" as const)
      const error = yield* Stream.forever(Stream.make("a\nb")).pipe(
        pool.through({ deadLetters: Sink.forEach(refuse) }),
        Stream.runDrain,
        Effect.flip
      )
      expect(error).toBe("sink")
      expect(yield* pool.request("next")).toBe("next")
    })
  )

  it.effect("is the sink of dead letters: one that stalls holds the source back", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, bad)
      let pulled = 0
      let taken = 0
      const stall = () =>
        Effect.suspend(() => {
          taken++
          return Effect.never
        })
      const source = Stream.forever(
        Stream.sync(() => {
          pulled++
          return "a\nb"
        })
      )
      const fiber = yield* source.pipe(
        pool.through({
          deadLetters: Sink.forEach(stall)
        }),
        Stream.runDrain,
        Effect.forkChild
      )
      yield* until(Effect.sync(() => taken === 1))
      // It goes on until everything that holds something is full.
      let last = -1
      yield* until(
        Effect.sync(() => {
          const stands = last === pulled
          last = pulled
          return stands
        })
      )
      expect(pulled).toBeLessThan(200)
      yield* Fiber.interrupt(fiber)
      expect(yield* pool.request("next")).toBe("next")
    })
  )

  it.effect("is the source: what was asked before is answered", () =>
    Effect.gen(function* () {
      const gate = join(yield* folder, "gate")
      const pool = yield* WorkerPool.make(patient, { ...texts, size: 2, inFlight: 2 })
      const answers: Array<string> = []
      const fiber = yield* Stream.make(gate, gate, gate).pipe(
        Stream.concat(Stream.fail("source" as const)),
        pool.through(),
        Stream.runForEach((answer) => Effect.sync(() => void answers.push(answer))),
        Effect.flip,
        Effect.forkChild
      )
      yield* until(Effect.map(pool.status, ({ running }) => running === 3))
      writeFileSync(gate, "")
      expect([yield* Fiber.join(fiber), answers.length]).toEqual(["source", 3])
    })
  )

  it.effect("is the scope of the pool", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(WorkerPool.make(echo, { ...numbers, size: 3 }), scope)
      let answers = 0
      const fiber = yield* Stream.forever(Stream.range(1, 1000)).pipe(
        pool.through({ deadLetters: Sink.drain }),
        Stream.runForEach(() => Effect.sync(() => void answers++)),
        Effect.flip,
        Effect.forkChild
      )
      yield* until(Effect.sync(() => answers > 100))
      yield* Scope.close(scope, Exit.void)
      expect((yield* Fiber.join(fiber)).reason._tag).toBe("PoolClosed")
      expect(yield* Nursery.processes).toEqual([])
    })
  )

  it.effect("is what comes after it in a pipeline", () =>
    Effect.gen(function* () {
      const report = yield* Pipeline.fromStream(Stream.forever(Stream.range(1, 1000))).pipe(
        Pipeline.pool("echo", echo, { ...numbers, size: 2 }),
        Pipeline.encode("lines", Codec.ndjson(Schema.Int)),
        Pipeline.process("head", Command.stdout(Command.make("head", ["-n", "3"]), "null")),
        Pipeline.run
      )
      expect(report.stages.head).toMatchObject({ outcome: "succeeded" })
      expect(yield* Nursery.processes).toEqual([])
    })
  )
})

onKeeper("many requests", (it) => {
  it.effect("may have all the time that there is", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, {
        ...numbers,
        size: { max: 2, idle: Duration.infinity },
        timeout: Duration.infinity
      })
      expect(yield* Stream.range(1, 100).pipe(pool.through(), Stream.runCount)).toBe(100)
    })
  )

  it.effect("wait in their order, 10000 of them, each by itself", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, { ...numbers, size: 1 })
      const order: Array<number> = []
      const ask = (n: number) => Effect.tap(pool.request(n), () => Effect.sync(() => void order.push(n)))
      expect(yield* Effect.forEach(range(10_000), ask, { concurrency: "unbounded" })).toEqual(range(10_000))
      expect(order).toEqual(range(10_000))
    })
  )

  it.effect("that nobody wants any more are forgotten", () =>
    Effect.gen(function* () {
      const gate = join(yield* folder, "gate")
      const pool = yield* WorkerPool.make(patient, { ...texts, size: 1, inFlight: 1 })
      const first = yield* Effect.forkChild(pool.request(gate))
      yield* until(Effect.map(pool.status, ({ running }) => running === 1))
      const asked = yield* Effect.forEach(range(1000), () => Effect.forkChild(pool.request(gate)))
      const last = yield* Effect.forkChild(pool.request(gate))
      yield* until(Effect.map(pool.status, ({ waiting }) => waiting === 1001))
      yield* Fiber.interruptAll(asked)
      expect(yield* pool.status).toEqual({ workers: 1, running: 1, waiting: 1 })
      writeFileSync(gate, "")
      expect([yield* Fiber.join(first), yield* Fiber.join(last)]).toEqual([gate, gate])
    })
  )

  it.effect("leave room for others", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, { ...numbers, size: 1 })
      const fiber = yield* Stream.forever(Stream.make(0)).pipe(pool.through(), Stream.runDrain, Effect.forkChild)
      yield* until(Effect.map(pool.status, ({ running }) => running > 0))
      for (const n of [1, 2, 3]) expect(yield* pool.request(n)).toBe(n)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("all fail when the pool gives up", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("read -r n; exit 4"), {
        ...numbers,
        size: 2,
        retry: Schedule.forever,
        restart: Restart.always({ schedule: Schedule.recurs(3) })
      })
      const errors = yield* Effect.forEach(range(500), (n) => Effect.flip(pool.request(n)), {
        concurrency: "unbounded"
      })
      expect(new Set(errors.map(({ reason }) => reason._tag))).toEqual(new Set(["PoolClosed"]))
      expect(yield* Effect.flip(pool.gaveUp)).toMatchObject({ _tag: "GaveUp" })
    })
  )

  it.effect("have no more workers than there may be, though those that end take their time", () =>
    Effect.gen(function* () {
      const gate = join(yield* folder, "gate")
      const slow = Command.make(
        "/bin/sh",
        ["-c", 'trap "" TERM; while read -r p; do until [ -e "$p" ]; do sleep 0.01; done; echo "$p"; done'],
        {
          stop: { grace: "100 millis" }
        }
      )
      const pool = yield* WorkerPool.make(slow, { ...texts, size: { min: 0, max: 2, idle: "1 millis" }, inFlight: 1 })
      writeFileSync(gate, "")
      for (let round = 0; round < 5; round++) {
        const answers = yield* Effect.forEach([gate, gate, gate], pool.request, { concurrency: "unbounded" })
        expect(answers.length).toBe(3)
        expect((yield* Nursery.processes).length).toBeLessThanOrEqual(2)
      }
      yield* until(Effect.map(pool.status, ({ workers }) => workers === 0))
    })
  )
})
