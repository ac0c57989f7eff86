/**
 * Descriptors as scoped values: pipes, pairs of sockets, files, memory, listening sockets and terminals that the keeper holds.
 *
 * Give them to any number of commands, as `stdin`, `stdout`, `stderr` or under any number in `fds`. The keeper holds its copy until
 * the scope closes, so that a process that is started again finds what the one before it had: connections that came in between wait
 * in the queue of a listening socket, and bytes in a pipe.
 *
 * That copy is also why nobody reads the end of file of a pipe or a pair while its scope is open. Where one process is to see that
 * another has ended, {@link give} its end away: the process then has the only copy there is.
 *
 * **Gotchas**
 *
 * - A file that is held is opened once: all that get it share one position. Each user of a {@link memory} begins at its start.
 * - A descriptor belongs to the nursery that it was made in, and goes with its keeper: should that be killed, using it is a
 *   `KeeperLost`, and it has to be made anew.
 * - The portable layer holds nothing: all of these fail there with the reason `Unsupported`.
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { FdError } from "./FdError.ts"
import * as here from "./internal/fd/here.ts"
import * as make from "./internal/fd/make.ts"
import { type Pty, type PtyOptions, pty } from "./internal/fd/pty.ts"
import type { Slot } from "./internal/fd/slot.ts"
import * as storing from "./internal/fd/store.ts"
import * as value from "./internal/fd/value.ts"
import type { Nursery } from "./Nursery.ts"
import type { KeeperLost } from "./ProcessError.ts"

export { type Pty, type PtyOptions, pty }

/**
 * Which way bytes go, seen from whoever has the descriptor.
 */
export type Direction = "readable" | "writable" | "duplex"

/**
 * What a descriptor is: `"stream"` and `"message"` are ends of pairs of sockets, of bytes or of datagrams.
 */
export type Kind = "pipe" | "stream" | "message" | "file" | "memory" | "listening" | "terminal"

/**
 * A descriptor that is held by the keeper. What it holds is not public.
 *
 * @category models
 */
export interface Fd<out D extends Direction = Direction, out K extends Kind = Kind> {
  readonly [value.TypeId]: typeof value.TypeId
  readonly direction: D
  readonly kind: K
}

/**
 * Where a socket listens.
 *
 * @category models
 */
export type Address =
  | { readonly _tag: "Tcp" | "Udp"; readonly host: string; readonly port: number }
  | { readonly _tag: "Unix"; readonly path: string }
  | { readonly _tag: "Abstract"; readonly name: string }

/**
 * A socket that listens, or that receives datagrams.
 *
 * @category models
 */
export interface Listening extends Fd<"duplex", "listening"> {
  /** With the port that the kernel has chosen where 0 was asked for. */
  readonly address: Address
}

/**
 * An address of the internet protocols.
 *
 * @category models
 */
export interface InternetOptions {
  /** An IP address, version 4 or 6; by default 127.0.0.1, which this machine alone reaches. `0.0.0.0` or `::` are all addresses. */
  readonly host?: string | undefined
  /** 0: of the kernel's choice. */
  readonly port: number
  /** Whether others may listen on the same port, among whom the kernel distributes (`SO_REUSEPORT`). */
  readonly reusePort?: boolean | undefined
  /** Whether a socket on `::` refuses IPv4; `false` by default. */
  readonly onlyV6?: boolean | undefined
}

/**
 * A socket in the file system (`unix(7)`).
 *
 * @category models
 */
export interface UnixOptions {
  /** A path of 107 bytes at most; a relative one is resolved against the working directory of this program. */
  readonly unix: string
  readonly type?: "stream" | "datagram" | "seqpacket" | undefined
  /** Who may connect: whoever may write. By default what the umask of this program leaves of 0o777. */
  readonly mode?: number | undefined
  /** Its owner, by name or number; by default this program's. Needs privilege. */
  readonly user?: string | number | undefined
  /** Its group, by name or number. */
  readonly group?: string | number | undefined
  /** Whether a socket that is there, and that nobody listens on any more, is removed first; `false` by default. */
  readonly replaceStale?: boolean | undefined
}

