/**
 * The representation of a descriptor.
 *
 * @internal
 */
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import type { Direction, Kind, Slot } from "./slot.ts"

export const TypeId = "~@nursery/process/Fd"

export class Value<D extends Direction, K extends Kind> {
  readonly kind: K
  readonly direction: D
  readonly slot: Slot
  readonly isGift: boolean

  constructor(slot: Slot, kind: K, direction: D, isGift: boolean) {
    this.slot = slot
    this.kind = kind
    this.direction = direction
    this.isGift = isGift
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  toString(): string {
    return `Fd(${this.slot.name})`
  }

  toJSON(): object {
    return { _id: "Fd", kind: this.kind, direction: this.direction }
  }

  [NodeInspectSymbol](): string {
    return this.toString()
  }
}

export const isValue = (u: unknown): u is Value<Direction, Kind> => Predicate.hasProperty(u, TypeId)
