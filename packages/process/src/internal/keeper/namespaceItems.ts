/**
 * The items of a setup that are about namespaces, as the keeper reads them.
 *
 * @internal
 */
import type { NamespaceItem, NamespaceKind, Prefix } from "../backend.ts"
import * as F from "./frames.ts"

const flagsOf = (kinds: ReadonlyArray<NamespaceKind>): number =>
  kinds.reduce((flags, kind) => flags | F.NamespaceFlag[kind], 0)

const numbers = (...values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value, index * 4)
  })
  return bytes
}

const strings = (...values: ReadonlyArray<string>): Buffer => Buffer.from(values.map((value) => `${value}\0`).join(""))

const billion = 1_000_000_000n

/** The part of a second is counted upwards, also of a clock that is behind. */
const clock = (nanoseconds: bigint): Buffer => {
  const rest = ((nanoseconds % billion) + billion) % billion
  const bytes = Buffer.alloc(F.ClockOffset.size)
  bytes.writeBigInt64LE((nanoseconds - rest) / billion, F.ClockOffset.at.seconds)
  bytes.writeUInt32LE(Number(rest), F.ClockOffset.at.nanoseconds)
  return bytes
}

const familyOf = ({ family }: Prefix): number => F.AddressFamily[family]

const addressOf = (prefix: Prefix | undefined): Buffer =>
  Buffer.concat([Buffer.from(prefix?.bytes ?? [])], F.InternetAddress.size)

/** The kind of an item, and what follows its head. */
export const encode = (item: NamespaceItem): readonly [kind: number, payload: Buffer] => {
  switch (item.kind) {
    case "namespaces": {
      const { clocks, make, own } = item
      const ids = numbers(flagsOf(make), own?.uid ?? F.ID_KEEP, own?.gid ?? F.ID_KEEP)
      const offsets = [clock(clocks?.monotonic ?? 0n), clock(clocks?.boottime ?? 0n)]
      return [F.SetupKind.namespaces, Buffer.concat([ids, ...offsets])]
    }
    case "mount":
      return [F.SetupKind.mount, Buffer.concat([numbers(F.MountKind[item.how]), strings(item.source, item.target)])]
    case "hostname":
      return [F.SetupKind.hostname, Buffer.from(item.name)]
    case "loopback":
      return [F.SetupKind.loopback, numbers()]
    case "enter":
      return [F.SetupKind.enter, numbers(item.process.id ?? 0, flagsOf(item.namespaces))]
    case "enterPath":
      return [F.SetupKind.enterPath, Buffer.concat([numbers(F.NamespaceFlag[item.namespace]), strings(item.path)])]
    case "veth":
      return [F.SetupKind.veth, Buffer.concat([numbers(item.process.id ?? 0), strings(item.near, item.far)])]
    case "address": {
      const head = Buffer.from([familyOf(item.address), item.address.bits, 0, 0])
      return [F.SetupKind.address, Buffer.concat([head, addressOf(item.address), strings(item.device)])]
    }
    case "linkUp":
      return [F.SetupKind.linkUp, strings(item.device)]
    case "route": {
      const head = Buffer.from([familyOf(item.to), item.to.bits, item.via === undefined ? 0 : 1, 0])
      const addresses = [addressOf(item.to), addressOf(item.via)]
      return [F.SetupKind.route, Buffer.concat([head, ...addresses, strings(item.device)])]
    }
  }
}
