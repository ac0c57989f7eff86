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
import type { Backend, NamespaceItem, NamespaceKind, SpawnFailure, SpawnRequest, Ticket } from "../backend.ts"
import { problemOf } from "./explain.ts"
import * as Kinds from "./kinds.ts"
import { Value } from "./value.ts"

export type Failure = NamespaceSetup | Unsupported | KeeperLost

interface Holder {
  readonly ticket: Ticket
  readonly pid: number
  readonly gone: Promise<void>
}

const kindsOf = (options: Options): ReadonlyArray<NamespaceKind> =>
  Kinds.all.filter((kind) => options[kind] !== undefined && options[kind] !== false)

const mountItems = (options: Options): ReadonlyArray<NamespaceItem> => {
  if (options.mount === undefined || typeof options.mount === "boolean") return []
  const { bind = [], readOnly = [], temporary = [] } = options.mount
  return [
    ...bind.map(
      ({ from, readOnly, to }): NamespaceItem => ({
        kind: "mount",
        how: readOnly === true ? "bindReadOnly" : "bind",
        source: from,
        target: to
      })
    ),
    ...temporary.map((target): NamespaceItem => ({ kind: "mount", how: "tmpfs", source: "", target })),
    ...readOnly.map((target): NamespaceItem => ({ kind: "mount", how: "readOnly", source: "", target }))
  ]
}

/** What arranges the holder, in the order of the steps. */
export const itemsOf = (options: Options): ReadonlyArray<NamespaceItem> => {
  const isRoot = options.user === "root"
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  const hostname = typeof options.uts === "object" ? options.uts.hostname : undefined
  return [
    { kind: "namespaces", make: kindsOf(options), uid: isRoot ? 0 : own.uid, gid: isRoot ? 0 : own.gid },
    ...mountItems(options),
    ...(hostname === undefined ? [] : [{ kind: "hostname", name: hostname } as const]),
    ...(kindsOf(options).includes("network") ? [{ kind: "loopback" } as const] : [])
  ]
}

const requestOf = (options: Options, setup: ReadonlyArray<NamespaceItem>): SpawnRequest => ({
  // Started by the keeper, which is its own program there.
  program: "/proc/self/exe",
  argv: ["nursery-hold", "hold"],
  searchPath: "",
  cwd: "/",
  clearEnv: true,
  env: [],
  level: kindsOf(options).includes("pid") ? "pid-namespace" : "tree",
  session: "new",
  stop: { signal: 0, reach: "tree", grace: undefined, linger: undefined },
  umask: undefined,
  fds: [0, 1, 2].map((target) => ({ target, kind: "null" })),
  shellFallback: false,
  groupOnFailure: false,
  setup
})

const failureOf = (request: SpawnRequest, failure: SpawnFailure): NamespaceSetup =>
  new NamespaceSetup(problemOf(request, failure))

const hold = (backend: Backend, options: Options): Effect.Effect<Holder, Failure> =>
  Effect.callback((resume) => {
    const request = requestOf(options, itemsOf(options))
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

export const make = (options: Options): Effect.Effect<Value, Failure, Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    const { backend } = (yield* Nursery).internal
    if (backend.guarantees().backend !== "keeper") {
      return yield* Effect.fail(
        new Unsupported({ feature: "Namespace.make", problem: "only the keeper (Nursery.layer) makes namespaces" })
      )
    }
    const holder = yield* Effect.acquireRelease(hold(backend, options), release, { interruptible: true })
    const items = yield* enteringOf(holder)
    return yield* Effect.acquireRelease(
      Effect.sync(() => new Value(backend, items)),
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