/**
 * A socket in the abstract space (`unix(7)`): in no file system, and without permissions.
 *
 * @category models
 */
export interface AbstractOptions {
  readonly abstract: string
  readonly type?: "stream" | "datagram" | "seqpacket" | undefined
}

/**
 * Where to listen, and how.
 *
 * @category models
 */
export type ListenOptions = {
  /** How many connections may wait to be accepted; 4096 by default, at most `sysctl net.core.somaxconn`. */
  readonly backlog?: number | undefined
} & (
  | { readonly tcp: number | InternetOptions }
  | { readonly udp: number | InternetOptions }
  | UnixOptions
  | AbstractOptions
)

/**
 * How a file is opened.
 *
 * @category models
 */
export interface FileOptions<Access extends "read" | "write" | "read-write" = "read" | "write" | "read-write"> {
  /** `"read"` by default. */
  readonly access?: Access | undefined
  /** Whether it may be created (`"missing"`), or must be (`"always"`); `"never"` by default. */
  readonly create?: "never" | "missing" | "always" | undefined
  /** Whether all that is written goes to its end. */
  readonly append?: boolean | undefined
  /** Whether what is in it is removed. */
  readonly truncate?: boolean | undefined
  /** Of a file that is created, less the umask of this program; 0o666 by default. */
  readonly mode?: number | undefined
}

type Held<A> = Effect.Effect<A, FdError | KeeperLost, Nursery | Scope.Scope>

// The types of a slot are those that it was made with.
const wrap = <D extends Direction, K extends Kind>(slot: Slot, direction: D, kind: K): Fd<D, K> =>
  new value.Value(slot, kind, direction, false)

/** What is behind the public type: there is no other implementation of it. */
const insideOf = <D extends Direction, K extends Kind>(fd: Fd<D, K>): value.Value<D, K> => fd as value.Value<D, K>

/**
 * Whether a value is a descriptor of this module.
 *
 * @category guards
 */
export const isFd = (u: unknown): u is Fd => value.isValue(u)

/**
 * A pipe. `size` is a wish: how much it should hold before a writer waits; 64 KiB by default.
 *
 * **Example** (A process that writes into another)
 *
 * ```ts
 * import { Command, Fd, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const { read, write } = yield* Fd.pipe()
 *   yield* Process.spawn(Command.make("printf", ["b\na\n"], { stdout: Fd.give(write) }))
 *   return yield* Process.string(Command.make("sort", [], { stdin: read }))
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "a\nb\n")
 * ```
 *
 * @category constructors
 */
export const pipe = (options?: {
  readonly size?: ByteSize.Input | undefined
}): Held<{ readonly read: Fd<"readable", "pipe">; readonly write: Fd<"writable", "pipe"> }> =>
  Effect.suspend(() => {
    const size = options?.size === undefined ? 0 : Number(ByteSize.fromInputUnsafe(options.size))
    return Effect.map(make.pipe(Math.min(size, 0x7fffffff)), ([read, write]) => ({
      read: wrap(read, "readable", "pipe"),
      write: wrap(write, "writable", "pipe")
    }))
  })

/**
 * A pair of connected sockets (`socketpair(2)`): two processes that talk to each other in both directions.
 *
 * **Details**
 *
 * Given away ({@link give}), either process reads the end of file when the other one has ended. Otherwise the pair survives both, and
 * who is started again goes on where the last one left.
 *
 * `"datagram"` and `"seqpacket"` keep the boundaries of messages; Node has no sockets of these types, so that they are for processes only.
 *
 * **Example** (Two processes, joined in both directions)
 *
 * ```ts
 * import { Command, Fd, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const [left, right] = yield* Fd.socketpair()
 *   yield* Process.spawn(Command.make("sh", ["-c", "echo question >&3; cat <&3"], { fds: { 3: Fd.give(left) } }))
 *   const asked = Command.make("sh", ["-c", "read line; echo $line"], { stdin: Fd.give(right) })
 *   return yield* Process.string(asked)
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "question\n")
 * ```
 *
 * @category constructors
 */
