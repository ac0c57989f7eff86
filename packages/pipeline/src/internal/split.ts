/**
 * One stream for several readers, and several streams for one.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import type * as Order from "effect/Order"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { BranchEnded } from "../PipelineError.ts"
import type { Run } from "./run.ts"
import { nothing, type Outflow, type Safe } from "./safe.ts"
import type { MergeOrder } from "./spec.ts"
import type { Stage } from "./stage.ts"

type Chunk = readonly [unknown, ...Array<unknown>]

/** How many chunks a reader may be behind the others. */
const ahead = 4

/** What one of the readers gets. */
class Reader implements Outflow {
  readonly queue: Queue.Queue<Chunk, Cause.Done>
  /** Whether it has all that it wants. */
  isClosed = false

  constructor(queue: Queue.Queue<Chunk, Cause.Done>) {
    this.queue = queue
  }

  get stream(): Safe {
    return Stream.fromQueue(this.queue).pipe(Stream.flattenArray, Stream.ensuring(this.giveUp))
  }

  readonly giveUp: Effect.Effect<void> = Effect.sync(() => {
    this.isClosed = true
    Queue.shutdownUnsafe(this.queue)
  })

  /** Waits while it is too far behind. */
  give(records: ReadonlyArray<unknown>): Effect.Effect<unknown> {
    const [first, ...others] = records
    return records.length === 0 ? Effect.void : Queue.offer(this.queue, [first, ...others])
  }
}

const readers = (count: number): Effect.Effect<ReadonlyArray<Reader>> =>
  Effect.map(Effect.all(Array.from({ length: count }, () => Queue.bounded<Chunk, Cause.Done>(ahead))), (queues) =>
    queues.map((queue) => new Reader(queue))
  )

const endAll = (all: ReadonlyArray<Reader>): Effect.Effect<void> =>
  Effect.forEach(all, ({ queue }) => Queue.end(queue), { discard: true })

/** The end of a loop that nobody listens to any more. */
const enough = "enough"

/** The same for two: the first one, when it has enough, is the end of both; the second one is not. */
export const tee = (run: Run, input: Safe): Effect.Effect<readonly [main: Outflow, copy: Outflow]> =>
  Effect.gen(function* () {
    const all = yield* readers(2)
    const [main, copy] = all
    if (main === undefined || copy === undefined) return [nothing, nothing]
    const pass = (chunk: ReadonlyArray<unknown>) =>
      Effect.suspend(
        (): Effect.Effect<unknown, typeof enough> =>
          main.isClosed
            ? Effect.fail(enough)
            : Effect.andThen(copy.isClosed ? Effect.void : copy.give(chunk), main.give(chunk))
      )
    const loop = Effect.ignore(Stream.runForEachArray(input, pass))
    yield* run.task(Effect.andThen(loop, endAll(all)))
    return [main, copy]
  })

/**
 * A number for a key. Whole numbers hash to themselves: keys often have a common factor, so all of their digits are to count, but those of
 * `n % ways` are to stay apart, and so are the two booleans.
 */
const wayOf = (key: unknown): number => {
  if (typeof key === "boolean") return Number(key)
  const hash = Hash.hash(key)
  return (hash ^ (hash >>> 3) ^ (hash >>> 6) ^ (hash >>> 12) ^ (hash >>> 24)) >>> 0
}

/** What the readers of {@link fanOut} get, and what is to be known of what comes out of them. */
export interface FanOut {
  readonly shares: ReadonlyArray<Outflow>
  /** What they give together: it has no end before everything has been given to them, and when it is closed they may end too. */
  readonly joined: (outflow: Outflow) => Outflow
}

