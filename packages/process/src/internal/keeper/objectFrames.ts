/**
 * Requests for what the keeper is to hold, as payloads of OBJECT.
 *
 * @internal
 */
import type { HeldAddress, HeldRequest, HeldStep } from "../held.ts"
import * as F from "./frames.ts"

const stepNames = new Map<number, HeldStep>([
  [F.ObjectStep.request, "request"],
  [F.ObjectStep.credentials, "credentials"],
  [F.ObjectStep.create, "create"],
  [F.ObjectStep.open, "open"],
  [F.ObjectStep.write, "write"],
  [F.ObjectStep.seal, "seal"],
  [F.ObjectStep.option, "option"],
  [F.ObjectStep.bind, "bind"],
  [F.ObjectStep.stale, "stale"],
  [F.ObjectStep.owner, "owner"],
  [F.ObjectStep.listen, "listen"]
])

/** Of a step that this version does not know only the error is told. */
export const stepOf = (step: number): HeldStep => stepNames.get(step) ?? "request"

const sized = (size: number, kind: number, rest: Uint8Array): readonly [bytes: Buffer, view: DataView] => {
  const bytes = Buffer.alloc(F.ObjectRequest.size + size + rest.length)
  bytes.writeUInt32LE(kind, F.ObjectRequest.at.kind)
  bytes.set(rest, F.ObjectRequest.size + size)
  return [bytes, new DataView(bytes.buffer, bytes.byteOffset + F.ObjectRequest.size, size)]
}

const nothing = new Uint8Array(0)

const text = (value: string): Uint8Array => Buffer.from(`${value}\0`)

const openFlags = (request: HeldRequest & { readonly kind: "file" }): number =>
  (request.access === "write" ? 0 : F.OpenFlag.read) |
  (request.access === "read" ? 0 : F.OpenFlag.write) |
  (request.create ? F.OpenFlag.create : 0) |
  (request.exclusive ? F.OpenFlag.exclusive : 0) |
  (request.truncate ? F.OpenFlag.truncate : 0) |
  (request.append ? F.OpenFlag.append : 0)

const nameOf = (at: HeldAddress): string => (at.family === "path" ? at.path : at.family === "abstract" ? at.name : "")

const listening = (request: HeldRequest & { readonly kind: "listen" }): Buffer => {
  const { at, backlog, type } = request
  const [bytes, view] = sized(F.ObjectListen.size, F.ObjectKind.listen, text(nameOf(at)))
  const offset = F.ObjectListen.at
  view.setUint8(offset.family, F.AddressFamily[at.family])
  view.setUint8(offset.type, F.SocketType[type])
  view.setUint32(offset.backlog, backlog, true)
  const owners = at.family === "path" ? at : undefined
  view.setUint32(offset.mode, owners?.mode ?? F.UNCHANGED, true)
  view.setUint32(offset.uid, owners?.uid ?? F.UNCHANGED, true)
  view.setUint32(offset.gid, owners?.gid ?? F.UNCHANGED, true)
  if (at.family === "path") view.setUint32(offset.flags, at.replaceStale ? F.ListenFlag.replaceStale : 0, true)
  if (at.family === "inet" || at.family === "inet6") {
    const flags = (at.reusePort ? F.ListenFlag.reusePort : 0) | (at.onlyV6 ? F.ListenFlag.onlyV6 : 0)
    view.setUint32(offset.flags, flags, true)
    view.setUint16(offset.port, at.port, true)
    view.setUint32(offset.scope, at.scope, true)
    at.address.forEach((byte, index) => {
      view.setUint8(offset.address + index, byte)
    })
  }
  return bytes
}

/** The payload of OBJECT. */
export const payloadOf = (request: Exclude<HeldRequest, { readonly kind: "connection" }>): Buffer => {
  switch (request.kind) {
    case "pipe": {
      const [bytes, view] = sized(F.ObjectPipe.size, F.ObjectKind.pipe, nothing)
      view.setUint32(F.ObjectPipe.at.size, request.size, true)
      return bytes
    }
    case "socketpair": {
      const [bytes, view] = sized(F.ObjectSocketpair.size, F.ObjectKind.socketpair, nothing)
      view.setUint32(F.ObjectSocketpair.at.type, F.SocketType[request.type], true)
      return bytes
    }
    case "file": {
      const [bytes, view] = sized(F.ObjectFile.size, F.ObjectKind.file, text(request.path))
      view.setUint32(F.ObjectFile.at.flags, openFlags(request), true)
      view.setUint32(F.ObjectFile.at.mode, request.mode, true)
      return bytes
    }
    case "memory": {
      const [bytes, view] = sized(F.ObjectMemory.size, F.ObjectKind.memory, request.bytes)
      view.setUint32(F.ObjectMemory.at.sealed, request.sealed ? 1 : 0, true)
      view.setBigUint64(F.ObjectMemory.at.size, BigInt(request.size), true)
      return bytes
    }
    case "listen":
      return listening(request)
    case "pty": {
      const [bytes, view] = sized(F.ObjectPty.size, F.ObjectKind.pty, nothing)
      view.setUint16(F.ObjectPty.at.columns, request.columns, true)
      view.setUint16(F.ObjectPty.at.rows, request.rows, true)
      const flags = (request.raw ? F.PtyFlag.raw : 0) | (request.echo ? 0 : F.PtyFlag.noEcho)
      view.setUint32(F.ObjectPty.at.flags, flags, true)
      return bytes
    }
  }
}
