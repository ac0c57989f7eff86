/**
 * The frames of `protocol.h` for tests: written plainly, and able to write wrong ones too.
 */

export const MAGIC = 0x5953524e
export const VERSION = 3
export const FRAME_MAX = 8 << 20
export const NO_DEADLINE = 0xffffffff

export const Request = {
  hello: 1,
  spawn: 2,
  cancel: 3,
  signal: 4,
  stop: 5,
  close: 6,
  pipe: 7,
  drop: 8,
  release: 9,
  retain: 10,
  environment: 11,
  listen: 12,
  object: 13,
  seal: 14,
  resize: 15
} as const

export const Reply = {
  ready: 64,
  started: 65,
  failed: 66,
  exited: 67,
  ended: 68,
  done: 69,
  lost: 70,
  unkillable: 71,
  refused: 72,
  listening: 73,
  notify: 74,
  object: 75,
  hangup: 76,
  cgroup: 80
} as const

export const Reach = { leader: 0, group: 1, tree: 2 } as const
export const Level = { tree: 0, group: 1, pidNamespace: 2, cgroup: 3 } as const
export const Session = { new: 0, group: 1, owner: 2 } as const
export const Flag = {
  shellFallback: 1,
  groupOnFailure: 2,
  clearEnvironment: 4,
  notify: 8,
  listenPid: 16,
  store: 32
} as const
export const Kind = { null: 0, inherit: 1, pipeIn: 2, pipeOut: 3, file: 4, object: 5 } as const
export const File = { read: 0, truncate: 1, append: 2 } as const
export const Step = {
  request: 0,
  helper: 1,
  descriptor: 2,
  fork: 3,
  session: 4,
  credentials: 5,
  cwd: 6,
  exec: 7,
  limits: 8,
  namespace: 9,
  containment: 10,
  sandbox: 11,
  terminal: 12
} as const
export const ObjectKind = { pipe: 1, socketpair: 2, file: 3, memory: 4, listen: 5, pty: 6 } as const
export const End = { first: 0, second: 1, given: 2 } as const
export const Type = { stream: 0, datagram: 1, seqpacket: 2 } as const
export const Open = { read: 1, write: 2, create: 4, exclusive: 8, truncate: 16, append: 32 } as const
export const Address = { inet: 0, inet6: 1, path: 2, abstract: 3 } as const
export const Listen = { reusePort: 1, onlyV6: 2, replaceStale: 4 } as const
export const At = {
  request: 0,
  credentials: 1,
  create: 2,
  open: 3,
  write: 4,
  seal: 5,
  option: 6,
  bind: 7,
  stale: 8,
  owner: 9,
  listen: 10
} as const
export const Setup = {
  limit: 1,
  nice: 16,
  scheduler: 17,
  ioPriority: 18,
  affinity: 19,
  oomScore: 20,
  credentials: 21,
  capabilities: 22,
  noNewPrivileges: 23,
  sandbox: 24,
  sandboxPath: 25,
  sandboxPort: 26,
  filter: 27,
  namespaces: 32,
  mount: 33,
  hostname: 34,
  loopback: 35,
  enter: 36,
  enterPath: 37,
  veth: 38,
  address: 39,
  linkUp: 40,
  route: 41,
  cgroup: 48,
  cgroupFile: 49,
  terminal: 64
} as const
/** Of a limit. */
export const infinity = 0xffff_ffff_ffff_ffffn
export const keep = 0xffff_ffff_ffff_fffen
/** Of a user, a group, a count of groups. */
export const keepId = 0xffff_ffff
export const Feature = { pidfd: 1, children: 2, realtime: 4, filters: 8 } as const

export const u8 = (value: number): Buffer => Buffer.from([value & 255])

export const u32 = (...values: ReadonlyArray<number>): Buffer => {
  const buffer = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => {
    buffer.writeUInt32LE(value >>> 0, index * 4)
  })
  return buffer
}

export const u16 = (...values: ReadonlyArray<number>): Buffer => {
  const buffer = Buffer.alloc(values.length * 2)
  values.forEach((value, index) => {
    buffer.writeUInt16LE(value, index * 2)
  })
  return buffer
}

export const strings = (...values: ReadonlyArray<string | Buffer>): Buffer =>
  Buffer.concat(values.flatMap((value) => [Buffer.from(value), Buffer.from([0])]))

