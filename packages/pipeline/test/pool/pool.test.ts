/** What a pool does with requests, workers that fail, and options that make no sense. */

import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "@effect/vitest"
import { Codec, type DeadLetter, InvalidPool, Pipeline, RequestFailed, WorkerPool } from "@nursery/pipeline"
import { Command, Nursery, Process } from "@nursery/process"
import { GaveUp, Restart } from "@nursery/supervisor"
import * as Cause from "effect/Cause"
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

/** Answers with what it was asked. */
const echo = sh('while read -r line; do echo "$line"; done')
/** Answers with the first line of the file that it is told. */
const reader = sh('while read -r path; do head -n 1 "$path"; done')
/** Answers when the file exists that it is told. */
const patient = sh('while read -r path; do until [ -e "$path" ]; do sleep 0.01; done; echo "$path"; done')
/** Ends at the number 13. */
const superstitious = sh('while read -r n; do [ "$n" = 13 ] && exit 13; echo "$n"; done')

const soon = Restart.always({ schedule: Schedule.spaced("1 millis") })

const fifo = (path: string) => Effect.asVoid(Process.run(Command.make("mkfifo", [path])))

/** Waits until it is so. */
const until = (isSo: Effect.Effect<boolean>) =>
  Effect.repeat(isSo, { until: (so) => so, schedule: Schedule.spaced("2 millis") })

const lettersTo = <A>(letters: Array<DeadLetter<A>>) => {
  const keep = (letter: DeadLetter<A>) => Effect.sync(() => void letters.push(letter))
  return Sink.forEach(keep)
}

