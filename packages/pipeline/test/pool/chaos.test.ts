/**
 * Workers are killed at random under load, and every record is accounted for: by its answer or its dead letter, and by what the workers
 * themselves have noted.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Codec, type DeadLetter, WorkerPool } from "@nursery/pipeline"
import { Nursery } from "@nursery/process"
import { Restart } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { isCampaign, make as makeRandom } from "../../../process/test/support/random.ts"
import { folder, onKeeper, sh } from "../support/setup.ts"

const rounds = isCampaign ? 100 : 3
const records = isCampaign ? 2000 : 400
const random = makeRandom("pool chaos")

/** Kills workers, one at once and then any now and then, as long as it is not interrupted. */
const killer = Effect.gen(function* () {
  let kills = 0
  while (true) {
    for (const { pid } of yield* Nursery.processes) {
      if (kills > 0 && random.below(3) > 0) continue
      yield* Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL")))
      kills++
    }
    yield* Effect.sleep(random.below(30))
  }
})

/** A worker that notes what it has done before it answers. */
const noting = (path: string) => sh(`while read -r n; do echo "$n" >> ${path}; echo "$n"; done`)

const restart = Restart.always({ schedule: Schedule.spaced("1 millis") })
const all = Array.from({ length: records }, (_, index) => `${index}`)
const count = (values: ReadonlyArray<string>) => new Set(values).size

onKeeper("a pool whose workers are killed at random", (it) => {
  it.effect.each(Array.from({ length: rounds }, (_, round) => round))("does nothing twice, in round %s", (round) =>
    Effect.gen(function* () {
      const path = join(yield* folder, "done")
      writeFileSync(path, "")
      const pool = yield* WorkerPool.make(noting(path), {
        request: Codec.lines(),
        response: Codec.lines(),
        size: 1 + random.below(4),
        inFlight: 1 + random.below(4),
        delivery: "at-most-once",
        restart
      })
      const letters: Array<DeadLetter<string>> = []
      const keep = (letter: DeadLetter<string>) => Effect.sync(() => void letters.push(letter))
      const death = yield* Effect.forkChild(killer)
      const answers = yield* Stream.fromArray(all).pipe(
        pool.through({ unordered: round % 2 === 0, deadLetters: Sink.forEach(keep) }),
        Stream.runCollect
      )
      yield* Fiber.interrupt(death)
      const dead = letters.map(({ request }) => request)
      // Each record is answered or dead, and never both.
      expect(answers.length + dead.length).toBe(records)
      expect(count([...answers, ...dead])).toBe(records)
      expect(letters.every(({ error }) => error.attempts === 1)).toBe(true)
      const done = readFileSync(path, "latin1").trim().split("\n")
      expect(count(done)).toBe(done.length)
      expect(answers.every((answer) => done.includes(answer))).toBe(true)
      if (round % 2 === 1) expect(answers).toEqual(all.filter((each) => !dead.includes(each)))
    })
  )

  it.effect.each(Array.from({ length: rounds }, (_, round) => round))("loses nothing, in round %s", (round) =>
    Effect.gen(function* () {
      const path = join(yield* folder, "done")
      writeFileSync(path, "")
      const pool = yield* WorkerPool.make(noting(path), {
        request: Codec.lines(),
        response: Codec.lines(),
        size: { min: 1, max: 1 + random.below(4), idle: "5 millis" },
        inFlight: 1 + random.below(16),
        retry: Schedule.spaced("1 millis"),
        restart
      })
      const death = yield* Effect.forkChild(killer)
      const answers = yield* Stream.fromArray(all).pipe(pool.through({ unordered: round % 2 === 0 }), Stream.runCollect)
      yield* Fiber.interrupt(death)
      // Each record is answered once, however often it was done.
      expect(answers.length).toBe(records)
      expect(count(answers)).toBe(records)
      expect(count(readFileSync(path, "latin1").trim().split("\n"))).toBe(records)
      if (round % 2 === 1) expect(answers).toEqual(all)
      expect(yield* pool.status).toMatchObject({ running: 0, waiting: 0 })
    })
  )
})
