/**
 * Descriptors that a process has handed over, for those that are started after it: the descriptor store of systemd.
 *
 * @internal
 */
import type * as Fd from "../../Fd.ts"
import type { Backend, RawNotification } from "../backend.ts"
import type { Held } from "../held.ts"
import { parse } from "../process/inbox.ts"
import { type Direction, type Kind, Slot } from "./slot.ts"
import { Value } from "./value.ts"

export const StoreTypeId = "~@nursery/process/Fd/Store"

export interface Stored {
  readonly name: string
  readonly fd: Value<Direction, Kind>
}

/** What systemd calls it where the process does not say. */
const unnamed = "stored"

export const isName = (name: string): boolean => /^[\x20-\x39\x3b-\x7e]{1,255}$/.test(name)

export class Store implements Fd.Store {
  readonly [StoreTypeId]: typeof StoreTypeId = StoreTypeId
  readonly backend: Backend
  readonly max: number
  #stored: Array<Stored> = []
  #isClosed = false

  constructor(backend: Backend, max: number) {
    this.backend = backend
    this.max = max
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** What is there for the next process; what a lost keeper held is not. */
  get stored(): ReadonlyArray<Stored> {
    this.#stored = this.#stored.filter(({ fd }) => fd.slot.held.lost === undefined)
    return this.#stored
  }

  /** A process of this store has told something. */
  told(notification: RawNotification): void {
    const { fields } = parse(notification)
    const given = fields["FDNAME"] ?? unnamed
    const name = isName(given) ? given : unnamed
    if (fields["FDSTOREREMOVE"] === "1" && notification.sender === "member") this.remove(name)
    for (const held of notification.stored ?? []) this.#add(name, held)
  }

  remove(name: string): void {
    const removed = this.#stored.filter((each) => each.name === name)
    this.#stored = this.#stored.filter((each) => each.name !== name)
    for (const { fd } of removed) fd.slot.close()
  }

  close(): void {
    this.#isClosed = true
    const all = this.#stored
    this.#stored = []
    for (const { fd } of all) fd.slot.close()
  }

  #add(name: string, held: Held): void {
    if (this.#isClosed || this.#stored.length >= this.max) {
      held.drop()
      return
    }
    const slot = new Slot(this.backend, held, 0, "message", "duplex", `the stored descriptor ${name}`)
    this.#stored.push({ name, fd: new Value(slot, "message", "duplex", false) })
  }
}

/** What is behind the public type: there is no other implementation of it. */
export const insideOf = (store: Fd.Store): Store => store as Store