export const frame = (type: number, id: number, payload: Buffer = Buffer.alloc(0), zero = 0): Buffer => {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(zero, 6)
  header.writeUInt32LE(id >>> 0, 8)
  return Buffer.concat([header, payload])
}

export interface Hello {
  readonly magic: number
  readonly version: number
  readonly ownerDeathGrace: number
  readonly spawnDeadline: number
  readonly killDeadline: number
  readonly reapers: number
}

export const hello = (given: Partial<Hello> = {}): Buffer => {
  const { magic = MAGIC, version = VERSION, ownerDeathGrace = 300, spawnDeadline = 20_000, killDeadline = 5000 } = given
  return u32(magic, version, ownerDeathGrace, spawnDeadline, killDeadline, given.reapers ?? 1)
}

/** The payload of a request for an object. */
export const object = (kind: number, ...parts: ReadonlyArray<Buffer>): Buffer => Buffer.concat([u32(kind), ...parts])

export interface Listening {
  readonly family: number
  readonly type?: number
  readonly port?: number
  readonly flags?: number
  readonly backlog?: number
  readonly mode?: number | undefined
  readonly uid?: number
  readonly gid?: number
  /** Up to 16. */
  readonly address?: ReadonlyArray<number>
  readonly name?: string
}

export const pty = (columns = 80, rows = 24, flags = 0): Buffer =>
  object(ObjectKind.pty, Buffer.concat([u16(columns, rows), u32(flags)]))

export const resize = (pty: number, columns: number, rows: number): Buffer =>
  Buffer.concat([u32(pty), u16(columns, rows)])

export const listening = (given: Listening): Buffer => {
  const unchanged = 0xffffffff
  const head = Buffer.alloc(44)
  const port = given.port ?? 0
  head.set([given.family, given.type ?? Type.stream, port & 255, port >> 8])
  const { flags = 0, backlog = 128, mode = unchanged, uid = unchanged, gid = unchanged } = given
  head.set(u32(flags, backlog, mode, uid, gid, 0), 4)
  head.set(given.address ?? [], 28)
  return object(ObjectKind.listen, head, strings(given.name ?? ""))
}

export interface Policy {
  readonly signal?: number
  readonly reach?: number
  readonly grace?: number
  readonly linger?: number
}

export const policy = ({ signal = 15, reach = Reach.group, grace = 300, linger = 300 }: Policy = {}): Buffer =>
  Buffer.concat([Buffer.from([signal, reach, 0, 0]), u32(grace, linger)])

/** What a descriptor of the child is. */
export interface Fd {
  readonly target: number
  readonly kind: number
  readonly value?: number
  readonly extra?: number
  /** With `Kind.file`, instead of `extra`. */
  readonly path?: string
}

export interface Spawn {
  readonly argv: ReadonlyArray<string | Buffer>
  readonly program?: string
  readonly cwd?: string
  readonly searchPath?: string
  readonly flags?: number
  readonly level?: number
  readonly session?: number
  readonly stop?: Policy
  readonly umask?: number
  readonly env?: ReadonlyArray<string>
  readonly fds?: ReadonlyArray<Fd>
  /** Items as {@link setup} makes them. */
  readonly setup?: ReadonlyArray<Buffer>
}

/** One item of what is arranged for the child. */
export const setup = (kind: number, payload: Buffer, size = payload.length): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(kind, 0)
  head.writeUInt16LE(size, 2)
  return Buffer.concat([head, payload])
}

export const u64 = (...values: ReadonlyArray<bigint>): Buffer => {
  const buffer = Buffer.alloc(values.length * 8)
  values.forEach((value, index) => {
    buffer.writeBigUInt64LE(value, index * 8)
  })
  return buffer
}

/** An item of each kind that is about limits, priority and identity. */
export const limit = (resource: number, soft: bigint, hard: bigint): Buffer =>
  setup(Setup.limit, Buffer.concat([u32(resource, 0), u64(soft, hard)]))

export const number = (kind: number, value: number): Buffer => setup(kind, u32(value))

export const credentials = (user: number, group: number, groups?: ReadonlyArray<number>): Buffer =>
  setup(Setup.credentials, u32(user, group, groups?.length ?? keepId, ...(groups ?? [])))

