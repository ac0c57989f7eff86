/**
 * A set of namespaces: how a process gets into it, and who is in it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Backend, NamespaceItem } from "../backend.ts"

export const TypeId = "~@nursery/process/Namespace"

/** A process that was started in it. */
export interface Member {
  readonly close: () => Effect.Effect<void>
}

export class Value {
  readonly [TypeId]: typeof TypeId = TypeId
  /** Whose it is; `undefined`: anybody's. */
  readonly #backend: Backend | undefined
  readonly items: ReadonlyArray<NamespaceItem>
  readonly #members = new Set<Member>()
  #isClosed = false

  constructor(backend: Backend | undefined, items: ReadonlyArray<NamespaceItem>) {
    this.#backend = backend
    this.items = items
  }

  /** Why nothing can be started in it by a backend. */
  refusal(backend: Backend): string | undefined {
    if (this.#isClosed) return "its scope has closed: make it in a scope that lives as long as what is started in it"
    if (this.#backend === undefined || this.#backend === backend) return undefined
    return "it belongs to another nursery: make it in the one that starts the process"
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
