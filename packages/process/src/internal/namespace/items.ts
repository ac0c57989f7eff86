/**
 * From the options of a set of namespaces to what arranges the process that holds it.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type { Clocks, Options } from "../../Namespace.ts"
import { NamespaceSetup } from "../../ProcessError.ts"
import type { NamespaceItem, NamespaceKind } from "../backend.ts"
import * as Kinds from "./kinds.ts"
import * as Maps from "./maps.ts"
import { isValue } from "./value.ts"

const invalid = (namespace: NamespaceKind, problem: string): Result.Result<never, NamespaceSetup> =>
  Result.fail(new NamespaceSetup({ namespace, step: "make", errno: "EINVAL", problem }))

/** Which are new: not a user namespace that is another set's. */
export const kindsOf = (options: Options): ReadonlyArray<NamespaceKind> =>
  Kinds.all.filter((kind) => {
    const option = options[kind]
    return option !== undefined && option !== false && !isValue(option)
  })

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

/** What the user and the group of this program are called inside. */
const ownOf = ({ user }: Options): { readonly uid: number; readonly gid: number } | undefined => {
  if (Maps.isMaps(user)) return undefined
  return user === "root" ? { uid: 0, gid: 0 } : { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
}

const nanoseconds = (input: Duration.Input | undefined): bigint | undefined => {
  const duration = Duration.fromInputUnsafe(input ?? 0)
  return Duration.isFinite(duration) ? BigInt(Math.round(Duration.toMillis(duration) * 1e6)) : undefined
}

const clocksOf = ({ time }: Options): { readonly monotonic: bigint; readonly boottime: bigint } | undefined => {
  const clocks: Clocks = typeof time === "object" ? time : {}
  const monotonic = nanoseconds(clocks.monotonic)
  const boottime = nanoseconds(clocks.boottime)
  return monotonic === undefined || boottime === undefined ? undefined : { monotonic, boottime }
}

/** In the order of the steps. */
export const itemsOf = (options: Options): Result.Result<ReadonlyArray<NamespaceItem>, NamespaceSetup> => {
  const make = kindsOf(options)
  const hostname = typeof options.uts === "object" ? options.uts.hostname : undefined
  const clocks = clocksOf(options)
  if (clocks === undefined) return invalid("time", "no clock is infinitely far ahead")
  if (isValue(options.user) && make.includes("pid")) {
    return invalid("pid", "it cannot be made in the user namespace of another set")
  }
  const unmappable = Maps.isMaps(options.user) ? Maps.problemOf(options.user) : undefined
  if (unmappable !== undefined) return invalid("user", unmappable)
  return Result.succeed([
    { kind: "namespaces", make, own: ownOf(options), clocks },
    ...mountItems(options),
    ...(hostname === undefined ? [] : [{ kind: "hostname", name: hostname } as const]),
    ...(make.includes("network") ? [{ kind: "loopback" } as const] : [])
  ])
}
