/**
 * The errors of descriptors that are held by the keeper (`Fd`).
 */
import * as Schema from "effect/Schema"
import * as Errno from "./internal/errno.ts"
import { pathProblem } from "./internal/pathAdvice.ts"
import { InvalidArgument, ResourcesExhausted, Unsupported } from "./ProcessError.ts"

/**
 * Somebody else listens there.
 */
export class AddressInUse extends Schema.TaggedError<AddressInUse>()("AddressInUse", {
  /** As `ss -l` would show it: `127.0.0.1:80`, `[::]:80`, a path, or `@name` for an abstract one. */
  address: Schema.String
}) {
  override get message(): string {
    return "the address is in use: see who has it by `ss -lxntup`, or take another"
  }
}

/**
 * This machine has no such address, or not this family of them.
 */
export class AddressUnavailable extends Schema.TaggedError<AddressUnavailable>()("AddressUnavailable", {
  address: Schema.String,
  errno: Schema.String
}) {
  override get message(): string {
    return `${Errno.describe(this.errno)}: listen on an address of this machine, which \`ip address\` shows, or on all of them (0.0.0.0, ::)`
  }
}

/**
 * A port that needs privilege.
 */
export class PrivilegedPort extends Schema.TaggedError<PrivilegedPort>()("PrivilegedPort", {
  port: Schema.Int,
  /** The lowest one that every user may have here. */
  lowest: Schema.Int
}) {
  override get message(): string {
    return `port ${this.port} needs privilege (CAP_NET_BIND_SERVICE) here: take one from ${this.lowest} on, or lower sysctl net.ipv4.ip_unprivileged_port_start`
  }
}

/**
 * The path of a unix socket is longer than the kernel takes.
 */
export class PathTooLong extends Schema.TaggedError<PathTooLong>()("PathTooLong", {
  path: Schema.String,
  /** How many bytes it has. */
  bytes: Schema.Int,
  /** How many it may have. */
  max: Schema.Int
}) {
  override get message(): string {
    return `it has ${this.bytes} bytes, and the kernel takes ${this.max}: choose a shorter folder, such as one below /run or /tmp`
  }
}

/**
 * A file is there already, and it is no socket.
 */
export class PathTaken extends Schema.TaggedError<PathTaken>()("PathTaken", { path: Schema.String }) {
  override get message(): string {
    return "a file is there that is no socket, which nothing replaces: move it away, or choose another path"
  }
}

/**
 * A socket is there that nobody listens on any more.
 */
export class StaleSocket extends Schema.TaggedError<StaleSocket>()("StaleSocket", { path: Schema.String }) {
  override get message(): string {
    return "a socket is there that nobody listens on, left by a program that was killed: ask for `replaceStale: true`, or remove it"
  }
}

/**
 * This program may not do it.
 */
export class AccessDenied extends Schema.TaggedError<AccessDenied>()("AccessDenied", {
  /** What may not be opened, bound or changed. */
  target: Schema.String,
  /** Why not, and what to do. */
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * There is no such user, or no such group, on this machine.
 */
export class UnknownUser extends Schema.TaggedError<UnknownUser>()("UnknownUser", {
  kind: Schema.Literals(["user", "group"]),
  name: Schema.String
}) {
  override get message(): string {
    return `there is no ${this.kind} ${JSON.stringify(this.name)} on this machine (\`getent ${this.kind === "user" ? "passwd" : "group"}\` lists them); a number is taken as it is`
  }
}

/**
 * A path that cannot be opened or bound.
 */
export class PathUnusable extends Schema.TaggedError<PathUnusable>()("PathUnusable", {
  path: Schema.String,
  errno: Schema.String,
  /** What to do, where more can be said than the error does. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.problem ?? pathProblem(this.errno)
  }
}

/**
 * A descriptor that is not there any more: its scope has closed, or it was given away.
 */
export class DescriptorGone extends Schema.TaggedError<DescriptorGone>()("DescriptorGone", {
  /** Why, and what to do. */
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * Why a descriptor could not be made or used.
 */
export type FdReason = typeof FdReason.Type

/**
 * The Schema of {@link FdReason}.
 */
export const FdReason = Schema.Union([
  AddressInUse,
  AddressUnavailable,
  PrivilegedPort,
  PathTooLong,
  PathTaken,
  StaleSocket,
  AccessDenied,
  UnknownUser,
  PathUnusable,
  DescriptorGone,
  InvalidArgument,
  ResourcesExhausted,
  Unsupported
])

/**
 * What could not be done: checking the `request`, taking the `credentials` of this program, `create` something, `open` a file, `write` or
 * `seal` a memory, setting an `option` of a socket, `bind` it, finding it `stale`, giving its path an `owner`, and `listen`; later the
 * `use` of what was made, in this program.
 */
export type FdStep = typeof FdStep.Type

/**
 * The Schema of {@link FdStep}.
 */
export const FdStep = Schema.Literals([
  "request",
  "credentials",
  "create",
  "open",
  "write",
  "seal",
  "option",
  "bind",
  "stale",
  "owner",
  "listen",
  "use"
])

/**
 * A descriptor could not be made or used. Nothing is left of the attempt.
 *
 * **Example** (Another port when the first is taken)
 *
 * ```ts
 * import { Fd } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const socket = Fd.listen({ tcp: 8080 }).pipe(
 *   Effect.catchReason("FdError", "AddressInUse", () => Fd.listen({ tcp: 0 }))
 * )
 * ```
 */
export class FdError extends Schema.TaggedError<FdError>()("FdError", {
  reason: FdReason,
  /** What was to be done, to be read after "cannot". */
  operation: Schema.String,
  /** What of it could not be done. */
  step: FdStep,
  /** The name of the error that the operating system gave, where there was one. */
  errno: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `cannot ${this.operation}: ${this.reason.message}`
  }
}
