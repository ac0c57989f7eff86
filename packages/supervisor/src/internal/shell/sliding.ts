/**
 * Publishing without an Effect to those of whom nobody is waited for.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"

/**
 * The oldest message goes where one listener is too slow. By itself `publishUnsafe` leaves out the newest one then, for all
 * listeners.
 */
export const publish = <A>(sliding: PubSub.PubSub<A>, message: A): void => {
  if (!PubSub.publishUnsafe(sliding, message)) Effect.runSync(PubSub.publish(sliding, message))
}
