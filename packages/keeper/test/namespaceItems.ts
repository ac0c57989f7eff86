/** The items of a setup that are about namespaces, for tests: written plainly, and able to be wrong. */
import * as F from "./frames.ts"

export const Namespace = { user: 1, pid: 2, mount: 4, network: 8, ipc: 16, uts: 32, cgroup: 64, time: 128 } as const
export const Mount = { tmpfs: 0, bind: 1, bindReadOnly: 2, readOnly: 3 } as const

type Offset = readonly [seconds: number, nanoseconds: number]

const offset = ([seconds, nanoseconds]: Offset): Buffer =>
  Buffer.concat([F.u64(BigInt.asUintN(64, BigInt(seconds))), F.u32(nanoseconds)])

export const namespaces = (
  flags: number,
  uid: number,
  gid: number,
  clocks: { readonly monotonic: Offset; readonly boottime: Offset } = { monotonic: [0, 0], boottime: [0, 0] }
): Buffer =>
  F.setup(
    F.Setup.namespaces,
    Buffer.concat([F.u32(flags, uid, gid), offset(clocks.monotonic), offset(clocks.boottime)])
  )

export const mount = (kind: number, source: string, target: string): Buffer =>
  F.setup(F.Setup.mount, Buffer.concat([F.u32(kind), F.strings(source, target)]))

export const enter = (process: number, flags: number): Buffer => F.setup(F.Setup.enter, F.u32(process, flags))

export const enterPath = (flag: number, path: string): Buffer =>
  F.setup(F.Setup.enterPath, Buffer.concat([F.u32(flag), F.strings(path)]))

export const veth = (process: number, near: string, far: string): Buffer =>
  F.setup(F.Setup.veth, Buffer.concat([F.u32(process), F.strings(near, far)]))

/** 16 bytes, of which an IPv4 address takes the first. */
const internet = (bytes: ReadonlyArray<number> | undefined): Buffer => Buffer.concat([Buffer.from(bytes ?? [])], 16)
const familyOf = (version: number): number =>
  version === 4 ? F.Address.inet : version === 6 ? F.Address.inet6 : version

export const address = (device: string, version: number, bytes: ReadonlyArray<number>, prefix: number): Buffer =>
  F.setup(
    F.Setup.address,
    Buffer.concat([Buffer.from([familyOf(version), prefix, 0, 0]), internet(bytes), F.strings(device)])
  )

export const linkUp = (device: string): Buffer => F.setup(F.Setup.linkUp, F.strings(device))

export const route = (
  device: string,
  version: number,
  to: ReadonlyArray<number>,
  prefix: number,
  via: ReadonlyArray<number> | undefined
): Buffer => {
  const head = Buffer.from([familyOf(version), prefix, via === undefined ? 0 : 1, 0])
  return F.setup(F.Setup.route, Buffer.concat([head, internet(to), internet(via), F.strings(device)]))
}
