/**
 * Where everything that happens in a tree, and in the trees below it, is told.
 *
 * @internal
 */
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { SupervisorEvent } from "../../SupervisorEvent.ts"
import { publish } from "./sliding.ts"

/** How many events a slow listener may be behind before it loses the oldest. */
const capacity = 4096

/** How many past events a new listener gets first. */
const replay = 256

/** `undefined`: there will be no more. */
type Message = SupervisorEvent | undefined

export class Hub {
  readonly #pubsub: PubSub.PubSub<Message>
  #sequence = 0

  constructor(pubsub: PubSub.PubSub<Message>) {
    this.#pubsub = pubsub
  }

  /** Of the last event. */
  get sequence(): number {
    return this.#sequence
  }

  /** Of the event that is published next. */
  next(): number {
    return ++this.#sequence
  }

  publish(event: SupervisorEvent): void {
    publish(this.#pubsub, event)
  }

  end(): void {
    PubSub.endUnsafe(this.#pubsub, undefined)
  }

  /** The last events, then those to come; ends with the tree. */
  get events(): Stream.Stream<SupervisorEvent> {
    return Stream.takeWhile(Stream.fromPubSub(this.#pubsub), (message) => message !== undefined)
  }
}

export const makePubSub = PubSub.sliding<Message>({ capacity, replay })
