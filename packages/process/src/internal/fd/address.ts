/**
 * Where sockets listen: from what the user says to what the backend is asked for, and to what it is called.
 *
 * @internal
 */
import { isIPv4, isIPv6 } from "node:net"
import { networkInterfaces } from "node:os"
import * as Path from "node:path"
import * as Result from "effect/Result"
import type { AbstractOptions, Address, InternetOptions, ListenOptions, UnixOptions } from "../../Fd.ts"
import { type FdReason, PathTooLong } from "../../FdError.ts"
import { InvalidArgument } from "../../ProcessError.ts"
import type { HeldAddress, SocketType } from "../held.ts"

/** Of struct sockaddr_un, which ends in a NUL where it is a path, and begins with one where it is abstract. */
const longestPath = 107
const longestName = 106

const invalid = (option: string, problem: string) => Result.fail(new InvalidArgument({ option, problem }))

const groupsOf = (part: string): ReadonlyArray<number> =>
  part === ""
    ? []
    : part.split(":").flatMap((group) => {
        if (!group.includes(".")) return [Number.parseInt(group, 16)]
        const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number)
        return [a * 256 + b, c * 256 + d]
      })

/** The 16 bytes of a text that `isIPv6`. */
export const bytesOfIPv6 = (text: string): ReadonlyArray<number> => {
  const [head = "", tail] = text.split("::")
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255])
}

const scopeOf = (zone: string | undefined): number => {
  if (zone === undefined) return 0
  if (/^\d+$/.test(zone)) return Number(zone)
  return networkInterfaces()[zone]?.find((each) => each.family === "IPv6")?.scopeid ?? 0
}

const loopback = "127.0.0.1"

/** What is bound, and as what. */
export interface Place {
  readonly type: SocketType
  readonly at: HeldAddress
  /** For messages. */
  readonly name: string
  readonly address: (port: number) => Address
}

type Placed = Result.Result<Place, FdReason>

const internet = (_tag: "Tcp" | "Udp", option: string, given: number | InternetOptions): Placed => {
  const options = typeof given === "number" ? { port: given } : given
  const { host: named = loopback, port, reusePort = false, onlyV6 = false } = options
  const host = named === "localhost" ? loopback : named
  if (!Number.isInteger(port) || port < 0 || port > 65535) return invalid(`${option}.port`, "is not a port: 0 to 65535")
  const type = _tag === "Tcp" ? "stream" : "datagram"
  const address = (bound: number): Address => ({ _tag, host, port: bound })
  if (isIPv4(host)) {
    const bytes = host.split(".").map(Number)
    const at = { family: "inet", address: bytes, scope: 0, port, reusePort, onlyV6: false } as const
    return Result.succeed({ type, at, name: `${host}:${port}`, address })
  }
  if (!isIPv6(host)) {
    return invalid(`${option}.host`, `is not an IP address, and names are not looked up: ${JSON.stringify(host)}`)
  }
  const [text = "", zone] = host.split("%")
  const at = { family: "inet6", address: bytesOfIPv6(text), scope: scopeOf(zone), port, reusePort, onlyV6 } as const
  return Result.succeed({ type, at, name: `[${host}]:${port}`, address })
}

const unix = (options: UnixOptions, uid?: number, gid?: number): Placed => {
  if (options.unix === "") return invalid("unix", "is empty")
  if (options.unix.includes("\0")) return invalid("unix", "contains a NUL character: an abstract name is `abstract`")
  const { mode } = options
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
    return invalid("mode", "is not a file mode: an integer from 0 to 0o777")
  }
  const path = Path.resolve(options.unix)
  const bytes = Buffer.byteLength(path)
  if (bytes > longestPath) return Result.fail(new PathTooLong({ path, bytes, max: longestPath }))
  const at = { family: "path", path, replaceStale: options.replaceStale ?? false, mode, uid, gid } as const
  return Result.succeed({ type: options.type ?? "stream", at, name: path, address: () => ({ _tag: "Unix", path }) })
}

const abstract = (options: AbstractOptions): Placed => {
  const name = options.abstract
  if (name === "" || name.includes("\0")) return invalid("abstract", "is empty or contains a NUL character")
  const bytes = Buffer.byteLength(name)
  if (bytes > longestName) return Result.fail(new PathTooLong({ path: `@${name}`, bytes, max: longestName }))
  const type = options.type ?? "stream"
  return Result.succeed({
    type,
    at: { family: "abstract", name },
    name: `@${name}`,
    address: () => ({ _tag: "Abstract", name })
  })
}

export const placeOf = (options: ListenOptions, uid?: number, gid?: number): Placed => {
  if ("tcp" in options) return internet("Tcp", "tcp", options.tcp)
  if ("udp" in options) return internet("Udp", "udp", options.udp)
  return "unix" in options ? unix(options, uid, gid) : abstract(options)
}
