/**
 * The listening sockets of this machine, as the kernel shows them (`proc_pid_net(5)`).
 *
 * @internal
 */
import { isIPv4 } from "node:net"
import { basename, dirname, join } from "node:path"
import type { Peer } from "./connect.ts"

/** What `/proc/net/tcp`, `tcp6` and `unix` contain, and how to find out where a folder really is. */
export interface Tables {
  readonly tcp: string
  readonly tcp6: string
  readonly unix: string
  readonly real: (path: string) => string | undefined
}

/** The inodes of the sockets that a connection to `peer` can have reached. */
export interface Listening {
  readonly certain: ReadonlySet<string>
  /** Bound to a relative path of the same name: which folder that was in is known to its owner alone. */
  readonly possible: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

export const listening = (peer: Peer, tables: Tables): Listening =>
  "path" in peer ? unixSockets(peer.path, tables) : { certain: tcpSockets(peer, tables), possible: none }

const rows = (table: string): ReadonlyArray<ReadonlyArray<string>> =>
  table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))

const listenState = "0A"
const mappedPrefix = "0000000000000000FFFF0000"

/** The kernel prefers the socket with the very address to one that takes all, and of these the older protocol. */
const tcpSockets = (peer: { readonly address: string; readonly port: number }, tables: Tables): ReadonlySet<string> => {
  const port = peer.port.toString(16).toUpperCase().padStart(4, "0")
  const find = (table: string, address: string) =>
    new Set(
      rows(table).flatMap(([, local, , state, , , , , , inode]) =>
        state === listenState && local === `${address}:${port}` && inode !== undefined && inode !== "0" ? [inode] : []
      )
    )
  const hex = hexOf(peer.address)
  if (hex === undefined) return none
  const isV4 = hex.length === 8
  const v6 = isV4 ? mappedPrefix + hex : hex
  const searches: ReadonlyArray<() => ReadonlySet<string>> = [
    () => (isV4 ? find(tables.tcp, hex) : none),
    () => find(tables.tcp6, v6),
    () => (isV4 ? find(tables.tcp, "0".repeat(8)) : none),
    () => find(tables.tcp6, "0".repeat(32))
  ]
  for (const search of searches) {
    const found = search()
    if (found.size > 0) return found
  }
  return none
}

/** An address as the tables have it: 32-bit words in the order of bytes of the machine, which is little-endian here. */
export const hexOf = (address: string): string | undefined => {
  const mapped = address.toLowerCase().startsWith("::ffff:") ? address.slice(7) : address
  const bytes = isIPv4(mapped) ? mapped.split(".").map(Number) : bytesOfV6(address)
  if (bytes === undefined) return undefined
  let hex = ""
  for (let word = 0; word < bytes.length; word += 4) {
    const reversed = bytes.slice(word, word + 4).reverse()
    hex += reversed.map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join("")
  }
  return hex
}

const bytesOfV6 = (address: string): ReadonlyArray<number> | undefined => {
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)))
  const [head = "", tail] = address.replace(/%.*$/, "").split("::")
  const before = groups(head)
  const after = groups(tail ?? "")
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  if (zeros < 0 || before.length + after.length + zeros !== 8) return undefined
  return [...before, ...new Array<number>(zeros).fill(0), ...after].flatMap((group) => [group >> 8, group & 0xff])
}

const acceptsConnections = 0x10000

const unixSockets = (path: string, tables: Tables): Listening => {
  const certain = new Set<string>()
  const possible = new Set<string>()
  const wanted = path.startsWith("\0") ? path.replaceAll("\0", "@") : tables.real(path)
  if (wanted === undefined) return { certain, possible }
  for (const line of tables.unix.split("\n").slice(1)) {
    // The path is the rest of the line: it may have blanks.
    const [, flags, inode, bound] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\S+) (.+)$/.exec(line) ?? []
    if (flags === undefined || inode === undefined || bound === undefined) continue
    if ((Number.parseInt(flags, 16) & acceptsConnections) === 0) continue
    if (bound === wanted) certain.add(inode)
    else if (!bound.startsWith("@") && basename(bound) === basename(wanted)) {
      if (!bound.startsWith("/")) possible.add(inode)
      else if (join(tables.real(dirname(bound)) ?? "", basename(bound)) === wanted) certain.add(inode)
    }
  }
  return { certain, possible }
}