export const capabilities = (set: bigint, mode: "keep" | "drop", bounded = 0): Buffer =>
  setup(Setup.capabilities, Buffer.concat([u64(set), u32(mode === "keep" ? 0 : 1, bounded)]))

export const sandbox = (files: bigint, network = 0n, scoped = 0n): Buffer =>
  setup(Setup.sandbox, u64(files, network, scoped))

export const sandboxPath = (path: string, allowed: bigint, optional = 0): Buffer =>
  setup(Setup.sandboxPath, Buffer.concat([u64(allowed), u32(optional), strings(path)]))

export const sandboxPort = (port: number, allowed: bigint): Buffer =>
  setup(Setup.sandboxPort, u64(allowed, BigInt(port)))

export const cgroup = (path: string): Buffer => setup(Setup.cgroup, strings(path))

export const cgroupFile = (file: string, value: string): Buffer => setup(Setup.cgroupFile, strings(file, value))

/** Instructions of a filter: code, jumps, constant. */
export const filter = (
  ...instructions: ReadonlyArray<readonly [code: number, yes: number, no: number, k: number]>
): Buffer =>
  setup(
    Setup.filter,
    Buffer.concat(
      instructions.map(([code, yes, no, k]) => Buffer.concat([Buffer.from([code & 255, code >> 8, yes, no]), u32(k)]))
    )
  )

export const nothing: ReadonlyArray<Fd> = [0, 1, 2].map((target) => ({ target, kind: Kind.null }))

export const spawn = (given: Spawn): Buffer => {
  const fds = given.fds ?? nothing
  const env = given.env ?? []
  const items = Buffer.concat(given.setup ?? [])
  const paths: Array<string> = []
  const table = fds.map((fd) => {
    if (fd.path === undefined) return u32(fd.target, fd.kind, fd.value ?? 0, fd.extra ?? 0)
    paths.push(fd.path)
    return u32(fd.target, fd.kind, fd.value ?? 0, paths.length - 1)
  })
  const text = strings(
    given.program ?? given.argv[0] ?? "",
    given.cwd ?? "",
    given.searchPath ?? "/usr/bin:/bin",
    ...given.argv,
    ...env,
    ...paths
  )
  return Buffer.concat([
    u32(given.flags ?? 0),
    Buffer.from([given.level ?? Level.tree, given.session ?? Session.new, 0, 0]),
    policy(given.stop),
    u32(given.umask ?? -1, given.argv.length, env.length, paths.length, fds.length, text.length, items.length),
    ...table,
    text,
    items
  ])
}

export interface Lent {
  readonly target: number
  readonly descriptor: number
}

export interface Told {
  readonly id: number
}

export type Answer = Told &
  (
    | {
        readonly type: "ready"
        readonly version: number
        readonly keeper: number
        readonly guard: number
        readonly features: number
      }
    | { readonly type: "started"; readonly pid: number; readonly reaper: number; readonly lent: ReadonlyArray<Lent> }
    | { readonly type: "failed"; readonly step: number; readonly errno: number; readonly target: number }
    | {
        readonly type: "exited"
        readonly status: number
        readonly ended: boolean
        readonly userTime: number
        readonly systemTime: number
        readonly maxResident: number
      }
    | { readonly type: "ended"; readonly collected: number }
    | {
        readonly type: "cgroup"
        /** Microseconds. */
        readonly cpuTime: number
        readonly oomKills: number
        readonly outOfMemory: boolean
      }
    | { readonly type: "done"; readonly errno: number }
    | { readonly type: "lost"; readonly reaper: number }
    | { readonly type: "unkillable"; readonly count: number; readonly pids: ReadonlyArray<number> }
    | { readonly type: "refused"; readonly errno: number; readonly text: string }
    | { readonly type: "hangup"; readonly relay: number }
    | { readonly type: "listening"; readonly secret: Buffer; readonly name: string }
    | {
        readonly type: "object"
        readonly errno: number
        readonly step: number
        /** Their numbers in the keeper. */
        readonly ends: readonly [first: number, second: number]
        readonly port: number
      }
    | {
        readonly type: "notify"
        readonly pid: number
        readonly sender: "member" | "stranger" | "gone"
        readonly cut: boolean
        readonly stored: ReadonlyArray<number>
        readonly text: string
      }
  )

