/**
 * The service that processes are started in.
 *
 * A nursery has a family of native helpers (guard, keeper and reapers) which start every process, wait for it, and end
 * everything when the nursery closes or this program dies, however it dies. What exactly is promised here and now is in
 * {@link guarantees}.
 *
 * **Gotchas**
 *
 * - The helpers are a child of this program: one that waits for "any child" by means of its own would take their status away.
 * - A process that was released (`unref` of the drop-in spawner) is exempt: it outlives the nursery.
 * - Durations given to the helpers are measured by them, outside of the event loop and of `TestClock`.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Backend } from "./Backend.ts"
import type { Guarantees } from "./internal/guarantees.ts"
import * as Internal from "./internal/nursery.ts"
import type { NurseryEvent, NurseryInternal, ProcessInfo } from "./internal/registry.ts"
import * as Spawner from "./internal/spawner/spawner.ts"
import type { KeeperUnavailable } from "./ProcessError.ts"

export type { Guarantees, LevelGuarantee, SandboxGuarantee } from "./internal/guarantees.ts"
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

/**
 * How a nursery with a keeper behaves. Nothing of it has to be given.
 *
 * @category models
 */
export interface Options {
  /**
   * The most that the stop policy of any process gets once this program is dead, or the nursery closes. Default: 2 seconds.
   */
  readonly ownerDeathGrace?: Duration.Input | undefined
  /**
   * From asking for a process until its program runs; after that the spawn fails with `ResourcesExhausted`. It matters for programs on a
   * file system that hangs. Default: 10 seconds.
   */
  readonly spawnDeadline?: Duration.Input | undefined
  /** From SIGKILL until a process that does not die is reported as `Unkillable`. Default: 5 seconds. */
  readonly killDeadline?: Duration.Input | undefined
  /** How many reapers are kept ready for the next spawns. Default: 2. */
  readonly idleReapers?: number | undefined
  /** The path of the keeper's binary, in place of the one that `@nursery/keeper` finds. */
  readonly keeper?: string | undefined
}

/**
 * A nursery with a keeper, as {@link layer}, with options.
 *
 * **Example** (A longer time to end after this program's death)
 *
 * ```ts
 * import { Nursery } from "@nursery/process"
 *
 * const MyNursery = Nursery.layerWith({ ownerDeathGrace: "10 seconds" })
 * ```
 *
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<Nursery, KeeperUnavailable> =>
  Layer.effect(
    Nursery,
    Effect.map(Internal.withKeeper(options), (internal) => ({ internal }))
  )

/**
 * A nursery with a keeper: all that `docs/guarantees.md` promises.
 *
 * **Details**
 *
 * When the layer's scope closes, every process in it is ended by its stop policy (within `ownerDeathGrace`), and the close
 * returns when everything is dead and the helpers have left. Fails with `KeeperUnavailable` where the keeper is not built, is not for
 * this machine, or cannot be started; the message says what to do.
 *
 * @category layers
 */
export const layer: Layer.Layer<Nursery, KeeperUnavailable> = layerWith({})

/**
 * A nursery without a keeper, on `node:child_process`: for platforms that have no keeper. It promises less; {@link guarantees} says
 * what.
 *
 * @category layers
 */
export const layerPortable: Layer.Layer<Nursery> = Layer.effect(
  Nursery,
  Effect.map(Internal.portable, (internal) => ({ internal }))
)

/**
 * A nursery with a keeper where there is one, else without; then one warning is logged that says why and what is not promised.
 *
 * @category layers
 */
export const layerAuto: Layer.Layer<Nursery> = Layer.effect(
  Nursery,
  Internal.withKeeper({}).pipe(
    Effect.catch((error) =>
      Effect.gen(function* () {
        const internal = yield* Internal.portable
        const { limits } = internal.backend.guarantees()
        yield* Effect.logWarning(`${error.message}. Processes run without a keeper: ${limits.join("; ")}`)
        return internal
      })
    ),
    Effect.map((internal) => ({ internal }))
  )
)

/**
 * A nursery on a {@link Backend} of one's own: a simulation, or another backend with something changed ({@link backend} is that of
 * a nursery).
 *
 * **Details**
 *
 * `make` is run once, in the scope of the layer, and has to close in that scope what it makes.
 *
 * **Gotchas**
 *
 * The interface is stable for the packages of this project only.
 *
 * @category layers
 */
export const layerBackend = <E, R>(
  make: Effect.Effect<Backend, E, R>
): Layer.Layer<Nursery, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Nursery,
    Effect.map(Internal.withBackend(make), (internal) => ({ internal }))
  )

/**
 * What a nursery starts its processes by, for a {@link layerBackend} that wraps it.
 *
 * @category inspection
 */
export const backend: Effect.Effect<Backend, never, Nursery> = Nursery.use(({ internal }) =>
  Effect.succeed(internal.backend)
)

/**
 * Effect's own `ChildProcessSpawner` on a nursery: programs written against `effect/process` gain its guarantees.
 *
 * **Gotchas**
 *
 * `NodeServices.layer` contains a `ChildProcessSpawner` too: provide this one nearer to the program.
 *
 * @category layers
 */
export const layerChildProcessSpawner: Layer.Layer<ChildProcessSpawner.ChildProcessSpawner, never, Nursery> =
  Layer.effect(
    ChildProcessSpawner.ChildProcessSpawner,
    Nursery.use(({ internal }) => Effect.succeed(ChildProcessSpawner.make(Spawner.make(internal))))
  )

/**
 * What holds here and now, level by level, with the reason where something does not.
 *
 * **Details**
 *
 * Levels that need what the kernel, its settings or a container may forbid are tried, with a process that runs no program; once that
 * has worked, it is not done again.
 *
 * @category inspection
 */
export const guarantees: Effect.Effect<Guarantees, never, Nursery> = Nursery.use(({ internal: { backend } }) =>
  Effect.callback((resume) => {
    if (backend.probe === undefined) resume(Effect.succeed(backend.guarantees()))
    else backend.probe((found) => resume(Effect.succeed(found)))
  })
)

/**
 * Everything alive, oldest first: every process of whose tree something is left.
 *
 * @category inspection
 */
export const processes: Effect.Effect<ReadonlyArray<ProcessInfo>, never, Nursery> = Nursery.use(({ internal }) =>
  Effect.sync(() => internal.registry.processes())
)

/**
 * What happens in the nursery, from now on; ends when it is closed.
 *
 * **Gotchas**
 *
 * It never slows a spawn: a reader that is more than 1024 events behind loses the oldest of them.
 *
 * @category inspection
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

/**
 * Ends every process in the nursery by its stop policy (within `ownerDeathGrace`), and returns when all of them are dead. Later spawns
 * work: with a keeper, by a new family of helpers.
 *
 * @category operations
 */
export const closeAll: Effect.Effect<void, never, Nursery> = Nursery.use(({ internal }) =>
  Internal.closeAll(internal.backend)
)
