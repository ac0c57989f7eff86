/**
 * Makes and closes what a nursery consists of.
 *
 * @internal
 */
import { locate } from "@nursery/keeper"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KeeperUnavailable } from "../ProcessError.ts"
import type { Backend } from "./backend.ts"
import { KeeperClient } from "./keeper/client.ts"
import type { Tuning } from "./keeper/encoder.ts"
import { missing } from "./keeper/failures.ts"
import * as Portable from "./portable/backend.ts"
import { type NurseryInternal, Registry } from "./registry.ts"

/** What `Nursery.layerWith` takes. */
export interface KeeperOptions {
  readonly ownerDeathGrace?: Duration.Input | undefined
  readonly spawnDeadline?: Duration.Input | undefined
  readonly killDeadline?: Duration.Input | undefined
  readonly idleReapers?: number | undefined
  readonly keeper?: string | undefined
}

const tuningOf = (options: KeeperOptions): Tuning => ({
  readyDeadline: 5_000,
  ownerDeathGrace: Duration.toMillis(options.ownerDeathGrace ?? "2 seconds"),
  spawnDeadline: Duration.toMillis(options.spawnDeadline ?? "10 seconds"),
  killDeadline: Duration.toMillis(options.killDeadline ?? "5 seconds"),
  idleReapers: options.idleReapers ?? 2
})

/** Ends everything; returns when it is dead. */
export const closeAll = (backend: Backend): Effect.Effect<void> =>
  Effect.callback((resume) => backend.close(() => resume(Effect.void)))

const dispose = (client: KeeperClient): Effect.Effect<void> =>
  Effect.callback((resume) => client.dispose(() => resume(Effect.void)))

const open = (client: KeeperClient): Effect.Effect<KeeperClient, KeeperUnavailable> =>
  Effect.callback((resume) => {
    client.open((error) => resume(error === undefined ? Effect.succeed(client) : Effect.fail(error)))
    return dispose(client)
  })

const registryOf = Effect.acquireRelease(
  Effect.contextWith((context: Context.Context<never>) => Effect.sync(() => new Registry(context))),
  (registry) => Effect.sync(() => registry.close())
)

/** A nursery with a keeper. When the scope closes, everything ends, and the helpers have left when it has closed. */
export const withKeeper = (options: KeeperOptions): Effect.Effect<NurseryInternal, KeeperUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const located = options.keeper === undefined ? locate() : ({ _tag: "KeeperBinary", path: options.keeper } as const)
    if (located._tag === "KeeperMissing") return yield* Effect.fail(missing(located.reason, located.message))
    const registry = yield* registryOf
    const client = new KeeperClient({
      path: located.path,
      tuning: tuningOf(options),
      warn: (message) => registry.warn(message)
    })
    const backend = yield* Effect.acquireRelease(open(client), dispose, { interruptible: true })
    return { backend, registry }
  })

/** A nursery on a backend of somebody else, who closes it with the scope. */
export const withBackend = <E, R>(
  make: Effect.Effect<Backend, E, R>
): Effect.Effect<NurseryInternal, E, R | Scope.Scope> =>
  Effect.gen(function* () {
    const registry = yield* registryOf
    const backend = yield* make
    registry.measureBy(backend.now)
    return { backend, registry }
  })

/** A nursery on what the platform offers. */
export const portable: Effect.Effect<NurseryInternal, never, Scope.Scope> = Effect.gen(function* () {
  const registry = yield* registryOf
  const backend = yield* Effect.acquireRelease(Effect.sync(Portable.make), closeAll)
  return { backend, registry }
})