export const socketpair: {
  (options?: { readonly type?: "stream" | undefined }): Held<readonly [Fd<"duplex", "stream">, Fd<"duplex", "stream">]>
  (options: {
    readonly type: "datagram" | "seqpacket"
  }): Held<readonly [Fd<"duplex", "message">, Fd<"duplex", "message">]>
} = (options?: {
  readonly type?: "stream" | "datagram" | "seqpacket" | undefined
}): Held<readonly [Fd<"duplex", never>, Fd<"duplex", never>]> => {
  const type = options?.type ?? "stream"
  const kind = type === "stream" ? "stream" : "message"
  return Effect.map(
    make.socketpair(type),
    // Which of the two kinds it is follows from `type`, as the overloads say.
    ([left, right]) => [wrap(left, "duplex", kind as never), wrap(right, "duplex", kind as never)] as const
  )
}

/**
 * A file that is opened once, now, with the rights of this program. All that get it share one position: what one has read the next
 * does not read, and nothing that one has written is written over by the next.
 *
 * **Example** (One log for a process and all that follow it)
 *
 * ```ts
 * import { Command, Fd, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const log = yield* Fd.file("server.log", { access: "write", create: "missing", append: true })
 *   yield* Process.spawn(Command.make("./server", [], { stdout: log, stderr: log }))
 * })
 * ```
 *
 * @category constructors
 */
export const file: {
  (path: string, options?: FileOptions<"read">): Held<Fd<"readable", "file">>
  (path: string, options: FileOptions<"write"> & { readonly access: "write" }): Held<Fd<"writable", "file">>
  (path: string, options: FileOptions<"read-write"> & { readonly access: "read-write" }): Held<Fd<"duplex", "file">>
} = (path: string, options: FileOptions = {}): Held<Fd<never, "file">> =>
  // The direction follows from `access`, as the overloads say.
  Effect.map(make.file(path, options), (slot) => wrap(slot, slot.direction as never, "file"))

/**
 * Memory with a descriptor (`memfd_create(2)`), which looks like a file to those that get it: for data that a program takes from a
 * file only, and that is to be in no file system. Each user of it begins at its start.
 *
 * **Details**
 *
 * `sealed: true` means that nobody can change it. Else the processes may write to it, until {@link seal}. `size` is for what is larger
 * than `content`: the rest is zero.
 *
 * **Example** (A configuration that is in no file)
 *
 * ```ts
 * import { Command, Fd, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const config = yield* Fd.memory("listen = 8080\n", { sealed: true })
 *   return yield* Process.string(Command.make("cat", ["/dev/fd/3"], { fds: { 3: config } }))
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "listen = 8080\n")
 * ```
 *
 * @category constructors
 */
export const memory: {
  (
    content: string | Uint8Array,
    options: { readonly sealed: true; readonly size?: ByteSize.Input | undefined }
  ): Held<Fd<"readable", "memory">>
  (
    content: string | Uint8Array,
    options?: { readonly sealed?: false | undefined; readonly size?: ByteSize.Input | undefined }
  ): Held<Fd<"duplex", "memory">>
} = (
  content: string | Uint8Array,
  options: { readonly sealed?: boolean | undefined; readonly size?: ByteSize.Input | undefined } = {}
): Held<Fd<never, "memory">> =>
  Effect.suspend(() => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    const asked = options.size === undefined ? 0 : Number(ByteSize.fromInputUnsafe(options.size))
    const made = make.memory(bytes, Math.max(bytes.length, asked), options.sealed === true)
    // The direction follows from `sealed`, as the overloads say.
    return Effect.map(made, (slot) => wrap(slot, slot.direction as never, "memory"))
  })

/**
 * From now on nobody can change the memory, whoever has it. Gives it back as what it is then: something to read.
 *
 * @category operations
 */
export const seal = (memory: Fd<"duplex", "memory">): Effect.Effect<Fd<"readable", "memory">, FdError | KeeperLost> => {
  const { slot } = insideOf(memory)
  return Effect.map(make.seal(slot), () => wrap(slot, "readable", "memory"))
}

