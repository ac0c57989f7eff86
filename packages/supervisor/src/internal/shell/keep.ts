/**
 * What a process hands over for its next life: kept from life to life of its child, and let go when that stays down.
 *
 * @internal
 */
import { Command, Fd, type Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ProcessSpec } from "../spec.ts"

export class Keep {
  #scope: Scope.Closeable | undefined
  #store: Fd.Store | undefined

  /** The command with the store of its child; one that brings its own has that. */
  readonly into = (
    command: Command.Command,
    { fdStoreMax }: ProcessSpec
  ): Effect.Effect<Command.Command, never, Nursery.Nursery> =>
    fdStoreMax === undefined || command.fdStore !== undefined
      ? Effect.succeed(command)
      : Effect.map(this.#of(fdStoreMax), (store) => Command.fdStore(command, store))

  /** Closes what is in it. The next life finds nothing. */
  empty(): void {
    const scope = this.#scope
    this.#scope = undefined
    this.#store = undefined
    if (scope !== undefined) Effect.runFork(Scope.close(scope, Exit.void))
  }

  #of(max: number): Effect.Effect<Fd.Store, never, Nursery.Nursery> {
    return Effect.suspend(() => {
      if (this.#store !== undefined) return Effect.succeed(this.#store)
      const scope = Scope.makeUnsafe()
      this.#scope = scope
      return Effect.map(Scope.provide(Fd.store({ max }), scope), (store) => {
        this.#store = store
        return store
      })
    })
  }
}
