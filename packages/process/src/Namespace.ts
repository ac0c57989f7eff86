/**
 * Namespaces (`namespaces(7)`) as scoped values: what processes see of the machine, made once and given to any number of them.
 *
 * {@link make} makes a set of namespaces; the option `namespaces` of a command starts it in there. When the scope of the set closes,
 * every process that was started in it is ended, and the kernel takes away what the namespaces hold: mounts, network devices,
 * message queues.
 *
 * **Gotchas**
 *
 * - Without privilege there is always a user namespace around the others, and in it only the user and the group of this program. A
 *   container, a sysctl or AppArmor may forbid it: then {@link make} fails, and says what to do.
 * - With a pid namespace, what a process leaves behind when it has ended belongs to the set, and ends with that.
 * - The program, its working directory and files given as `stdin`, `stdout`, `stderr` or in `fds` are looked up inside.
 * - The portable layer has none: {@link make} fails there with `Unsupported`.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/namespace/make.ts"
import * as value from "./internal/namespace/value.ts"
import * as internalVeth from "./internal/namespace/veth.ts"
import { Handle } from "./internal/process/handle.ts"
import { Nursery } from "./Nursery.ts"
import type { ProcessBase } from "./Process.ts"
import { type KeeperLost, NamespaceSetup, type Unsupported } from "./ProcessError.ts"

/**
 * A set of namespaces that processes can be started in. What it holds is not public.
 *
 * @category models
 */
export interface Namespace {
  readonly [value.TypeId]: typeof value.TypeId
}

/**
 * What is mounted. All paths are absolute and have to be there. Carried out in the order of the fields.
 *
 * @category models
 */
export interface Mounts {
  /** Directories or files that are seen at another path as well. */
  readonly bind?: ReadonlyArray<{ readonly from: string; readonly to: string; readonly readOnly?: boolean | undefined }>
  /** Directories that are empty at first, and whose content is in memory and seen inside alone, such as `/tmp`. */
  readonly temporary?: ReadonlyArray<string> | undefined
  /** Paths that cannot be written to, with all that is mounted below them. Needs Linux 5.12. */
  readonly readOnly?: ReadonlyArray<string> | undefined
}

/**
 * Ids that are called otherwise inside: `count` of them, 1 where nothing is said, that follow each other on both sides.
 *
 * @category models
 */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count?: number | undefined
}

/**
 * The users and groups that there are in a user namespace: `user_namespaces(7)`. Root may map all that it has itself; an ordinary user
 * itself, and what `/etc/subuid` and `/etc/subgid` grant to it, by the programs `newuidmap` and `newgidmap` (Debian package `uidmap`).
 *
 * @category models
 */
export interface IdMaps {
  readonly users: ReadonlyArray<IdRange>
  readonly groups: ReadonlyArray<IdRange>
}

/**
 * What clocks show inside, less what they show outside: it may be negative, but no clock is before its beginning.
 *
 * @category models
 */
export interface Clocks {
  /** `CLOCK_MONOTONIC`. */
  readonly monotonic?: Duration.Input | undefined
  /** `CLOCK_BOOTTIME`, which `uptime` shows. */
  readonly boottime?: Duration.Input | undefined
}

/**
 * Which namespaces are new. The others are those of this program.
 *
 * @category models
 */
export interface Options {
  /**
   * `true`: with the user and the group of this program, and no other. `"root"`: they are called root inside, where the processes
   * have all capabilities over what belongs to the set, and none over what does not. {@link IdMaps}: any users and groups; a process
   * is the user of this program, or where that is not mapped the first one, unless its `credentials` name another. A set: there is
   * no new one, but that of the other set.
   */
  readonly user?: boolean | "root" | IdMaps | Namespace | undefined
  /** Processes see and signal only what is in the set. `/proc` is a new one, for which there are mounts of its own too. */
  readonly pid?: boolean | undefined
  /** Mounts of its own: what is mounted inside is not seen outside. */
  readonly mount?: boolean | Mounts | undefined
  /** A network with nothing but the loopback device, which is up. */
  readonly network?: boolean | undefined
  /** System V queues, semaphores and shared memory, and POSIX message queues. */
  readonly ipc?: boolean | undefined
  /** The name of the host. */
  readonly uts?: boolean | { readonly hostname: string } | undefined
  /** The cgroup of this program is shown as the root. */
  readonly cgroup?: boolean | undefined
  /** Clocks of its own; the time of day is that of the machine everywhere. Needs Linux 5.6. */
  readonly time?: boolean | Clocks | undefined
}

// There is no other implementation of the public type.
const wrap = (made: value.Value): Namespace => made

