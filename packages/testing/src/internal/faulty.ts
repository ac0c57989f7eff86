/**
 * A backend that has something done to its spawns before they reach another one.
 *
 * @internal
 */
import { constants } from "node:os"
import type { KeeperLost } from "@nursery/process"
import type {
  Backend,
  Below,
  Observer,
  RawUsage,
  Reach,
  SpawnFailure,
  SpawnRequest,
  StopPolicy,
  Ticket
} from "@nursery/process/Backend"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** What is done to one spawn. */
export type Treatment =
  | { readonly _tag: "Fail"; readonly failure: SpawnFailure }
  | { readonly _tag: "Lose"; readonly error: KeeperLost }
  | { readonly _tag: "Delay"; readonly duration: Duration.Input }
  | { readonly _tag: "Mute"; readonly drops: (text: string) => boolean }

const { ECANCELED, ESRCH } = constants.errno

const canceled: SpawnFailure = { step: "request", errno: ECANCELED, target: -1 }

type Run = (effect: Effect.Effect<void>) => Fiber.Fiber<void>

/** A spawn that waits, and then is asked for, or never is. */
class Treated implements Ticket {
  readonly #run: Run
  readonly #observer: Observer
  readonly #waiting: Fiber.Fiber<void>
  #inner: Ticket | undefined
  #isReferenced = true
  #isOver = false

  /** `begin` asks for the process, or tells the observer why not. */
  constructor(run: Run, observer: Observer, wait: Effect.Effect<void>, begin: () => Ticket | undefined) {
    this.#run = run
    this.#observer = observer
    this.#waiting = run(
      Effect.andThen(
        wait,
        Effect.sync(() => {
          this.#isOver = true
          this.#inner = begin()
          if (!this.#isReferenced) this.#inner?.unref()
        })
      )
    )
  }

  cancel(): void {
    this.#inner?.cancel()
    if (this.#isOver) return
    this.#isOver = true
    this.#waiting.interruptUnsafe()
    this.#later(() => this.#observer.failed(canceled))
  }

  stop(policy: StopPolicy): void {
    if (this.#inner === undefined) this.cancel()
    else this.#inner.stop(policy)
  }

  signal(signal: number, reach: Reach, done: (errno: number) => void): void {
    if (this.#inner === undefined) this.#later(() => done(ESRCH))
    else this.#inner.signal(signal, reach, done)
  }

  release(done: (errno: number) => void): void {
    if (this.#inner === undefined) this.#later(() => done(ESRCH))
    else this.#inner.release(done)
  }

  retain(done: (errno: number) => void): void {
    if (this.#inner === undefined) this.#later(() => done(ESRCH))
    else this.#inner.retain(done)
  }

  ref(): void {
    this.#isReferenced = true
    this.#inner?.ref()
  }

  unref(): void {
    this.#isReferenced = false
    this.#inner?.unref()
  }

  usage(): RawUsage | undefined {
    return this.#inner?.usage?.()
  }

  descendants(): ReadonlyArray<Below> | undefined {
    return this.#inner?.descendants?.()
  }

  #later(f: () => void): void {
    this.#run(Effect.andThen(Effect.yieldNow, Effect.sync(f)))
  }
}

/** Hears of no notification that is dropped. */
const muted = (observer: Observer, drops: (text: string) => boolean): Observer => ({
  started: (pid, helper, fds) => observer.started(pid, helper, fds),
  failed: (failure) => observer.failed(failure),
  exited: (status, usage, isLast) => observer.exited(status, usage, isLast),
  ended: () => observer.ended(),
  lost: (error) => observer.lost(error),
  unkillable: (pids) => observer.unkillable(pids),
  notified: (notification) => {
    if (!drops(notification.text)) observer.notified?.(notification)
  }
})

/** `treat` is asked once for each spawn, in their order. */
export const make = (
  context: Context.Context<never>,
  inner: Backend,
  treat: (request: SpawnRequest) => Treatment | undefined
): Backend => {
  const run: Run = Effect.runForkWith(context)
  // No call of a backend may call its observer.
  const instead = (observer: Observer, tell: () => void): Ticket =>
    new Treated(run, observer, Effect.yieldNow, () => {
      tell()
      return undefined
    })
  return {
    guarantees: () => inner.guarantees(),
    pipe: inner.pipe,
    hold: inner.hold,
    ...(inner.probe === undefined ? undefined : { probe: inner.probe }),
    ...(inner.now === undefined ? undefined : { now: inner.now }),
    close: (done) => inner.close(done),
    spawn: (request, observer) => {
      const treatment = treat(request)
      switch (treatment?._tag) {
        case undefined:
          return inner.spawn(request, observer)
        case "Delay":
          return new Treated(run, observer, Effect.sleep(treatment.duration), () => inner.spawn(request, observer))
        case "Mute":
          return inner.spawn(request, muted(observer, treatment.drops))
        case "Fail":
          return instead(observer, () => observer.failed(treatment.failure))
        case "Lose":
          return instead(observer, () => {
            observer.lost(treatment.error)
            observer.ended()
          })
      }
    }
  }
}