/**
 * A socket that listens from now on, until the scope closes. Connections that come while no process has it wait in its queue; so the
 * restart of a server refuses nobody.
 *
 * **Details**
 *
 * TCP sockets have `SO_REUSEADDR`. The path of a unix socket is removed with its scope, and by the helpers when this program is
 * killed. A path that is there already is not touched, unless it is a socket that nobody listens on and `replaceStale` is `true`.
 *
 * **Example** (A server that is given its socket)
 *
 * ```ts
 * import { Command, Fd, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const socket = yield* Fd.listen({ tcp: { host: "0.0.0.0", port: 8080 } })
 *   yield* Process.spawn(Command.make("node", ["server.js"], { fds: { 3: socket } })) // server.listen({ fd: 3 })
 * })
 * ```
 *
 * @category constructors
 */
export const listen = (options: ListenOptions): Held<Listening> =>
  Effect.map(make.listen(options), ({ place, slot }) =>
    Object.assign(new value.Value(slot, "listening", "duplex", false), { address: place.address(slot.held.port) })
  )

/**
 * Descriptors that processes have left for those that come after them. What it holds is not public.
 *
 * @category models
 */
export interface Store {
  readonly [storing.StoreTypeId]: typeof storing.StoreTypeId
}

/**
 * A store for what a process hands over by `FDSTORE=1` (sd_pid_notify_with_fds(3)), as systemd has one for each service: its connections,
 * or a memory with its state. Give it to a command as `fdStore`; the next process with the same store gets what is in it, after the
 * descriptors of `activation` and under the names that it was handed over by (`FDNAME`; `stored` where nothing is said).
 *
 * **Details**
 *
 * Only the process and its descendants can hand something over. `FDSTOREREMOVE=1` with an `FDNAME` lets go of all of that name. Beyond
 * `max` (64 by default) what is handed over is closed. When the scope closes, all of it is.
 *
 * **Gotchas**
 *
 * What is handed over twice is there twice, and what has been hung up stays until it is removed.
 *
 * @category constructors
 */
export const store = (options?: {
  readonly max?: number | undefined
}): Effect.Effect<Store, never, Nursery | Scope.Scope> => make.store(options?.max ?? 64)

/**
 * The names of what is in a store, in the order in which it was handed over.
 *
 * @category inspection
 */
export const stored = (store: Store): Effect.Effect<ReadonlyArray<string>> =>
  Effect.sync(() => storing.insideOf(store).stored.map(({ name }) => name))

/**
 * The same descriptor, to be given away: the process that is started with it has the only copy, so that whoever has the other end
 * reads the end of file when that process (and what it has started) has ended. Using it again is an error. A start that fails gives
 * nothing away.
 *
 * Given to {@link readable} or {@link writable}, it is this program's alone.
 *
 * @category combinators
 */
export const give = <D extends Direction, K extends Kind>(fd: Fd<D, K>): Fd<D, K> => {
  const { direction, kind, slot } = insideOf(fd)
  return new value.Value(slot, kind, direction, true)
}

/**
 * Lets go of a descriptor before its scope closes; processes that have it keep their copies.
 *
 * @category operations
 */
export const close = (fd: Fd): Effect.Effect<void> => Effect.sync(() => insideOf(fd).slot.close())

/**
 * The bytes of a descriptor, in this program.
 *
 * **Details**
 *
 * A pipe is shared with whoever else reads it. Files and memory are read from their start. The end of a pair of sockets can be used here
 * only as long as no process has got either end.
 *
 * @category inspection
 */
export const readable = (
  fd: Fd<"readable" | "duplex", Exclude<Kind, "message" | "listening" | "terminal">>
): Stream.Stream<Uint8Array, FdError | KeeperLost> => here.readable(insideOf(fd))

/**
 * A Sink that writes to a descriptor, from this program.
 *
 * **Details**
 *
 * What is written to a file goes to its end; memory is written from its start. When the Sink is done, this program's end is closed: who
 * reads a socket reads the end of file then, and who reads a pipe does when nobody else can write to it, so {@link give} the writing end
 * where that matters.
 *
 * @category inspection
 */
export const writable = (
  fd: Fd<"writable" | "duplex", Exclude<Kind, "message" | "listening" | "terminal">>
): Sink.Sink<void, Uint8Array, never, FdError | KeeperLost> => here.writable(insideOf(fd))