/**
 * Makes a set of namespaces, as long as the scope is open.
 *
 * **Details**
 *
 * They are held by a process of the nursery that does nothing (`nursery-hold`), and go with it: also after SIGKILL of this program or
 * of the keeper nothing is left of them.
 *
 * **Example** (Several processes in one set of namespaces)
 *
 * ```ts
 * import { Command, Namespace, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const isolated = yield* Namespace.make({ pid: true, network: true, mount: { temporary: ["/tmp"] } })
 *   yield* Process.spawn(Command.make("redis-server", [], { namespaces: isolated }))
 *   return yield* Process.string(Command.make("redis-cli", ["ping"], { namespaces: isolated }))
 * }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
 * ```
 *
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<Namespace, NamespaceSetup | Unsupported | KeeperLost, Nursery | Scope.Scope> =>
  Effect.map(internal.make(options), wrap)

/**
 * The namespaces of a running process, those that are not this program's: what is started in them sees what the process sees.
 *
 * **Gotchas**
 *
 * It fails with `NamespaceSetup` where the process is in no other namespaces, has ended, or may not be looked into.
 *
 * @category constructors
 */
export const ofProcess = (process: ProcessBase<unknown>): Effect.Effect<Namespace, NamespaceSetup, Nursery> =>
  Effect.gen(function* () {
    const { backend } = (yield* Nursery).internal
    const ticket = Handle.ticketOf(process)
    const ended = "the process has ended, or is not one of a keeper"
    if (ticket === undefined) return yield* new NamespaceSetup({ step: "enter", errno: "ESRCH", problem: ended })
    const items = yield* internal.entering(process.pid, ticket, `${ended}, or may not be looked into`)
    if (items.some((item) => item.kind === "enter" && item.namespaces.length === 0)) {
      const problem = "the process is in the namespaces of this program: there is nothing to enter"
      return yield* new NamespaceSetup({ step: "enter", errno: "EINVAL", problem })
    }
    return new value.Value(backend, items)
  })

/**
 * Namespaces that somebody else has made, by paths that lead to them: `/proc/<pid>/ns/net`, or what `ip netns add` keeps in `/run/netns`.
 * The paths are opened by each process that is started in them.
 *
 * **Example** (The network of `ip netns add blue`)
 *
 * ```ts
 * import { Command, Namespace } from "@nursery/process"
 *
 * const blue = Namespace.fromPath({ network: "/run/netns/blue" })
 * const ping = Command.make("ping", ["-c", "1", "10.0.0.2"], { namespaces: blue })
 * ```
 *
 * @category constructors
 */
export const fromPath = (
  paths: {
    readonly [Kind in keyof Options]?: string | undefined
  }
): Namespace => new value.Value(undefined, internal.enteringPaths(paths))

/**
 * By which device of a network others are found than those on its wire.
 *
 * @category models
 */
export interface Route {
  /** An address with a prefix, such as `10.1.0.0/16`, or `default`. */
  readonly to: string
  /** The address of the gateway; without, all that is there is a neighbour. */
  readonly via?: string | undefined
}

/**
 * One end of a pair of network devices.
 *
 * @category models
 */
export interface NetworkEnd {
  /** Whose network it is in; without, that of this program. */
  readonly namespace?: Namespace | undefined
  /** Of the device, 15 bytes at most. `eth0` where nothing is said, and in the network of this program one that nobody has. */
  readonly name?: string | undefined
  /** With their prefixes: `10.0.0.1/24`, `fd00::1/64`. */
  readonly addresses?: ReadonlyArray<string> | undefined
  /** They are added in their order, after the addresses. */
  readonly routes?: ReadonlyArray<Route> | undefined
}

/**
 * Connects two networks by a pair of devices (`veth(4)`): what one of them sends comes in by the other. Both are up. The value are their
 * names. They are there as long as both networks are, and nothing is left of them afterwards.
 *
 * **Details**
 *
 * It takes privilege over both networks. Root has that. An ordinary user has it over two sets in one user namespace, and never over the
 * network of this program: it fails with `NamespaceSetup` then, step `connect`.
 *
 * **Example** (Two networks with a wire between them)
 *
 * ```ts
 * import { Command, Namespace, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* Namespace.make({ user: "root", network: true })
 *   const client = yield* Namespace.make({ user: server, network: true })
 *   yield* Namespace.veth(
 *     { namespace: server, addresses: ["10.0.0.1/24"] },
 *     { namespace: client, addresses: ["10.0.0.2/24"] }
 *   )
 *   yield* Process.spawn(Command.make("redis-server", ["--bind", "10.0.0.1"], { namespaces: server }))
 *   return yield* Process.string(Command.make("redis-cli", ["-h", "10.0.0.1", "ping"], { namespaces: client }))
 * }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
 * ```
 *
 * @category combinators
 */
export const veth: (
  one: NetworkEnd,
  other: NetworkEnd
) => Effect.Effect<readonly [one: string, other: string], NamespaceSetup | Unsupported | KeeperLost, Nursery> =
  internalVeth.veth

/**
 * Whether a value is a set of namespaces.
 *
 * @category guards
 */
export const isNamespace = (u: unknown): u is Namespace => value.isValue(u)