onEveryWay("a pool of workers", (it) => {
  it.effect("answers requests, one by one and as a stream, in their order", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("while read -r n; do echo $((n * n)); done"), { ...numbers, size: 3 })
      expect(yield* pool.request(12)).toBe(144)
      const many = yield* Effect.forEach([1, 2, 3], pool.request, { concurrency: 3 })
      expect(many).toEqual([1, 4, 9])
      const squares = yield* Stream.range(1, 500).pipe(pool.through(), Stream.runCollect)
      expect(squares).toEqual(Array.from({ length: 500 }, (_, index) => (index + 1) ** 2))
      expect(yield* pool.status).toEqual({ workers: 3, running: 0, waiting: 0 })
    })
  )

  it.effect("ends a stream without requests, and one that is not read to its end", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, { ...numbers, size: 1 })
      expect(yield* Stream.empty.pipe(pool.through(), Stream.runCollect)).toEqual([])
      const some = Stream.range(1, 100_000).pipe(pool.through(), Stream.take(3), Stream.runCollect)
      expect(yield* some).toEqual([1, 2, 3])
      expect(yield* pool.request(7)).toBe(7)
    })
  )

  it.effect("passes on the failure of its source, after the answers to what came before", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, { ...numbers, size: 2 })
      const answers: Array<number> = []
      const error = yield* Stream.make(1, 2, 3).pipe(
        Stream.concat(Stream.fail("source" as const)),
        pool.through(),
        Stream.runForEach((n) => Effect.sync(() => void answers.push(n))),
        Effect.flip
      )
      expect([error, answers]).toEqual(["source", [1, 2, 3]])
    })
  )

  it.effect("keeps the order of the requests, or gives answers as they are there", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const [slow, quick] = [join(at, "slow"), join(at, "quick")]
      yield* fifo(slow)
      writeFileSync(quick, "quick\n")
      const pool = yield* WorkerPool.make(reader, { ...texts, size: 2, inFlight: 1 })
      for (const unordered of [true, false]) {
        const answers: Array<string> = []
        const fiber = yield* Stream.make(slow, quick, quick).pipe(
          pool.through({ unordered }),
          Stream.runForEach((answer) => Effect.sync(() => void answers.push(answer))),
          Effect.forkChild
        )
        if (unordered) {
          yield* until(Effect.sync(() => answers.length === 2))
          expect(answers).toEqual(["quick", "quick"])
        }
        yield* Effect.forkChild(Process.run(Command.make("sh", ["-c", `echo slow > ${slow}`])))
        yield* Fiber.join(fiber)
        expect(answers).toEqual(unordered ? ["quick", "quick", "slow"] : ["slow", "quick", "quick"])
      }
    })
  )

  it.effect("takes no more from its source than its workers have room for", () =>
    Effect.gen(function* () {
      const gate = join(yield* folder, "gate")
      let pulled = 0
      const source = Stream.forever(
        Stream.sync(() => {
          pulled++
          return gate
        })
      )
      const pool = yield* WorkerPool.make(patient, { ...texts, size: 2, inFlight: 3 })
      const fiber = yield* source.pipe(pool.through(), Stream.take(1), Stream.runDrain, Effect.forkChild)
      yield* until(Effect.map(pool.status, ({ running, waiting }) => running + waiting === 12))
      // One that waits for room is held beside those that the workers have, and as many again.
      expect(pulled).toBeLessThanOrEqual(13)
      writeFileSync(gate, "")
      yield* Fiber.join(fiber)
    })
  )

  it.effect("sends several requests as one record, where that is asked for", () =>
    Effect.gen(function* () {
      const log = join(yield* folder, "log")
      const logging = sh(`while read -r line; do echo "$line" >> ${log}; echo "$line"; done`)
      const pool = yield* WorkerPool.make(logging, { ...numbers, size: 1, batch: 4, inFlight: 1 })
      const answers = yield* Stream.range(1, 10).pipe(pool.through(), Stream.runCollect)
      expect(answers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      expect(readFileSync(log, "utf8")).toBe("[1,2,3,4]\n[5,6,7,8]\n[9,10]\n")
    })
  )

  it.effect("has as many workers as there is work for", () =>
    Effect.gen(function* () {
      const gate = join(yield* folder, "gate")
      const pool = yield* WorkerPool.make(patient, {
        ...texts,
        size: { min: 1, max: 3, idle: "20 millis" },
        inFlight: 1
      })
      expect((yield* pool.status).workers).toBe(1)
      const answers = yield* Effect.forkChild(
        Effect.forEach([gate, gate, gate, gate], pool.request, { concurrency: "unbounded" })
      )
      yield* until(Effect.map(pool.status, ({ running, waiting }) => running === 3 && waiting === 1))
      writeFileSync(gate, "")
      expect(yield* Fiber.join(answers)).toEqual([gate, gate, gate, gate])
      yield* until(Effect.map(pool.status, ({ workers }) => workers === 1))
      expect(yield* pool.request(gate)).toBe(gate)
    })
  )
})

