/**
 * A set of namespaces: how a process gets into it, and who is in it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Backend, NamespaceItem, NamespaceKind, SetupItem, Ticket } from "../backend.ts"

export const TypeId = "~@nursery/process/Namespace"

/** A process that was started in it. */
export interface Member {
  readonly close: () => Effect.Effect<void>
}

export class Value {
  readonly [TypeId]: typeof TypeId = TypeId
  /** Whose it is; `undefined`: anybody's. */
  readonly #backend: Backend | undefined
  /** What a process does to get in. */
  readonly items: ReadonlyArray<SetupItem>
  readonly #members = new Set<Member>()
  #isClosed = false

  constructor(backend: Backend | undefined, items: ReadonlyArray<SetupItem>) {
    this.#backend = backend
    this.items = items
  }

  /** Why nothing can be started in it by a backend. */
  refusal(backend: Backend): string | undefined {
    if (this.#isClosed) return "its scope has closed: make it in a scope that lives as long as what is started in it"
    if (this.#backend === undefined || this.#backend === backend) return undefined
    return "it belongs to another nursery: make it in the one that starts the process"
  }

  /** What a process does to get into these of them, nothing where none of them is here. */
  entering(kinds: ReadonlyArray<NamespaceKind>): ReadonlyArray<NamespaceItem> {
    return this.items.flatMap((item): ReadonlyArray<NamespaceItem> => {
      if (item.kind === "enterPath") return kinds.includes(item.namespace) ? [item] : []
      if (item.kind !== "enter") return []
      const namespaces = item.namespaces.filter((kind) => kinds.includes(kind))
      return namespaces.length === 0 ? [] : [{ ...item, namespaces }]
    })
  }

  /** Who a process becomes that is not mapped. */
  get identity(): ReadonlyArray<SetupItem> {
    return this.items.filter(({ kind }) => kind === "credentials")
  }

  /** A process that is in its namespace of a kind; where that is told by a path there is none. */
  insideOf(kind: NamespaceKind): Ticket | undefined {
    const item = this.items.find((each) => each.kind === "enter" && each.namespaces.includes(kind))
    return item?.kind === "enter" ? item.process : undefined
  }

  join(member: Member): void {
    this.#members.add(member)
  }

  leave(member: Member): void {
    this.#members.delete(member)
  }

  /** Lets nobody in any more, and ends those that are in it; returns when they are dead. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isClosed = true
      return Effect.forEach(this.#members, (member) => member.close(), { concurrency: "unbounded", discard: true })
    })
  }
}

export const isValue = (u: unknown): u is Value => typeof u === "object" && u !== null && TypeId in u
