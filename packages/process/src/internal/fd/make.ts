/**
 * Has the backend of a nursery hold something for as long as a scope is open.
 *
 * @internal
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { FileOptions, ListenOptions } from "../../Fd.ts"
import { FdError, type FdReason, UnknownUser } from "../../FdError.ts"
import { Nursery } from "../../Nursery.ts"
import { InvalidArgument, KeeperLost, ResourcesExhausted, Unsupported } from "../../ProcessError.ts"
import type { Backend } from "../backend.ts"
import * as Errno from "../errno.ts"
import type { Held, HeldFailure, HeldRequest } from "../held.ts"
import { showPath } from "../text.ts"
import { type Place, placeOf } from "./address.ts"
import { explain } from "./explain.ts"
import { type Direction, type Kind, Slot } from "./slot.ts"
import { Store } from "./store.ts"
import { type Database, numberOf } from "./users.ts"

export type Making<A> = Effect.Effect<A, FdError | KeeperLost, Nursery | Scope.Scope>

/** Found out before anything was asked for. */
export const failed = (reason: FdReason, operation: string): FdError =>
  new FdError({ reason, operation, step: "request" })

const needsKeeper = "only the keeper (Nursery.layer) holds descriptors"

export const hold = (
  backend: Backend,
  request: HeldRequest,
  operation: string,
  name = ""
): Effect.Effect<Held, FdError | KeeperLost> =>
  Effect.callback<Held, FdError | KeeperLost>((resume) => {
    if (backend.hold === undefined) {
      resume(Effect.fail(failed(new Unsupported({ feature: "Fd", problem: needsKeeper }), operation)))
      return
    }
    backend.hold(request, (result) => {
      if (result._tag === "Held") resume(Effect.succeed(result.held))
      else if (result._tag === "Lost") resume(Effect.fail(result.error))
      else resume(Effect.fail(explain(request, result.failure, operation, name)))
    })
  })

export const backendOf: Effect.Effect<Backend, never, Nursery> = Nursery.use(({ internal }) =>
  Effect.succeed(internal.backend)
)

/** The slots of something held; closing the scope closes them. */
const scoped = <const Slots extends ReadonlyArray<Slot>>(
  request: HeldRequest,
  operation: string,
  name: string,
  slotsOf: (backend: Backend, held: Held) => Slots
): Making<Slots> =>
  Effect.acquireRelease(
    Effect.flatMap(backendOf, (backend) =>
      Effect.map(hold(backend, request, operation, name), (held) => slotsOf(backend, held))
    ),
    (slots) =>
      Effect.sync(() => {
        for (const slot of slots) slot.close()
      })
  )

const single = (
  request: HeldRequest,
  operation: string,
  name: string,
  kind: Kind,
  direction: Direction
): Making<Slot> =>
  Effect.map(
    scoped(request, operation, name, (backend, held) => [new Slot(backend, held, 0, kind, direction, name)] as const),
    ([slot]) => slot
  )

export const pipe = (size: number): Making<readonly [Slot, Slot]> =>
  scoped({ kind: "pipe", size }, "make a pipe", "a pipe", (backend, held) => [
    new Slot(backend, held, 0, "pipe", "readable", "the reading end of a pipe"),
    new Slot(backend, held, 1, "pipe", "writable", "the writing end of a pipe")
  ])

export const socketpair = (type: "stream" | "datagram" | "seqpacket"): Making<readonly [Slot, Slot]> =>
  scoped({ kind: "socketpair", type }, "make a pair of sockets", "a pair of sockets", (backend, held) => {
    const kind = type === "stream" ? "stream" : "message"
    const left = new Slot(backend, held, 0, kind, "duplex", "one end of a pair of sockets")
    const right = new Slot(backend, held, 1, kind, "duplex", "one end of a pair of sockets")
    left.peer = right
    right.peer = left
    return [left, right]
  })

const directions = { read: "readable", write: "writable", "read-write": "duplex" } as const

const fileProblem = (path: string, options: FileOptions): InvalidArgument | undefined => {
  const invalid = (option: string, problem: string) => new InvalidArgument({ option, problem })
  if (path === "") return invalid("path", "is empty")
  if (path.includes("\0")) return invalid("path", "contains a NUL character, which the operating system cannot pass on")
  const { mode = 0 } = options
  return Number.isInteger(mode) && mode >= 0 && mode <= 0o777
    ? undefined
    : invalid("mode", "is not a file mode: an integer from 0 to 0o777")
}

