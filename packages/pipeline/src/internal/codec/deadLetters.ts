/**
 * A Sink that gets what something else cannot use, while that goes on.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

export interface DeadLetters<in A, out E> {
  /** Waits while the Sink is slow. Fails with the Sink; one that is done gets no more. */
  readonly give: (letters: ReadonlyArray<A>) => Effect.Effect<void, E>
  /** There is no more: waits until the Sink is done. */
  readonly end: Effect.Effect<void, E>
}

// Enough to keep a Sink busy; who gives more waits.
const capacity = 64

/** Runs the Sink, until the scope closes. Where that is a success, it gets the time to take what it was given. */
export const open = <A, E, R>(
  sink: Sink.Sink<unknown, A, unknown, E, R>,
  scope: Scope.Scope
): Effect.Effect<DeadLetters<A, E>, never, R> =>
  Effect.gen(function* () {
    const queue = yield* Queue.bounded<A, Cause.Done>(capacity)
    const fiber = yield* Stream.fromQueue(queue).pipe(
      Stream.run(sink),
      // Those who wait to give something go on.
      Effect.onExit(() => Queue.shutdown(queue)),
      Effect.forkIn(scope)
    )
    const done = Effect.asVoid(Fiber.join(fiber))
    const check = Effect.suspend(() => {
      const exit = fiber.pollUnsafe()
      return exit !== undefined && Exit.isFailure(exit) ? Effect.asVoid(exit) : Effect.void
    })
    const end = Effect.andThen(Queue.end(queue), done)
    yield* Scope.addFinalizerExit(scope, (exit) =>
      Exit.isSuccess(exit) ? Effect.ignoreCause(end) : Fiber.interrupt(fiber)
    )
    return {
      give: (letters) => Effect.andThen(Queue.offerAll(queue, letters), check),
      end
    }
  })
