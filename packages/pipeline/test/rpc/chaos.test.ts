/** Workers of rpcs are killed at random under load, and every call is accounted for: by what came of it, and by what the workers noted. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { RequestFailed, WorkerPool } from "@nursery/pipeline"
import { Nursery } from "@nursery/process"
import { Restart } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { isCampaign, make as makeRandom } from "../../../process/test/support/random.ts"
import { folder, onKeeper } from "../support/setup.ts"
import { Echoes, serving } from "./programs/shell.ts"

const rounds = Array.from({ length: isCampaign ? 100 : 2 }, (_, round) => round)
const calls = Array.from({ length: isCampaign ? 2000 : 300 }, (_, n) => n)
const random = makeRandom("rpc chaos")

/** Kills some workers now and then, but none anew before a call has come to its end: on any machine there is progress. */
const killer = (settled: () => number) =>
  Effect.gen(function* () {
    let seen = -1
    while (true) {
      if (settled() !== seen) {
        seen = settled()
        const processes = yield* Nursery.processes
        for (const { pid } of processes) {
          if (random.below(2) === 0) yield* Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL")))
        }
      }
      yield* Effect.sleep(random.below(30))
    }
  })

/** Makes many calls at a time, while workers are killed. */
const underFire = <A, E, R>(concurrency: number, call: (n: number) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    let settled = 0
    const death = yield* Effect.forkChild(killer(() => settled))
    const counted = (n: number) =>
      Effect.ensuring(
        call(n),
        Effect.sync(() => settled++)
      )
    const results = yield* Effect.forEach(calls, counted, { concurrency })
    yield* Fiber.interrupt(death)
    return results
  })

/** What the workers have noted before they did it. */
const numbersIn = (path: string) => readFileSync(path, "latin1").trim().split("\n").map(Number)
const notes = Effect.map(folder, (at) => {
  const path = join(at, "done")
  writeFileSync(path, "")
  return path
})

const restart = Restart.always({ schedule: Schedule.spaced("1 millis") })
const retry = Schedule.spaced("1 millis")

onKeeper("a pool that serves an RpcGroup, whose workers are killed at random", (it) => {
  it.effect.each(rounds)("does nothing twice, in round %s", () =>
    Effect.gen(function* () {
      const path = yield* notes
      const { client, status } = yield* WorkerPool.rpc(serving(`echo "$n" >> ${path}; answer "$n"`), Echoes, {
        size: 1 + random.below(4),
        inFlight: 1 + random.below(4),
        restart
      })
      const results = yield* underFire(16, (n) => Effect.result(client.Echo({ n })))
      const done = numbersIn(path)
      expect(new Set(done).size).toBe(done.length)
      for (const [n, result] of results.entries()) {
        if (Result.isSuccess(result)) expect([result.success, done.includes(n)]).toEqual([n, true])
        else {
          expect(result.failure).toBeInstanceOf(RequestFailed)
          expect(result.failure).toMatchObject({ attempts: 1, reason: { _tag: "WorkerExited" } })
        }
      }
      expect(yield* status).toMatchObject({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(RpcSerialization.layerNdjson))
  )

  it.effect.each(rounds)("loses nothing, in round %s", () =>
    Effect.gen(function* () {
      const path = yield* notes
      const { client, status } = yield* WorkerPool.rpc(serving(`echo "$n" >> ${path}; answer "$n"`), Echoes, {
        size: { min: 1, max: 1 + random.below(4), idle: "5 millis" },
        inFlight: 1 + random.below(16),
        delivery: "at-least-once",
        restart,
        retry
      })
      const answers = yield* underFire(32, (n) => client.Echo({ n }))
      expect(answers).toEqual(calls)
      expect(new Set(numbersIn(path)).size).toBe(calls.length)
      expect(yield* status).toMatchObject({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(RpcSerialization.layerNdjson))
  )

  it.effect.each(rounds)("gives each part of a stream once, and in order, in round %s", () =>
    Effect.gen(function* () {
      const worker = serving('part "$n"; part $((n + 1)); part $((n + 2)); finish')
      const size = 1 + random.below(4)
      const options = { size, inFlight: 1, delivery: "at-least-once", restart, retry } as const
      const { client, status } = yield* WorkerPool.rpc(worker, Echoes, options)
      const read = (n: number) =>
        Effect.gen(function* () {
          const parts: Array<number> = []
          const all = Stream.runForEach(client.Parts({ n }), (part) => Effect.sync(() => void parts.push(part)))
          const result = yield* Effect.result(all)
          const whole = [n, n + 1, n + 2]
          if (Result.isSuccess(result)) expect(parts).toEqual(whole)
          else {
            // What had been given could not be asked for again.
            expect(parts.length).toBeGreaterThan(0)
            expect(parts).toEqual(whole.slice(0, parts.length))
            expect(result.failure).toMatchObject({ _tag: "RequestFailed", reason: { _tag: "WorkerExited" } })
          }
        })
      yield* underFire(16, read)
      expect(yield* status).toMatchObject({ running: 0, waiting: 0 })
    }).pipe(Effect.provide(RpcSerialization.layerNdjson))
  )
})