export const file = (path: string, options: FileOptions): Making<Slot> =>
  Effect.suspend(() => {
    const operation = `open ${showPath(path)}`
    const problem = fileProblem(path, options)
    if (problem !== undefined) return Effect.fail(failed(problem, operation))
    const { access = "read", create = "never", append = false, truncate = false, mode = 0o666 } = options
    const absolute = Path.resolve(path)
    const request: HeldRequest = {
      kind: "file",
      path: absolute,
      access,
      create: create !== "never",
      exclusive: create === "always",
      truncate,
      append,
      mode
    }
    return single(request, operation, showPath(absolute), "file", directions[access])
  })

/** What goes in one message to the backend; more is written by this program itself. */
const inMessage = 1024 * 1024

const writeAll = async (held: Held, bytes: Uint8Array): Promise<string | undefined> => {
  let fd = -1
  try {
    fd = held.open(0, Fs.constants.O_RDWR)
    for (let at = 0; at < bytes.length; ) {
      at += await new Promise<number>((resolve, reject) => {
        Fs.write(fd, bytes, at, Math.min(bytes.length - at, 4 * inMessage), at, (error, count) =>
          error === null ? resolve(count) : reject(error)
        )
      })
    }
    return undefined
  } catch (cause) {
    return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "EACCES"
  } finally {
    if (fd >= 0) Fs.closeSync(fd)
  }
}

export const seal = (slot: Slot): Effect.Effect<void, FdError | KeeperLost> =>
  Effect.callback<void, FdError | KeeperLost>((resume) => {
    slot.held.seal((result: HeldFailure | KeeperLost | undefined) => {
      if (result === undefined) resume(Effect.void)
      else if (result instanceof KeeperLost) resume(Effect.fail(result))
      else {
        const errno = Errno.fromNumber(result.errno)
        const reason = new Unsupported({
          feature: "sealing",
          problem: `${Errno.describe(errno)}; a process that has mapped it for writing must end first`
        })
        resume(Effect.fail(new FdError({ reason, operation: "seal a memory", step: "seal", errno })))
      }
    })
  })

export const memory = (bytes: Uint8Array, size: number, sealed: boolean): Making<Slot> => {
  const operation = `make a memory of ${size} bytes`
  const direction = sealed ? "readable" : "duplex"
  const make = (first: Uint8Array, isSealed: boolean) =>
    single({ kind: "memory", bytes: first, size, sealed: isSealed }, operation, "a memory", "memory", direction)
  if (bytes.length <= inMessage) return make(bytes, sealed)
  return Effect.tap(make(bytes.subarray(0, 0), false), (slot) =>
    Effect.gen(function* () {
      const errno = yield* Effect.promise(() => writeAll(slot.held, bytes))
      if (errno !== undefined) {
        return yield* Effect.fail(
          new FdError({ reason: new ResourcesExhausted({ errno }), operation, step: "write", errno })
        )
      }
      if (sealed) yield* seal(slot)
    })
  )
}

const numberOfUser = (
  database: Database,
  given: string | number | undefined,
  operation: string
): Effect.Effect<number | undefined, FdError> => {
  if (given === undefined || typeof given === "number") return Effect.succeed(given)
  return Effect.flatMap(
    Effect.promise(() => numberOf(database, given)),
    (number) => {
      if (number !== undefined) return Effect.succeed(number)
      const kind = database === "passwd" ? "user" : "group"
      return Effect.fail(failed(new UnknownUser({ kind, name: given }), operation))
    }
  )
}

const textOf = (options: ListenOptions): string =>
  "unix" in options ? showPath(options.unix) : "abstract" in options ? `@${options.abstract}` : "a socket"

export const listen = (options: ListenOptions): Making<{ readonly slot: Slot; readonly place: Place }> =>
  Effect.gen(function* () {
    const operation = `listen on ${textOf(options)}`
    const user = yield* numberOfUser("passwd", "unix" in options ? options.user : undefined, operation)
    const group = yield* numberOfUser("group", "unix" in options ? options.group : undefined, operation)
    const place = placeOf(options, user, group)
    if (Result.isFailure(place)) return yield* Effect.fail(failed(place.failure, operation))
    const { at, name, type } = place.success
    const { backlog = 4096 } = options
    if (!Number.isInteger(backlog) || backlog < 0 || backlog > 0x7fffffff) {
      const reason = new InvalidArgument({ option: "backlog", problem: "is not a count of connections" })
      return yield* Effect.fail(failed(reason, operation))
    }
    const request: HeldRequest = { kind: "listen", type, backlog, at }
    const slot = yield* single(request, `listen on ${showPath(name)}`, name, "listening", "duplex")
    return { slot, place: place.success }
  })

export const store = (max: number): Effect.Effect<Store, never, Nursery | Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(backendOf, (backend) => new Store(backend, max)),
    (made) => Effect.sync(() => made.close())
  )
