/**
 * A pool as a function from a stream of requests to one of answers.
 *
 * @internal
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import { EncodeError } from "../../CodecError.ts"
import { type DeadLetter, PoolClosed, RequestFailed } from "../../WorkerPoolError.ts"
import * as DeadLetters from "../codec/deadLetters.ts"
import { type Dispatcher, Entry, type Failure, type Outcome } from "./dispatcher.ts"

type Chunk<A> = Arr.NonEmptyReadonlyArray<A>

export interface ThroughPlan {
  readonly dispatcher: Dispatcher
  /** How many requests may be on their way, or wait for an earlier one. */
  readonly capacity: number
  readonly isOrdered: boolean
  /** A request as its Schema encodes it. */
  readonly encode: (request: unknown) => Effect.Effect<unknown, RequestFailed>
  readonly deadLetters: Sink.Sink<unknown, DeadLetter<unknown>, unknown, unknown, unknown> | undefined
}

/** A request on its way, and what has come of it. */
interface Cell {
  readonly request: unknown
  /** From 1 on. */
  readonly record: number
  entry: Entry | undefined
  outcome: Outcome | undefined
}

/** Whether it is known already. */
const isExit = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

const isNotEmpty = <A>(values: ReadonlyArray<A>): values is Chunk<A> => values.length > 0

/** Waits until something may have happened. */
class Sleeper {
  #resume: (() => void) | undefined

  get isAsleep(): boolean {
    return this.#resume !== undefined
  }

  /** Only once for all that happens in one turn. */
  wake(): void {
    const resume = this.#resume
    this.#resume = undefined
    if (resume !== undefined) queueMicrotask(resume)
  }

  sleep(isReady: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (isReady()) resume(Effect.void)
      else this.#resume = () => resume(Effect.void)
    })
  }
}

export const through = (
  plan: ThroughPlan
): Channel.Channel<Chunk<unknown>, unknown, unknown, Chunk<unknown>, unknown, unknown, unknown> =>
  Channel.fromTransform((upstream: Pull.Pull<Chunk<unknown>, unknown, unknown>, scope) =>
    Effect.gen(function* () {
      const { capacity, deadLetters, dispatcher, encode, isOrdered } = plan
      const letters = deadLetters === undefined ? undefined : yield* DeadLetters.open(deadLetters, scope)
      // Several at a time, not one after the other as each answer is taken.
      const low = capacity - Math.max(1, capacity >> 2)
      /** Those that have not been taken, in the order of the requests. */
      const cells = new Set<Cell>()
      let records = 0
      /** Those of them that have an outcome, in that order, where the order of the requests does not matter. */
      let settled: Array<Cell> = []
      /** How the stream ends when everything has been taken. */
      let last: Pull.Pull<never, unknown, unknown> | undefined
      let failure: RequestFailed | undefined
      const reader = new Sleeper()
      const feeder = new Sleeper()

      const head = (): Cell | undefined => cells.values().next().value

      const settle = (cell: Cell, outcome: Outcome): void => {
        cell.outcome = outcome
        if (!isOrdered) settled.push(cell)
        if (reader.isAsleep && (!isOrdered || head() === cell)) reader.wake()
      }

      const begin = (requests: ReadonlyArray<unknown>): Effect.Effect<void> =>
        Effect.gen(function* () {
          const entries: Array<Entry> = []
          for (const request of requests) {
            const cell: Cell = { request, record: ++records, entry: undefined, outcome: undefined }
            cells.add(cell)
            const encoding = encode(request)
            const exit = isExit(encoding) ? encoding : yield* Effect.exit(encoding)
            if (Exit.isFailure(exit)) settle(cell, failureOf(errorOf(exit)))
            else {
              cell.entry = new Entry(exit.value, (outcome) => settle(cell, outcome))
              entries.push(cell.entry)
            }
          }
          dispatcher.submit(entries)
        })

      const feed = (requests: Chunk<unknown>): Effect.Effect<void> =>
        Effect.gen(function* () {
          for (let start = 0; start < requests.length; ) {
            if (cells.size >= capacity) yield* feeder.sleep(() => cells.size <= low)
            const end = Math.min(requests.length, start + capacity - cells.size)
            yield* begin(requests.slice(start, end))
            start = end
          }
        })

      const done = (end: Pull.Pull<never, unknown, unknown>): Effect.Effect<void> =>
        Effect.sync(() => {
          last = letters === undefined ? end : Effect.andThen(letters.end, end)
          reader.wake()
        })

      /** What is there now. */
      const taken = (): readonly [ReadonlyArray<unknown>, ReadonlyArray<DeadLetter<unknown>>] => {
        const values: Array<unknown> = []
        const dead: Array<DeadLetter<unknown>> = []
        const from = isOrdered ? cells : settled
        settled = []
        for (const cell of from) {
          if (cell.outcome === undefined || failure !== undefined) break
          cells.delete(cell)
          if (cell.outcome._tag === "Answer") values.push(cell.outcome.value)
          else {
            const error = failedOf(cell.outcome, cell.record)
            if (letters === undefined || error.reason instanceof PoolClosed) failure = error
            else dead.push({ request: cell.request, error })
          }
        }
        if (cells.size <= low) feeder.wake()
        return [values, dead]
      }

      const isReady = (): boolean => {
        if (isOrdered ? head()?.outcome !== undefined : settled.length > 0) return true
        return last !== undefined && cells.size === 0
      }

      const pull: Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> = Effect.suspend(() => {
        if (failure !== undefined) return Effect.fail(failure)
        const [values, dead] = taken()
        const given = letters === undefined || dead.length === 0 ? undefined : letters.give(dead)
        const next = isNotEmpty(values) ? Effect.succeed(values) : later
        return given === undefined ? next : Effect.andThen(given, next)
      })

      const later: Pull.Pull<Chunk<unknown>, unknown, unknown, unknown> = Effect.suspend(() => {
        if (failure !== undefined || isReady()) {
          return failure === undefined && last !== undefined && cells.size === 0 && settled.length === 0 ? last : pull
        }
        return Effect.andThen(reader.sleep(isReady), pull)
      })

      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => {
          for (const { entry } of cells) if (entry !== undefined) dispatcher.cancel(entry)
        })
      )
      yield* Effect.flatMap(upstream, feed).pipe(
        Effect.forever({ disableYield: true }),
        Pull.matchEffect({
          onSuccess: () => Effect.void,
          onFailure: (cause) => done(Effect.failCause(cause)),
          onDone: (value) => done(Cause.done(value))
        }),
        Effect.forkIn(scope)
      )
      return pull
    })
  )

const failureOf = ({ attempts, reason }: RequestFailed): Failure => ({ _tag: "Failure", reason, attempts })

const errorOf = (exit: Exit.Failure<unknown, RequestFailed>): RequestFailed => {
  const [reason] = exit.cause.reasons
  if (reason?._tag !== "Fail") throw Cause.squash(exit.cause)
  return reason.error
}

/** The failure of a request that is the `record`th of its stream. */
const failedOf = ({ attempts, reason }: Failure, record: number): RequestFailed => {
  if (!(reason instanceof EncodeError)) return new RequestFailed({ reason, attempts })
  return new RequestFailed({
    reason: new EncodeError({ reason: reason.reason, format: reason.format, record }),
    attempts
  })
}

export const exitOf = (outcome: Outcome): Exit.Exit<unknown, RequestFailed> =>
  outcome._tag === "Answer" ? Exit.succeed(outcome.value) : Exit.fail(failedOf(outcome, 1))
