/**
 * Keeps one use of a Sink open, for all that is to be written to it.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

export class Writer<E> {
  readonly #queue: Queue.Queue<Uint8Array, Cause.Done>
  /** The Sink is done: it takes no more. */
  readonly #done: Deferred.Deferred<void, E>

  private constructor(queue: Queue.Queue<Uint8Array, Cause.Done>, done: Deferred.Deferred<void, E>) {
    this.#queue = queue
    this.#done = done
  }

  static make<E, R>(
    sink: Sink.Sink<unknown, Uint8Array, unknown, E, R>
  ): Effect.Effect<Writer<E>, never, R | Scope.Scope> {
    return Effect.gen(function* () {
      const queue = yield* Queue.bounded<Uint8Array, Cause.Done>(1)
      const done = yield* Deferred.make<void, E>()
      const write = Effect.asVoid(Stream.run(Stream.fromQueue(queue), sink))
      yield* Effect.forkScoped(
        Effect.onExit(write, (exit) => Deferred.done(done, exit)),
        { startImmediately: true }
      )
      return new Writer(queue, done)
    })
  }

  send(bytes: Uint8Array): Effect.Effect<void, E> {
    return Effect.raceFirst(Deferred.await(this.#done), Effect.asVoid(Queue.offer(this.#queue, bytes)))
  }

  readonly end: Effect.Effect<void, E> = Effect.suspend(() =>
    Effect.andThen(Queue.end(this.#queue), Deferred.await(this.#done))
  )
}
