/** Which listening sockets a connection can have reached, from tables as the kernel prints them. */
import { describe, expect, it } from "vitest"
import type { Peer } from "../../src/internal/ready/connect.ts"
import { hexOf, listening, type Tables } from "../../src/internal/ready/sockets.ts"

const row = (local: string, state: string, inode: number) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 100 0 0 10 0`

const title = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
const table = (...rows: ReadonlyArray<string>) => [title, ...rows, ""].join("\n")

const tcp = (peer: Peer, v4: ReadonlyArray<string>, v6: ReadonlyArray<string> = []) =>
  [...listening(peer, { tcp: table(...v4), tcp6: table(...v6), unix: "", real: (path) => path }).certain].sort()

const at = (address: string, port = 8080): Peer => ({ address, port })

const loopback = "0100007F:1F90"
const any = "00000000:1F90"
const any6 = `${"0".repeat(32)}:1F90`
const loopback6 = `${"0".repeat(24)}01000000:1F90`
const mapped = `0000000000000000FFFF00000100007F:1F90`

describe("tcp sockets", () => {
  it.each([
    ["the address itself", at("127.0.0.1"), [row(loopback, "0A", 7)], [], ["7"]],
    ["the address before all addresses", at("127.0.0.1"), [row(any, "0A", 8), row(loopback, "0A", 7)], [], ["7"]],
    ["all addresses", at("127.0.0.1"), [row(any, "0A", 8)], [], ["8"]],
    ["all addresses of both protocols", at("127.0.0.1"), [], [row(any6, "0A", 9)], ["9"]],
    ["a mapped address", at("127.0.0.1"), [], [row(mapped, "0A", 9)], ["9"]],
    ["a mapped peer", at("::ffff:127.0.0.1"), [row(loopback, "0A", 7)], [], ["7"]],
    ["the newer protocol", at("::1"), [row(loopback, "0A", 7)], [row(loopback6, "0A", 9)], ["9"]],
    ["several that share a port", at("127.0.0.1"), [row(any, "0A", 8), row(any, "0A", 9)], [], ["8", "9"]],
    ["no connection, even from that port", at("127.0.0.1"), [row(loopback, "01", 7), row(loopback, "06", 0)], [], []],
    ["no other port", at("127.0.0.1", 8081), [row(loopback, "0A", 7), row(any, "0A", 8)], [row(any6, "0A", 9)], []],
    ["no other address", at("192.0.2.7"), [row(loopback, "0A", 7)], [row(loopback6, "0A", 9)], []],
    ["no name", at("localhost"), [row(any, "0A", 7)], [], []]
  ] as const)("are found by %s", (_, peer, v4, v6, expected) => {
    expect(tcp(peer, v4, v6)).toEqual(expected)
  })

  it.each([
    ["127.0.0.1", "0100007F"],
    ["10.1.2.30", "1E02010A"],
    ["::", "0".repeat(32)],
    ["fe80::1%eth0", "000080FE000000000000000001000000"],
    ["2001:db8:1:2:3:4:5:6", "B80D0120020001000400030006000500"],
    ["localhost", undefined],
    ["1:2:3", undefined]
  ])("have the address %s in the order of the machine", (address, hex) => {
    expect(hexOf(address)).toBe(hex)
  })
})

const unixRow = (inode: number, path: string, flags = "00010000") =>
  `0000000000000000: 00000002 00000000 ${flags} 0001 01 ${String(inode).padStart(5)} ${path}`.trimEnd()

const unix = (path: string, rows: ReadonlyArray<string>, real: Tables["real"] = (path) => path) => {
  const lines = ["Num       RefCount Protocol Flags    Type St Inode Path", ...rows, ""].join("\n")
  const { certain, possible } = listening({ path }, { tcp: "", tcp6: "", unix: lines, real })
  return { certain: [...certain], possible: [...possible] }
}

describe("unix sockets", () => {
  it.each([
    ["their path", "/run/a b", [unixRow(7, "/run/a b"), unixRow(8, "/run/a")], ["7"], []],
    ["their abstract name", "\0name", [unixRow(7, "@name"), unixRow(8, "name")], ["7"], []],
    ["no connection of theirs", "/run/a", [unixRow(7, "/run/a", "00000000"), unixRow(8, "")], [], []],
    ["a relative path perhaps", "/run/a", [unixRow(7, "a"), unixRow(8, "x/a"), unixRow(9, "b")], [], ["7", "8"]]
  ] as const)("are found by %s", (_, path, rows, certain, possible) => {
    expect(unix(path, rows)).toEqual({ certain, possible })
  })

  it("are found by another name of their folder", () => {
    const real = (path: string) => path.replace(/^\/var\/run/, "/run")
    expect(unix("/run/a", [unixRow(7, "/var/run/a")], real).certain).toEqual(["7"])
    expect(unix("/var/run/a", [unixRow(7, "/run/a"), unixRow(8, "/tmp/a")], real).certain).toEqual(["7"])
  })

  it("are not found by a path that is no longer there", () => {
    expect(unix("/run/a", [unixRow(7, "/run/a")], () => undefined)).toEqual({ certain: [], possible: [] })
  })
})
