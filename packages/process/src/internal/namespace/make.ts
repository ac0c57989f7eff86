/**
 * Makes a set of namespaces. What keeps them in being is a process of the nursery that does nothing: it is started as any other is, so
 * that whatever ends a nursery ends it, and with the last process in them the kernel takes them away.
 *
 * @internal
 */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Options } from "../../Namespace.ts"
import { Nursery } from "../../Nursery.ts"
import { type KeeperLost, NamespaceSetup, Unsupported } from "../../ProcessError.ts"
import type {
  Backend,
  NamespaceItem,
  NamespaceKind,
  SetupItem,
  SpawnFailure,
  SpawnRequest,
  Ticket
} from "../backend.ts"
import { bareRequest } from "../bareRequest.ts"
import { problemOf } from "./explain.ts"
import * as Items from "./items.ts"
import * as Kinds from "./kinds.ts"
import * as Maps from "./maps.ts"
import { isValue, Value } from "./value.ts"

export type Failure = NamespaceSetup | Unsupported | KeeperLost

interface Holder {
  readonly ticket: Ticket
  readonly pid: number
  readonly gone: Promise<void>
}

/** The program of the keeper as a process of its own, which holds its namespaces and does nothing else, or is done at once. */
export const requestOf = (
  task: "hold" | "done",
  level: SpawnRequest["level"],
  setup: ReadonlyArray<NamespaceItem>
): SpawnRequest =>
  // Started by the keeper, which is its own program there.
  bareRequest("/proc/self/exe", [`nursery-${task}`, task], level, {
    fds: [0, 1, 2].map((target) => ({ target, kind: "null" })),
    setup
  })

const failureOf = (request: SpawnRequest, failure: SpawnFailure): NamespaceSetup =>
  new NamespaceSetup(problemOf(request, failure))

const hold = (backend: Backend, request: SpawnRequest): Effect.Effect<Holder, Failure> =>
  Effect.callback((resume) => {
    let goneBy: () => void = () => {}
    const gone = new Promise<void>((resolve) => {
      goneBy = resolve
    })
    const ticket = backend.spawn(request, {
      started: (pid) => resume(Effect.succeed({ ticket, pid, gone })),
      failed: (failure) => {
        goneBy()
        resume(Effect.fail(failureOf(request, failure)))
      },
      exited: () => {},
      ended: () => goneBy(),
      lost: (error) => resume(Effect.fail(error)),
      unkillable: () => goneBy()
    })
    // What is started in it keeps the program alive, not what holds it.
    ticket.unref()
    return Effect.andThen(
      Effect.sync(() => ticket.cancel()),
      Effect.promise(() => gone)
    )
  })

const release = ({ gone, ticket }: Holder): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sync(() => ticket.cancel()),
    Effect.promise(() => gone)
  )

/** A holder is told by its pid, which is its own as long as it has not ended. */
const enteringOf = ({ pid, ticket }: Holder): Effect.Effect<ReadonlyArray<NamespaceItem>, NamespaceSetup> =>
  entering(pid, ticket, "the holder of the namespaces was killed")

/** What a process does to get into the namespaces of another. */
export const entering = (
  pid: number,
  ticket: Ticket,
  otherwise: string
): Effect.Effect<ReadonlyArray<NamespaceItem>, NamespaceSetup> =>
  Effect.try({
    try: (): ReadonlyArray<NamespaceItem> => [{ kind: "enter", process: ticket, namespaces: Kinds.differing(pid) }],
    catch: () => new NamespaceSetup({ step: "enter", errno: "ESRCH", problem: otherwise })
  })

/** The one that starts processes by items of a setup. */
export const backendFor = (feature: string): Effect.Effect<Backend, Unsupported, Nursery> =>
  Effect.flatMap(Nursery, ({ internal: { backend } }) =>
    backend.guarantees().backend === "keeper"
      ? Effect.succeed(backend)
      : Effect.fail(new Unsupported({ feature, problem: "only the keeper (Nursery.layer) makes namespaces" }))
  )

/** How to get into the user namespace of another set, which the new ones are to belong to. */
const outerItems = (
  backend: Backend,
  { user }: Options
): Effect.Effect<ReadonlyArray<NamespaceItem>, NamespaceSetup> => {
  if (!isValue(user)) return Effect.succeed([])
  const refusal = user.refusal(backend)
  const items = user.entering(["user"])
  if (refusal === undefined && items.length > 0) return Effect.succeed(items)
  const problem = refusal ?? "the set given as `user` is in that of this program: make it with a user namespace"
  return Effect.fail(new NamespaceSetup({ namespace: "user", step: "enter", errno: "EINVAL", problem }))
}

/** In the user namespace of another set a process is who it is there. */
const identityOf = ({ user }: Options): ReadonlyArray<SetupItem> => {
  if (isValue(user)) return user.identity
  return Maps.isMaps(user) ? Maps.identity(user) : []
}

export const make = (options: Options): Effect.Effect<Value, Failure, Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    const backend = yield* backendFor("Namespace.make")
    const setup = yield* Effect.fromResult(Items.itemsOf(options))
    const outer = yield* outerItems(backend, options)
    const level = Items.kindsOf(options).includes("pid") ? "pid-namespace" : "tree"
    const request = requestOf("hold", level, [...outer, ...setup])
    const holder = yield* Effect.acquireRelease(hold(backend, request), release, { interruptible: true })
    if (Maps.isMaps(options.user)) {
      yield* Effect.onError(Maps.write(holder.pid, options.user), () => release(holder))
    }
    const entering = yield* enteringOf(holder)
    return yield* Effect.acquireRelease(
      Effect.sync(() => new Value(backend, [...entering, ...identityOf(options)])),
      (value) => value.close
    )
  })

/** In the order in which they have to be entered: the user namespace gives the right to the others. */
export const enteringPaths = (
  paths: {
    readonly [Kind in NamespaceKind]?: string | undefined
  }
): ReadonlyArray<NamespaceItem> =>
  Kinds.all.flatMap((namespace) => {
    const path = paths[namespace]
    return path === undefined ? [] : [{ kind: "enterPath", namespace, path: Path.resolve(path) } as const]
  })
