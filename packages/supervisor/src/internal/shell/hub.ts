/**
 * Where everything that happens in a tree, and in the trees below it, is told.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SupervisorEvent } from "../../SupervisorEvent.ts"

/** How many events a slow listener may be behind before it loses the oldest. */
const capacity = 4096

/** How many past events a new listener gets first. */
const replay = 256

export class Hub {
  readonly #pubsub: PubSub.PubSub<SupervisorEvent>

  constructor(pubsub: PubSub.PubSub<SupervisorEvent>) {
    this.#pubsub = pubsub
  }

  publish(event: SupervisorEvent): void {
    PubSub.publishUnsafe(this.#pubsub, event)
  }

  end(): void {
    PubSub.endUnsafe(this.#pubsub)
  }

  get subscribe(): Effect.Effect<PubSub.Subscription<SupervisorEvent>, never, Scope.Scope> {
    return PubSub.subscribe(this.#pubsub)
  }

  /** The last events, then those to come; ends with the tree. */
  get events(): Stream.Stream<SupervisorEvent> {
    return Stream.fromPubSub(this.#pubsub)
  }
}

export const makePubSub = PubSub.sliding<SupervisorEvent>({ capacity, replay })
