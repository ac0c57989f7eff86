/**
 * The service that processes are started in: one family of helpers, one table of everything alive.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Guarantees } from "./internal/guarantees.ts"
import type { NurseryEvent, NurseryInternal, ProcessInfo } from "./internal/registry.ts"

export type { Guarantees, LevelGuarantee } from "./internal/guarantees.ts"
export type { NurseryEvent, ProcessInfo } from "./internal/registry.ts"

/**
 * The service. What it holds is not public: use the functions of this module.
 *
 * @category services
 */
export class Nursery extends Context.Service<
  Nursery,
  {
    /** @internal */
    readonly internal: NurseryInternal
  }
>()("@nursery/process/Nursery") {}

/** What holds here and now, level by level, with the reason where something does not. */
export const guarantees: Effect.Effect<Guarantees, never, Nursery> = Nursery.use(({ internal }) =>
  Effect.sync(() => internal.backend.guarantees())
)

/** Everything alive, oldest first: every process of which something is left. */
export const processes: Effect.Effect<ReadonlyArray<ProcessInfo>, never, Nursery> = Nursery.use(({ internal }) =>
  Effect.sync(() => internal.registry.processes())
)

/**
 * What happens in the nursery, from now on; ends when it is closed.
 *
 * **Gotchas**
 *
 * It never slows a spawn: a reader that is more than 1024 events behind loses the oldest ones.
 */
export const events: Stream.Stream<NurseryEvent, never, Nursery> = Stream.unwrap(
  Nursery.use(({ internal }) =>
    Effect.succeed(
      Stream.callback<NurseryEvent>(
        (queue) =>
          Effect.acquireRelease(
            Effect.sync(() =>
              internal.registry.listen({
                event: (event) => Queue.offerUnsafe(queue, event),
                end: () => Queue.endUnsafe(queue)
              })
            ),
            (remove) => Effect.sync(remove)
          ),
        { bufferSize: 1024, strategy: "sliding" }
      )
    )
  )
)
