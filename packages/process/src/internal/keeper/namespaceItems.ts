/**
 * The items of a setup that are about namespaces, as the keeper reads them.
 *
 * @internal
 */
import type { NamespaceItem, NamespaceKind } from "../backend.ts"
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

/** The kind of an item, and what follows its head. */
export const encode = (item: NamespaceItem): readonly [kind: number, payload: Buffer] => {
  switch (item.kind) {
    case "namespaces":
      return [F.SetupKind.namespaces, numbers(flagsOf(item.make), item.uid, item.gid)]
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
  }
}
