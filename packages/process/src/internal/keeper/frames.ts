/**
 * The frames between this program and the keeper: every number, name, offset and size that the two agree on.
 *
 * It says what `packages/keeper/src/protocol.h` says; a test compares the two name by name and offset by offset. A layout lists
 * the fields of a packed struct in their order, and offsets and sizes follow from that list alone. All numbers are
 * little-endian.
 *
 * @internal
 */

export const MAGIC = 0x5953524e
export const VERSION = 3
/** Bytes of payload. */
export const FRAME_MAX = 8 << 20
/** For grace and linger: as long as it takes. */
export const NO_DEADLINE = 0xffffffff
export const UMASK_OF_OWNER = -1

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

export const Feature = { pidfd: 1, children: 2, realtime: 4, filters: 8 } as const
/** Of the features: in the bits above is the version of the interface of Landlock, 0: none. */
export const LANDLOCK_SHIFT = 24
export const Reach = { leader: 0, group: 1, tree: 2 } as const
export const Level = { tree: 0, group: 1, "pid-namespace": 2, cgroup: 3 } as const
export const Session = { new: 0, group: 1, owner: 2 } as const
export const SpawnFlag = {
  shellFallback: 1,
  groupOnFailure: 2,
  clearEnvironment: 4,
  notify: 8,
  listenPid: 16,
  store: 32,
  foreground: 64
} as const
export const FdKind = { null: 0, inherit: 1, pipeIn: 2, pipeOut: 3, file: 4, object: 5 } as const
export const FdFile = { read: 0, truncate: 1, append: 2 } as const
export const SpawnStep = {
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
/** The ends of an object; `given` besides, in a spawn: the child's is the only copy once it has started. */
export const ObjectEnd = { first: 0, second: 1, given: 2 } as const
export const SocketType = { stream: 0, datagram: 1, seqpacket: 2 } as const
export const OpenFlag = { read: 1, write: 2, create: 4, exclusive: 8, truncate: 16, append: 32 } as const
export const AddressFamily = { inet: 0, inet6: 1, path: 2, abstract: 3 } as const
export const PtyFlag = { raw: 1, noEcho: 2 } as const
export const ListenFlag = { reusePort: 1, onlyV6: 2, replaceStale: 4 } as const
/** Of the mode and the owners of a path: as they come. */
export const UNCHANGED = 0xffffffff
export const ObjectStep = {
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

/** What `Failed.target` is for the step `containment`. */
export const ContainmentPart = { namespaces: 0, ids: 1, mounts: 2, cgroups: 3, cgroup: 4, enter: 5 } as const

export const SetupKind = {
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
export const NamespaceFlag = {
  user: 1,
  pid: 2,
  mount: 4,
  network: 8,
  ipc: 16,
  uts: 32,
  cgroup: 64,
  time: 128
} as const
export const MountKind = { tmpfs: 0, bind: 1, bindReadOnly: 2, readOnly: 3 } as const
/** Of a limit: none. */
export const LIMIT_INFINITY = 0xffff_ffff_ffff_ffffn
/** Of a limit: as it is. */
export const LIMIT_KEEP = 0xffff_ffff_ffff_fffen
/** Of a user, a group or a count of groups: as it is. */
export const ID_KEEP = 0xffff_ffff

/** Of a filter. */
export const FILTER_INSTRUCTION = 8
export const FILTER_MAX = 4096

export const CapabilityMode = { keep: 0, drop: 1 } as const

export const NotifySender = { member: 0, stranger: 1, gone: 2 } as const

type Field = "u8" | "u16" | "u32" | "i32" | "u64" | Layout<string>

/** Where the fields of a packed struct are. */
export interface Layout<Name extends string> {
  readonly size: number
  readonly at: { readonly [N in Name]: number }
}

const widths = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8 } as const

const layout = <Name extends string>(fields: { readonly [N in Name]: Field }): Layout<Name> => {
  const at: Record<string, number> = {}
  let size = 0
  for (const [name, field] of Object.entries<Field>(fields)) {
    at[name] = size
    size += typeof field === "string" ? widths[field] : field.size
  }
  // The loop above has just set every name of `fields`.
  return { size, at: at as { readonly [N in Name]: number } }
}

export const FrameHeader = layout({ size: "u32", type: "u16", zero: "u16", id: "u32" })

export const Hello = layout({
  magic: "u32",
  version: "u32",
  ownerDeathGrace: "u32",
  spawnDeadline: "u32",
  killDeadline: "u32",
  reapers: "u32"
})

export const Ready = layout({
  version: "u32",
  keeper: "u32",
  guard: "u32",
  features: "u32",
  time: "u64",
  progress: "i32"
})

export const StopPolicy = layout({ signal: "u8", reach: "u8", zero: "u16", grace: "u32", linger: "u32" })

export const SignalRequest = layout({ process: "u32", signal: "u8", reach: "u8", zero: "u16" })

export const Spawn = layout({
  flags: "u32",
  level: "u8",
  session: "u8",
  zero: "u16",
  stop: StopPolicy,
  umask: "i32",
  argc: "u32",
  envc: "u32",
  filec: "u32",
  fdCount: "u32",
  stringSize: "u32",
  setupSize: "u32"
})

/** Bytes of all items of a spawn. */
export const SETUP_MAX = 65536

export const Setup = layout({ kind: "u16", size: "u16" })

export const SetupLimit = layout({ resource: "u32", zero: "u32", soft: "u64", hard: "u64" })

export const SetupNumber = layout({ value: "i32" })

export const SetupScheduler = layout({ policy: "u32", priority: "u32" })

export const SetupCredentials = layout({ user: "u32", group: "u32", groups: "u32" })

export const SetupSandbox = layout({ files: "u64", network: "u64", scoped: "u64" })

export const SetupSandboxPath = layout({ allowed: "u64", optional: "u32" })

export const SetupSandboxPort = layout({ allowed: "u64", port: "u64" })

export const SetupCapabilities = layout({ set: "u64", mode: "u32", bounded: "u32" })

export const ClockOffset = layout({ seconds: "u64", nanoseconds: "u32" })

export const SetupNamespaces = layout({
  flags: "u32",
  uid: "u32",
  gid: "u32",
  monotonic: ClockOffset,
  boottime: ClockOffset
})

export const SetupMount = layout({ kind: "u32" })

export const SetupEnter = layout({ process: "u32", flags: "u32" })

export const SetupEnterPath = layout({ flag: "u32" })

export const SetupVeth = layout({ process: "u32" })

export const InternetAddress = layout({ start: "u64", rest: "u64" })

export const SetupAddress = layout({ family: "u8", prefix: "u8", zero: "u16", address: InternetAddress })

export const SetupRoute = layout({
  family: "u8",
  prefix: "u8",
  routed: "u8",
  zero: "u8",
  destination: InternetAddress,
  gateway: InternetAddress
})

export const SetupTerminal = layout({ target: "i32" })

export const SpawnFd = layout({ target: "i32", kind: "u32", value: "u32", extra: "u32" })

export const ObjectRequest = layout({ kind: "u32" })

export const ObjectPipe = layout({ size: "u32" })

export const ObjectSocketpair = layout({ type: "u32" })

export const ObjectFile = layout({ flags: "u32", mode: "u32" })

export const ObjectMemory = layout({ sealed: "u32", size: "u64" })

export const ObjectListen = layout({
  family: "u8",
  type: "u8",
  port: "u16",
  flags: "u32",
  backlog: "u32",
  mode: "u32",
  uid: "u32",
  gid: "u32",
  scope: "u32",
  address: "u64",
  addressRest: "u64"
})

export const ObjectPty = layout({ columns: "u16", rows: "u16", flags: "u32" })

export const Resize = layout({ pty: "u32", columns: "u16", rows: "u16" })

export const ObjectTold = layout({ errno: "u32", step: "u32" })

export const ObjectEnds = layout({ first: "i32", second: "i32", port: "u32" })

export const Started = layout({ pid: "u32", reaper: "u32", time: "u64", count: "u32" })

export const LentFd = layout({ target: "i32", descriptor: "i32" })

export const Failed = layout({ step: "u32", errno: "u32", target: "i32" })

export const Exited = layout({
  status: "i32",
  ended: "u32",
  time: "u64",
  userTime: "u64",
  systemTime: "u64",
  maxResident: "u64",
  minorFaults: "u64",
  majorFaults: "u64",
  blockInput: "u64",
  blockOutput: "u64",
  voluntarySwitches: "u64",
  involuntarySwitches: "u64"
})

/** What is not known of a cgroup. */
export const CGROUP_UNKNOWN = 0xffff_ffff_ffff_ffffn

/** Bytes of the path of the group of a nursery. */
export const CGROUP_PATH_MAX = 3072

export const CgroupTold = layout({
  cpuTime: "u64",
  userTime: "u64",
  systemTime: "u64",
  throttledTime: "u64",
  memoryPeak: "u64",
  readBytes: "u64",
  writtenBytes: "u64",
  oomKills: "u32",
  outOfMemory: "u32"
})

export const Notify = layout({ pid: "u32", sender: "u8", cut: "u8", stored: "u16", first: "u32" })

/** Bytes of the text of a NOTIFY. */
export const NOTIFY_MAX = 4096

/** Objects that the keeper makes by itself are numbered from here. */
export const STORED_FIRST = 0x80000000

/** Characters of the variable LISTEN_PID that the pid is written over. */
export const LISTEN_PID_ROOM = 10

export const Ended = layout({ time: "u64", collected: "u32" })

/** The secret in LISTENING, which a connection begins with. */
export const SECRET_SIZE = 16