onEveryWay("a worker that fails", (it) => {
  it.effect("is replaced, and its requests are tried again", () =>
    Effect.gen(function* () {
      const flag = join(yield* folder, "flag")
      const once = sh(`while read -r n; do mkdir ${flag} 2>/dev/null && exit 3; echo "$n"; done`)
      const pool = yield* WorkerPool.make(once, { ...numbers, size: 1, restart: soon })
      const answers = yield* Stream.range(1, 50).pipe(pool.through(), Stream.runCollect)
      expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
    })
  )

  it.effect("does not take other requests with it: only the one that it fails with is a dead letter", () =>
    Effect.gen(function* () {
      const letters: Array<DeadLetter<number>> = []
      const pool = yield* WorkerPool.make(superstitious, {
        ...numbers,
        size: 2,
        restart: soon,
        retry: Schedule.recurs(2)
      })
      const answers = yield* Stream.range(1, 60).pipe(
        pool.through({ deadLetters: lettersTo(letters) }),
        Stream.runCollect
      )
      expect(answers).toEqual(Array.from({ length: 60 }, (_, index) => index + 1).filter((n) => n !== 13))
      expect(letters.map(({ error, request }) => [request, error.attempts])).toEqual([[13, 3]])
      expect(letters[0]?.error.reason).toMatchObject({ _tag: "WorkerExited", status: { code: 13 } })
    })
  )

  it.effect("is the failure of the stream where there is no sink for dead letters", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(superstitious, {
        ...numbers,
        size: 1,
        restart: soon,
        retry: Schedule.recurs(1)
      })
      const answers: Array<number> = []
      const error = yield* Stream.make(1, 2, 13, 3).pipe(
        pool.through(),
        Stream.runForEach((n) => Effect.sync(() => void answers.push(n))),
        Effect.flip
      )
      expect(error.message).toBe(
        "a request has failed (2 attempts): the worker exited with code 13 before it had answered"
      )
      expect(answers).toEqual([1, 2])
    })
  )

  it.effect("says what it has written to its stderr", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(Command.stderr(sh("read -r n; echo no $n please >&2; exit 1"), "pipe"), {
        ...numbers,
        size: 1,
        delivery: "at-most-once"
      })
      const error = yield* Effect.flip(pool.request(8))
      expect(error.message).toContain("exited with code 1 before it had answered\nno 8 please")
    })
  )

  it.effect("has one request at a time where each is to be done once at most", () =>
    Effect.gen(function* () {
      const letters: Array<DeadLetter<number>> = []
      const pool = yield* WorkerPool.make(superstitious, {
        ...numbers,
        size: 1,
        restart: soon,
        delivery: "at-most-once"
      })
      const answers = yield* Stream.range(11, 15).pipe(
        pool.through({ deadLetters: lettersTo(letters) }),
        Stream.runCollect
      )
      expect(answers).toEqual([11, 12, 14, 15])
      expect(letters.map(({ error, request }) => [request, error.attempts])).toEqual([[13, 1]])
    })
  )

  it.effect("is killed when it does not answer in time", () =>
    Effect.gen(function* () {
      const sleepy = sh('while read -r n; do [ "$n" = 1 ] && sleep 1000; echo "$n"; done')
      const pool = yield* WorkerPool.make(sleepy, {
        ...numbers,
        size: 1,
        restart: soon,
        timeout: "500 millis",
        retry: Schedule.recurs(0)
      })
      const error = yield* Effect.flip(pool.request(1))
      expect(error.reason._tag).toBe("RequestTimedOut")
      // However slow the machine is, that one is answered in time at last.
      expect(yield* Effect.retry(pool.request(2), { times: 100 })).toBe(2)
    })
  )

  it.effect("is killed when it writes what is no answer, also where it goes on", () =>
    Effect.gen(function* () {
      const babbling = sh('while read -r n; do echo "number $n"; done')
      const options = { ...numbers, size: 1, restart: soon, delivery: "at-most-once" } as const
      const error = yield* Effect.flip((yield* WorkerPool.make(babbling, options)).request(1))
      expect(error.reason).toMatchObject({ _tag: "BadResponse", error: { reason: { _tag: "InvalidSyntax" } } })
      const batch = yield* WorkerPool.make(sh("while read -r n; do echo [1]; done"), { ...options, batch: 2 })
      const failed = yield* Stream.make(1, 2).pipe(batch.through(), Stream.runDrain, Effect.flip)
      expect(failed.message).toContain("the worker wrote 1 answers to 2 requests")
      const large = yield* WorkerPool.make(sh("read -r n; head -c 100000 /dev/zero; sleep 1000"), {
        ...options,
        maxRecordSize: "1 kB"
      })
      expect((yield* Effect.flip(large.request(1))).reason).toMatchObject({
        error: { reason: { _tag: "RecordTooLarge" } }
      })
    })
  )

  it.effect("is ended when it closes its output, or leaves it to a descendant", () =>
    Effect.gen(function* () {
      const options = { ...numbers, size: 1, restart: soon, delivery: "at-most-once" } as const
      for (const script of ["read -r n; exec >&-; sleep 1000", "read -r n; sleep 1000 & exit 5"]) {
        const error = yield* Effect.flip((yield* WorkerPool.make(sh(script), options)).request(1))
        expect(error.reason._tag).toBe("WorkerExited")
      }
    })
  )
})