const senders = ["member", "stranger", "gone"] as const

const sizes: ReadonlyMap<number, number> = new Map([
  [Reply.ready, 28],
  [Reply.failed, 12],
  [Reply.exited, 88],
  [Reply.ended, 12],
  [Reply.cgroup, 64],
  [Reply.done, 4],
  [Reply.lost, 4]
])

const payloadOf = (type: number, id: number, at: Buffer): Answer => {
  const size = sizes.get(type)
  if (size !== undefined && at.length !== size) throw new Error(`a reply of type ${type} has ${at.length} bytes`)
  const word = (index: number): number => at.readUInt32LE(index * 4)
  const long = (offset: number): number => Number(at.readBigUInt64LE(offset))
  const rest = (offset: number): ReadonlyArray<number> =>
    Array.from({ length: (at.length - offset) / 4 }, (_, index) => at.readUInt32LE(offset + index * 4))
  switch (type) {
    case Reply.ready:
      return { type: "ready", id, version: word(0), keeper: word(1), guard: word(2), features: word(3) }
    case Reply.started: {
      const numbers = rest(20)
      const lent = Array.from({ length: word(4) }, (_, index) => ({
        target: numbers[index * 2] ?? -1,
        descriptor: numbers[index * 2 + 1] ?? -1
      }))
      if (at.length !== 20 + lent.length * 8) throw new Error("a STARTED of the wrong size")
      return { type: "started", id, pid: word(0), reaper: word(1), lent }
    }
    case Reply.failed:
      return { type: "failed", id, step: word(0), errno: word(1), target: at.readInt32LE(8) }
    case Reply.exited:
      return {
        type: "exited",
        id,
        status: at.readInt32LE(0),
        ended: word(1) === 1,
        userTime: long(16),
        systemTime: long(24),
        maxResident: long(32)
      }
    case Reply.ended:
      return { type: "ended", id, collected: word(2) }
    case Reply.cgroup:
      return { type: "cgroup", id, cpuTime: long(0), oomKills: word(14), outOfMemory: word(15) === 1 }
    case Reply.done:
      return { type: "done", id, errno: word(0) }
    case Reply.lost:
      return { type: "lost", id, reaper: word(0) }
    case Reply.unkillable:
      return { type: "unkillable", id, count: word(0), pids: rest(4) }
    case Reply.refused:
      return { type: "refused", id, errno: word(0), text: at.toString("utf8", 4) }
    case Reply.listening:
      return { type: "listening", id, secret: at.subarray(0, 16), name: at.toString("latin1", 16) }
    case Reply.object: {
      const [errno, step] = [word(0), word(1)]
      if (at.length === 8) return { type: "object", id, errno, step, ends: [-1, -1], port: 0 }
      if (at.length !== 20 || errno !== 0) throw new Error("an OBJECT of the wrong size")
      return { type: "object", id, errno, step, ends: [at.readInt32LE(8), at.readInt32LE(12)], port: word(4) }
    }
    case Reply.hangup:
      return { type: "hangup", id, relay: word(0) }
    case Reply.notify: {
      const sender = senders[at.readUInt8(4)]
      if (sender === undefined) throw new Error("a NOTIFY from nobody known")
      const stored = Array.from({ length: at.readUInt16LE(6) }, (_, index) => word(2) + index)
      return {
        type: "notify",
        id,
        pid: word(0),
        sender,
        cut: at.readUInt8(5) === 1,
        stored,
        text: at.toString("latin1", 12)
      }
    }
    default:
      throw new Error(`a reply of the unknown type ${type}`)
  }
}

/** Takes the whole frames off the front; the rest comes back. */
export const decode = (bytes: Buffer, each: (answer: Answer) => void): Buffer => {
  let at = 0
  while (bytes.length - at >= 12) {
    const size = bytes.readUInt32LE(at)
    if (size > FRAME_MAX) throw new Error(`a reply of ${size} bytes`)
    if (bytes.length - at < 12 + size) break
    if (bytes.readUInt16LE(at + 6) !== 0) throw new Error("a reply with a reserved field that is not zero")
    each(payloadOf(bytes.readUInt16LE(at + 4), bytes.readUInt32LE(at + 8), bytes.subarray(at + 12, at + 12 + size)))
    at += 12 + size
  }
  return bytes.subarray(at)
}