/** Each record for one of them: in turn, or always the same for the same key. */
export const fanOut = (
  run: Run,
  stage: Stage,
  input: Safe,
  count: number,
  by: ((record: unknown) => unknown) | undefined
): Effect.Effect<FanOut> =>
  Effect.gen(function* () {
    const all = yield* readers(count)
    let isUnwanted = false
    let turn = 0
    const indexOf = (record: unknown): number => {
      if (by !== undefined) return wayOf(by(record)) % count
      turn = (turn + 1) % count
      return turn
    }
    const pass = (chunk: ReadonlyArray<unknown>) =>
      Effect.suspend(() => {
        const shares = all.map((): Array<unknown> => [])
        for (const record of chunk) shares[indexOf(record)]?.push(record)
        return Effect.forEach(
          all,
          (reader, index): Effect.Effect<unknown, BranchEnded | typeof enough> => {
            const share = shares[index] ?? []
            if (share.length === 0) return Effect.void
            return Effect.andThen(
              reader.give(share),
              // Also when it has ended while this waited.
              Effect.suspend((): Effect.Effect<void, BranchEnded | typeof enough> => {
                if (!reader.isClosed) return Effect.void
                return Effect.fail(isUnwanted ? enough : new BranchEnded({ branch: index }))
              })
            )
          },
          { discard: true }
        )
      })
    const loop = Stream.runForEachArray(input, pass).pipe(
      Effect.catchIf(
        (error) => error === enough,
        () => Effect.void
      ),
      Effect.catchCause((cause) => run.failStage(stage, cause))
    )
    const isGiven = Deferred.makeUnsafe<void>()
    yield* run.task(
      loop.pipe(Effect.andThen(endAll(all)), Effect.andThen(Deferred.succeed(isGiven, undefined)), Effect.asVoid)
    )
    const joined = ({ giveUp, stream }: Outflow): Outflow => {
      const closed = Effect.sync(() => {
        isUnwanted = true
      })
      const whole = Stream.concat(stream, Stream.fromEffectDrain(Deferred.await(isGiven)))
      return { stream: Stream.ensuring(whole, closed), giveUp: Effect.andThen(closed, giveUp) }
    }
    return { shares: all, joined }
  })

/** Several streams as one. Those whose turn has not come when that ends never get it. */
export const merge = (inputs: ReadonlyArray<Outflow | undefined>, order: MergeOrder): Outflow => {
  const all = inputs.filter((input) => input !== undefined)
  const giveUp = Effect.forEach(all, (input) => input.giveUp, { discard: true })
  const streams = all.map(({ stream }) => stream)
  return { stream: Stream.ensuring(inOrder(streams, order), giveUp), giveUp }
}

const inOrder = (inputs: ReadonlyArray<Safe>, order: MergeOrder): Safe => {
  if (order === "arrival") return Stream.mergeAll(inputs, { concurrency: "unbounded" })
  if (order === "sequence") return inputs.reduce((all, each) => Stream.concat(all, each), Stream.empty)
  return sorted(inputs, order)
}

/** One of the streams, which are in order each, and what has been read of it. */
interface Head {
  readonly pull: Pull.Pull<ReadonlyArray<unknown>>
  rest: ReadonlyArray<unknown>
  isDone: boolean
}

const fill = (head: Head): Effect.Effect<void> =>
  Pull.matchEffect(head.pull, {
    onSuccess: (chunk) =>
      Effect.sync(() => {
        head.rest = chunk
      }),
    onFailure: (cause) => Effect.failCause(cause),
    onDone: () =>
      Effect.sync(() => {
        head.isDone = true
      })
  })

/** The least of what the streams have next, again and again. */
const sorted = (inputs: ReadonlyArray<Safe>, order: Order.Order<unknown>): Safe =>
  Stream.unwrap(
    Effect.gen(function* () {
      const pulls = yield* Effect.forEach(inputs, (input) => Stream.toPull(input))
      const heads = pulls.map((pull): Head => ({ pull, rest: [], isDone: false }))
      const next = Effect.gen(function* () {
        const empty = heads.filter(({ isDone, rest }) => !isDone && rest.length === 0)
        yield* Effect.forEach(empty, fill, { concurrency: "unbounded", discard: true })
        const [first, ...others] = takeSorted(heads, order)
        return first === undefined
          ? yield* Cause.done()
          : ([first.record, ...others.map(({ record }) => record)] as const)
      })
      return Stream.fromPull(Effect.succeed(next))
    })
  )

/** As many as are known to be in order: until the first of the streams has to be asked again. */
const takeSorted = (heads: ReadonlyArray<Head>, order: Order.Order<unknown>): Array<{ readonly record: unknown }> => {
  const taken: Array<{ readonly record: unknown }> = []
  const positions = heads.map(() => 0)
  const has = (head: Head, index: number) => (positions[index] ?? 0) < head.rest.length
  while (heads.every((head, index) => has(head, index) || head.isDone)) {
    let least = -1
    for (const [index, head] of heads.entries()) {
      if (!has(head, index)) continue
      const other = heads[least]
      if (other === undefined || order(head.rest[positions[index] ?? 0], other.rest[positions[least] ?? 0]) < 0)
        least = index
    }
    const head = heads[least]
    if (head === undefined) break
    const position = positions[least] ?? 0
    taken.push({ record: head.rest[position] })
    positions[least] = position + 1
  }
  for (const [index, head] of heads.entries()) head.rest = head.rest.slice(positions[index])
  return taken
}