onEveryWay("a pool that ends", (it) => {
  it.effect("fails what is asked of it, and leaves no worker", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(WorkerPool.make(sh("sleep 1000"), { ...numbers, size: 2 }), scope)
      const asked = yield* Effect.forkChild(Effect.flip(pool.request(1)))
      yield* until(Effect.map(pool.status, ({ running }) => running === 1))
      yield* Scope.close(scope, Exit.void)
      expect((yield* Fiber.join(asked)).reason._tag).toBe("PoolClosed")
      expect((yield* Effect.flip(pool.request(1))).message).toBe(
        "a request has failed: the pool of workers has been closed"
      )
      expect(yield* Nursery.processes).toEqual([])
    })
  )

  it.effect("cannot begin where the program does not exist", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(WorkerPool.make(Command.make("no-such-worker"), { ...numbers, size: 2 }))
      expect(error).toBeInstanceOf(GaveUp)
      expect(error.message).toContain("no such program on PATH")
    })
  )

  it.effect("gives up with a worker, by its restart policy", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("read -r n; exit 4"), {
        ...numbers,
        size: 1,
        retry: Schedule.forever,
        restart: Restart.always({ schedule: Schedule.recurs(2) })
      })
      const deadLetters = Sink.drain
      const error = yield* Stream.make(1).pipe(pool.through({ deadLetters }), Stream.runDrain, Effect.flip)
      expect(error).toBeInstanceOf(RequestFailed)
      expect(error.message).toContain("the pool of workers has given up")
      const gaveUp = yield* Effect.flip(pool.gaveUp)
      expect(gaveUp.exit).toMatchObject({ _tag: "Failed", error: { _tag: "WorkerExited", status: { code: 4 } } })
    })
  )
})

onEveryWay("requests that nobody wants any more", (it) => {
  it.effect("are not sent, and the answers to those that were are not mixed up", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const gate = join(at, "gate")
      yield* fifo(gate)
      const [never, wanted] = [join(at, "never"), join(at, "wanted")]
      writeFileSync(wanted, "wanted\n")
      const marking = sh(`while read -r path; do touch "$path.asked"; head -n 1 "$path"; done`)
      const pool = yield* WorkerPool.make(marking, { ...texts, size: 1, inFlight: 1 })
      const first = yield* Effect.forkChild(pool.request(gate))
      yield* until(Effect.map(pool.status, ({ running }) => running === 1))
      const second = yield* Effect.forkChild(pool.request(never))
      yield* until(Effect.map(pool.status, ({ waiting }) => waiting === 1))
      const third = yield* Effect.forkChild(pool.request(wanted))
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      yield* Effect.forkChild(Process.run(Command.make("sh", ["-c", `echo late > ${gate}`])))
      expect(yield* Fiber.join(third)).toBe("wanted")
      expect(existsSync(`${never}.asked`)).toBe(false)
    })
  )
})

