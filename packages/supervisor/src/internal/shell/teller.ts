/**
 * Tells what happens in one supervisor: to the events of the tree, and to the metrics.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type { ChildEventBase, Status, SupervisorEvent } from "../../SupervisorEvent.ts"
import type { Entry } from "./entry.ts"
import type { Hub } from "./hub.ts"
import { Metrics } from "./observe.ts"

/** An event about a child without what all of them tell. */
type AboutChild<E = SupervisorEvent> = E extends ChildEventBase ? Omit<E, keyof ChildEventBase> : never

export class Teller {
  readonly metrics: Metrics
  readonly #hub: Hub
  readonly #path: ReadonlyArray<string>
  readonly #clock: Clock.Clock

  constructor(path: ReadonlyArray<string>, hub: Hub, context: Context.Context<never>) {
    this.#hub = hub
    this.metrics = new Metrics(path, context)
    this.#path = path
    this.#clock = Context.get(context, Clock.Clock)
  }

  /** Milliseconds since 1970. */
  get time(): number {
    return this.#clock.currentTimeMillisUnsafe()
  }

  /** Milliseconds that only ever grow. */
  get now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe()) / 1e6
  }

  child(entry: Entry, event: AboutChild, incarnation: number = entry.incarnation): void {
    this.#hub.publish({
      ...event,
      path: this.#path,
      child: entry.spec.name,
      incarnation,
      time: this.time,
      sequence: this.#hub.next()
    })
  }

  tree(_tag: "TreeReady" | "TreeStopping" | "TreeEnded"): void {
    this.#hub.publish({ _tag, path: this.#path, time: this.time, sequence: this.#hub.next() })
  }

  changed(entry: Entry, status: Status, incarnation: number): void {
    this.stands(entry, status, incarnation)
    this.child(entry, { _tag: "Changed", status }, incarnation)
  }

  stands(entry: Entry, status: Status, incarnation: number): void {
    this.metrics.stands(entry.told?.status, status)
    entry.told = { status, incarnation }
  }

  /** Its metrics do not count it any more. */
  gone(entry: Entry): void {
    this.metrics.stands(entry.told?.status, undefined)
  }
}