onEveryWay("options that make no pool", (it) => {
  it.effect.each([
    ["no workers", { size: 0 }, "size has to be an integer from 1 on, not 0"],
    ["half a worker", { size: 1.5 }, "size has to be an integer from 1 on, not 1.5"],
    ["more than the most", { size: { min: 3, max: 2 } }, "size.min is 3, and size.max is 2"],
    ["nothing in flight", { size: 1, inFlight: 0 }, "inFlight has to be an integer from 1 on, not 0"],
    ["no time", { size: 1, timeout: 0 }, "timeout has to be a duration above zero"],
    ["less than no time", { size: 1, timeout: -5 }, "timeout has to be a duration above zero"],
    ["a time that is no number", { size: 1, timeout: Number.NaN }, "timeout has to be a duration above zero"],
    ["a size that is no number", { size: Number.NaN }, "size has to be an integer from 1 on, not NaN"],
    ["less than no workers", { size: -1 }, "size has to be an integer from 1 on, not -1"],
    ["workers without an end", { size: { max: Number.POSITIVE_INFINITY } }, "size has to be an integer from 1 on"],
    ["less than none at least", { size: { min: -1, max: 2 } }, "size.min has to be an integer from 0 on, not -1"],
    ["idle for no time", { size: { max: 2, idle: 0 } }, "size.idle has to be a duration above zero"],
    ["lists of nothing", { size: 1, batch: 0 }, "batch has to be an integer from 1 on, not 0"],
    ["answers of no size", { size: 1, maxRecordSize: 0 }, "maxRecordSize has to be a size above zero"],
    ["answers of a size below zero", { size: 1, maxRecordSize: -1 }, "maxRecordSize has to be a size above zero"],
    ["records without an end", { size: 1, response: Codec.jsonArray(Schema.Int) }, "response cannot be JSON array"],
    ["lists of a codec", { size: 1, batch: 2, request: Codec.ndjson(Schema.Int) }, "batch needs a Schema as request"]
  ] as const)("%s", ([, options, problem]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(WorkerPool.make(echo, { ...numbers, ...options }))
      expect(error).toBeInstanceOf(InvalidPool)
      expect(error.message).toContain(problem)
    })
  )

  it.effect("and requests that are none are refused without a worker", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(echo, { ...numbers, size: 1 })
      const error = yield* Effect.flip(pool.request(1.5))
      expect(error.reason).toMatchObject({ _tag: "EncodeError", reason: { _tag: "SchemaMismatch" } })
      const line = yield* WorkerPool.make(echo, { ...texts, size: 1 })
      const broken = yield* Effect.flip(line.request("a\nb"))
      expect(broken.reason).toMatchObject({ _tag: "EncodeError", reason: { _tag: "Unrepresentable" } })
      expect(yield* line.request("ab")).toBe("ab")
    })
  )
})

onKeeper("a pool over pairs of sockets", (it) => {
  it.effect("leaves stdin and stdout to the worker", () =>
    Effect.gen(function* () {
      const printing = Command.stdout(sh('while read -r n <&3; do echo "some words"; echo "$n" >&3; done'), "null")
      const pool = yield* WorkerPool.make(printing, { ...numbers, size: 2, transport: "socketpair" })
      const answers = yield* Stream.range(1, 100).pipe(pool.through(), Stream.runCollect)
      expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    })
  )

  it.effect("sees the end of a worker", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(sh("read -r n <&3; kill -KILL $$"), {
        ...numbers,
        size: 1,
        transport: "socketpair",
        restart: soon,
        retry: Schedule.recurs(1)
      })
      const exit = yield* Effect.exit(pool.request(1))
      const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : undefined
      expect(error).toMatchObject({ value: { attempts: 2, reason: { status: { signal: "SIGKILL" } } } })
    })
  )
})

onEveryWay("a pool as a stage of a pipeline", (it) => {
  it.effect("answers the records between other stages", () =>
    Effect.gen(function* () {
      const report = yield* Pipeline.from("seq", Command.make`seq 100`).pipe(
        Pipeline.decode("numbers", Codec.lines(Schema.NumberFromString)),
        Pipeline.pool("same", echo, { request: Schema.Finite, response: Schema.Finite, size: 2, unordered: true }),
        Pipeline.encode("lines", Codec.ndjson(Schema.Finite)),
        Pipeline.process("count", Command.stdout(Command.make`wc -l`, "null")),
        Pipeline.run
      )
      expect(report.stages.same).toMatchObject({ outcome: "succeeded", recordsIn: 100, recordsOut: 100 })
    })
  )

  it.effect("is what fails when its workers do", () =>
    Effect.gen(function* () {
      const error = yield* Pipeline.fromStream(Stream.make(12, 13)).pipe(
        Pipeline.pool("superstitious", superstitious, {
          ...numbers,
          size: 1,
          retry: Schedule.recurs(0),
          restart: soon
        }),
        Pipeline.collect,
        Effect.flip
      )
      expect(error).toMatchObject({ _tag: "StageFailed", stage: "superstitious", error: { _tag: "RequestFailed" } })
    })
  )
})
