/**
 * Requests to the keeper, written one after the other into one buffer that is reused from burst to burst.
 *
 * A spawn costs the event loop what is in here, so nothing is allocated per frame: numbers go in through a DataView, strings
 * are encoded in place.
 *
 * @internal
 */
import type { FdRequest, LimitValue, Reach as ReachName, SetupItem, SpawnRequest, StopPolicy } from "../backend.ts"
import * as F from "./frames.ts"
import * as NamespaceItems from "./namespaceItems.ts"
import { KeptObject } from "./objects.ts"

/** Why a frame could not be written; nothing of it is in the buffer then. */
export type Unwritable = "too big" | "malformed"

export interface Tuning {
  /** Milliseconds from the start of the guard until the keeper answers. */
  readonly readyDeadline: number
  /** Milliseconds. */
  readonly ownerDeathGrace: number
  /** Milliseconds. */
  readonly spawnDeadline: number
  /** Milliseconds. */
  readonly killDeadline: number
  readonly idleReapers: number
}

/** What a buffer holds when nothing is in it; larger ones are given back after their burst. */
const INITIAL_SIZE = 64 * 1024
const KEPT_SIZE = 1024 * 1024

/** UTF-8 needs at most three bytes for one UTF-16 unit. */
const BYTES_PER_UNIT = 3

/** Bytes of one item of a setup. */
const ITEM_MAX = 0xffff

const limitValue = (value: LimitValue): bigint =>
  value === "unlimited" ? F.LIMIT_INFINITY : value === "keep" ? F.LIMIT_KEEP : value

const none: ReadonlyArray<SetupItem> = []

const milliseconds = (value: number | undefined): number =>
  value === undefined ? F.NO_DEADLINE : Math.min(Math.max(Math.ceil(value), 0), F.NO_DEADLINE - 1)

export class Encoder {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE)
  #view = new DataView(this.#buffer.buffer, 0, INITIAL_SIZE)
  #end = 0
  #frame = 0
  #sent = 0

  get size(): number {
    return this.#end
  }

  /** How many bytes were there at the last `reset`, since the first frame. */
  get sent(): number {
    return this.#sent
  }

  /** Where the next frame begins, in the same count. */
  get position(): number {
    return this.#sent + this.#end
  }

  /** What has been written since the last `reset`. Valid until the next call. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  /** Starts over. `kept`: somebody still reads the bytes, so that the next frames need another buffer. */
  reset(kept: boolean): void {
    this.#sent += this.#end
    this.#end = 0
    if (kept || this.#buffer.length > KEPT_SIZE) {
      this.#buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE)
      this.#view = new DataView(this.#buffer.buffer, 0, INITIAL_SIZE)
    }
  }

  hello(id: number, tuning: Tuning): void {
    const at = this.#begin(F.Request.hello, id, F.Hello.size)
    const view = this.#view
    view.setUint32(at + F.Hello.at.magic, F.MAGIC, true)
    view.setUint32(at + F.Hello.at.version, F.VERSION, true)
    view.setUint32(at + F.Hello.at.ownerDeathGrace, milliseconds(tuning.ownerDeathGrace), true)
    view.setUint32(at + F.Hello.at.spawnDeadline, milliseconds(tuning.spawnDeadline), true)
    view.setUint32(at + F.Hello.at.killDeadline, milliseconds(tuning.killDeadline), true)
    view.setUint32(at + F.Hello.at.reapers, tuning.idleReapers, true)
    this.#finish()
  }

  /**
   * `objects`: for each of `request.fds` the id of the object that it is, or 0 for what the request itself says. `group`: that of the
   * nursery, for level `cgroup`.
   */
  spawn(
    id: number,
    request: SpawnRequest,
    objects: ReadonlyArray<number> | undefined,
    group?: string | undefined
  ): Unwritable | undefined {
    const fds = request.fds
    const at = this.#begin(F.Request.spawn, id, F.Spawn.size + fds.length * F.SpawnFd.size)
    const strings = this.#end
    const unwritable =
      this.#words(request) ??
      this.#environmentChanges(request.env) ??
      this.#descriptors(at + F.Spawn.size, fds, objects)
    if (unwritable !== undefined) return this.#undo(unwritable)
    const setup = this.#end
    for (const item of request.setup ?? none) {
      const problem = this.#item(item)
      if (problem !== undefined) return this.#undo(problem)
    }
    if (group !== undefined) {
      const problem = this.#strings(F.SetupKind.cgroup, group)
      if (problem !== undefined) return this.#undo(problem)
    }
    if (this.#end - setup > F.SETUP_MAX) return this.#undo("too big")
    const view = this.#view
    view.setUint32(
      at + F.Spawn.at.flags,
      (request.shellFallback ? F.SpawnFlag.shellFallback : 0) |
        (request.groupOnFailure ? F.SpawnFlag.groupOnFailure : 0) |
        (request.clearEnv ? F.SpawnFlag.clearEnvironment : 0) |
        (request.notify === true ? F.SpawnFlag.notify : 0) |
        (request.listenPid === true ? F.SpawnFlag.listenPid : 0) |
        (request.store === true ? F.SpawnFlag.store : 0) |
        (request.foreground === true ? F.SpawnFlag.foreground : 0),
      true
    )
    view.setUint8(at + F.Spawn.at.level, F.Level[request.level])
    view.setUint8(at + F.Spawn.at.session, F.Session[request.session])
    view.setUint16(at + F.Spawn.at.zero, 0, true)
    this.#policy(at + F.Spawn.at.stop, request.stop)
    view.setInt32(at + F.Spawn.at.umask, request.umask ?? F.UMASK_OF_OWNER, true)
    view.setUint32(at + F.Spawn.at.argc, request.argv.length, true)
    view.setUint32(at + F.Spawn.at.envc, request.env.length, true)
    view.setUint32(at + F.Spawn.at.filec, this.#files, true)
    view.setUint32(at + F.Spawn.at.fdCount, fds.length, true)
    view.setUint32(at + F.Spawn.at.stringSize, setup - strings, true)
    view.setUint32(at + F.Spawn.at.setupSize, this.#end - setup, true)
    return this.#finishLong()
  }

  cancel(id: number): void {
    this.#empty(F.Request.cancel, id)
  }

  signal(id: number, process: number, signal: number, reach: ReachName): void {
    const at = this.#begin(F.Request.signal, id, F.SignalRequest.size)
    const view = this.#view
    view.setUint32(at + F.SignalRequest.at.process, process, true)
    view.setUint8(at + F.SignalRequest.at.signal, signal)
    view.setUint8(at + F.SignalRequest.at.reach, F.Reach[reach])
    view.setUint16(at + F.SignalRequest.at.zero, 0, true)
    this.#finish()
  }

  stop(id: number, policy: StopPolicy): void {
    this.#policy(this.#begin(F.Request.stop, id, F.StopPolicy.size), policy)
    this.#finish()
  }

  close(id: number, descriptors: ReadonlyArray<number>): void {
    const at = this.#begin(F.Request.close, id, descriptors.length * 4)
    for (let index = 0; index < descriptors.length; index++) {
      this.#view.setInt32(at + index * 4, descriptors[index] ?? -1, true)
    }
    this.#finish()
  }

  pipe(id: number): void {
    this.#view.setUint32(this.#begin(F.Request.pipe, id, 4), 0, true)
    this.#finish()
  }

  /** All of it, or one of its ends. */
  drop(id: number, end?: number): void {
    if (end === undefined) {
      this.#empty(F.Request.drop, id)
      return
    }
    this.#view.setUint32(this.#begin(F.Request.drop, id, 4), end, true)
    this.#finish()
  }

  resize(id: number, pty: number, columns: number, rows: number): void {
    const at = this.#begin(F.Request.resize, id, F.Resize.size)
    this.#view.setUint32(at + F.Resize.at.pty, pty, true)
    this.#view.setUint16(at + F.Resize.at.columns, columns, true)
    this.#view.setUint16(at + F.Resize.at.rows, rows, true)
    this.#finish()
  }

  object(id: number, payload: Uint8Array): void {
    const at = this.#begin(F.Request.object, id, payload.length)
    this.#buffer.set(payload, at)
    this.#finish()
  }

  seal(id: number): void {
    this.#empty(F.Request.seal, id)
  }

  release(id: number): void {
    this.#empty(F.Request.release, id)
  }

  retain(id: number): void {
    this.#empty(F.Request.retain, id)
  }

  environment(id: number, names: ReadonlyArray<string>, values: ReadonlyArray<string>): Unwritable | undefined {
    this.#view.setUint32(this.#begin(F.Request.environment, id, 4), names.length, true)
    for (let index = 0; index < names.length; index++) {
      const unwritable = this.#assignment(names[index] ?? "", values[index] ?? "")
      if (unwritable !== undefined) return this.#undo(unwritable)
    }
    return this.#finishLong()
  }

  listen(id: number): void {
    this.#empty(F.Request.listen, id)
  }

  /** How many files the descriptors of the spawn being written name. */
  #files = 0

  #words(request: SpawnRequest): Unwritable | undefined {
    let unwritable = this.#string(request.program) ?? this.#string(request.cwd) ?? this.#string(request.searchPath)
    const argv = request.argv
    for (let index = 0; index < argv.length && unwritable === undefined; index++) {
      unwritable = this.#string(argv[index] ?? "")
    }
    return unwritable
  }

  #environmentChanges(env: SpawnRequest["env"]): Unwritable | undefined {
    for (let index = 0; index < env.length; index++) {
      const change = env[index]
      if (change === undefined) continue
      const [name, value] = change
      // With a `=` in it the name would set another variable than the one it names.
      if (name === "" || name.includes("=")) return "malformed"
      const unwritable = value === undefined ? this.#string(name) : this.#assignment(name, value)
      if (unwritable !== undefined) return unwritable
    }
    return undefined
  }

  /** Writes the table at `at`, which is reserved, and appends the paths of files. */
  #descriptors(
    at: number,
    fds: ReadonlyArray<FdRequest>,
    objects: ReadonlyArray<number> | undefined
  ): Unwritable | undefined {
    this.#files = 0
    for (let index = 0; index < fds.length; index++) {
      const fd = fds[index]
      if (fd === undefined) continue
      // A number that does not fit would be cut to another descriptor's.
      if (fd.target < 0 || fd.target !== (fd.target | 0)) return "malformed"
      const object = objects?.[index] ?? 0
      const unwritable =
        object !== 0 ? this.#descriptor(at, fd.target, F.FdKind.object, object, 0) : this.#requested(at, fd)
      if (unwritable !== undefined) return unwritable
      at += F.SpawnFd.size
    }
    return undefined
  }

  #requested(at: number, fd: FdRequest): Unwritable | undefined {
    switch (fd.kind) {
      case "null":
        return this.#descriptor(at, fd.target, F.FdKind.null, 0, 0)
      case "inherit":
        if (fd.source < 0 || fd.source !== (fd.source | 0)) return "malformed"
        return this.#descriptor(at, fd.target, F.FdKind.inherit, fd.source, 0)
      case "pipeIn":
        return this.#descriptor(at, fd.target, F.FdKind.pipeIn, fd.size ?? 0, 0)
      case "pipeOut":
        return this.#descriptor(at, fd.target, F.FdKind.pipeOut, fd.size ?? 0, 0)
      case "joined":
        return this.#descriptor(at, fd.target, F.FdKind.object, fd.pipe.id, fd.end === "read" ? 0 : 1)
      case "file":
        return this.#descriptor(at, fd.target, F.FdKind.file, F.FdFile[fd.mode], this.#files++) ?? this.#string(fd.path)
      case "held": {
        // Of another backend it has been refused before.
        if (!(fd.held instanceof KeptObject)) return "malformed"
        const end = fd.end + (fd.given ? F.ObjectEnd.given : 0)
        return this.#descriptor(at, fd.target, F.FdKind.object, fd.held.id, end)
      }
      case "duplex":
        // A socket is an object, always: its id is in `objects`.
        return "malformed"
    }
  }

  #descriptor(at: number, target: number, kind: number, value: number, extra: number): undefined {
    const view = this.#view
    view.setInt32(at + F.SpawnFd.at.target, target, true)
    view.setUint32(at + F.SpawnFd.at.kind, kind, true)
    view.setUint32(at + F.SpawnFd.at.value, value, true)
    view.setUint32(at + F.SpawnFd.at.extra, extra, true)
  }

  #item(item: SetupItem): Unwritable | undefined {
    switch (item.kind) {
      case "namespaces":
      case "mount":
      case "hostname":
      case "loopback":
      case "enter":
      case "enterPath":
      case "veth":
      case "address":
      case "linkUp":
      case "route": {
        const [kind, payload] = NamespaceItems.encode(item)
        const at = this.#beginItem(kind, payload.length)
        payload.copy(this.#buffer, at)
        return undefined
      }
      case "limit":
        return this.#limit(item)
      case "nice":
        return this.#number(F.SetupKind.nice, item.value)
      case "ioPriority":
        return this.#number(F.SetupKind.ioPriority, item.value)
      case "oomScore":
        return this.#number(F.SetupKind.oomScore, item.value)
      case "scheduler": {
        const at = this.#beginItem(F.SetupKind.scheduler, F.SetupScheduler.size)
        this.#view.setUint32(at + F.SetupScheduler.at.policy, item.policy, true)
        this.#view.setUint32(at + F.SetupScheduler.at.priority, item.priority, true)
        return undefined
      }
      case "affinity":
        return this.#affinity(item.cpus)
      case "credentials":
        return this.#credentials(item)
      case "capabilities": {
        const at = this.#beginItem(F.SetupKind.capabilities, F.SetupCapabilities.size)
        this.#view.setBigUint64(at + F.SetupCapabilities.at.set, item.set, true)
        this.#view.setUint32(at + F.SetupCapabilities.at.mode, F.CapabilityMode[item.mode], true)
        this.#view.setUint32(at + F.SetupCapabilities.at.bounded, item.bounded ? 1 : 0, true)
        return undefined
      }
      case "noNewPrivileges":
        this.#beginItem(F.SetupKind.noNewPrivileges, 0)
        return undefined
      case "sandbox": {
        const at = this.#beginItem(F.SetupKind.sandbox, F.SetupSandbox.size)
        this.#view.setBigUint64(at + F.SetupSandbox.at.files, item.files, true)
        this.#view.setBigUint64(at + F.SetupSandbox.at.network, item.network, true)
        this.#view.setBigUint64(at + F.SetupSandbox.at.scoped, item.scoped, true)
        return undefined
      }
      case "sandboxPath":
        return this.#sandboxPath(item)
      case "sandboxPort": {
        const at = this.#beginItem(F.SetupKind.sandboxPort, F.SetupSandboxPort.size)
        this.#view.setBigUint64(at + F.SetupSandboxPort.at.allowed, item.allowed, true)
        this.#view.setBigUint64(at + F.SetupSandboxPort.at.port, BigInt(item.port), true)
        return undefined
      }
      case "terminal": {
        const at = this.#beginItem(F.SetupKind.terminal, F.SetupTerminal.size)
        this.#view.setInt32(at + F.SetupTerminal.at.target, item.target, true)
        return undefined
      }
      case "cgroupFile":
        return this.#strings(F.SetupKind.cgroupFile, item.file, item.value)
      case "filter": {
        if (item.instructions.length > ITEM_MAX) return "too big"
        const at = this.#beginItem(F.SetupKind.filter, item.instructions.length)
        this.#buffer.set(item.instructions, at)
        return undefined
      }
    }
  }

  #sandboxPath({ allowed, optional, path }: SetupItem & { readonly kind: "sandboxPath" }): Unwritable | undefined {
    if (path.includes("\0")) return "malformed"
    const size = F.SetupSandboxPath.size + Buffer.byteLength(path) + 1
    if (size > ITEM_MAX) return "too big"
    const at = this.#beginItem(F.SetupKind.sandboxPath, size)
    this.#view.setBigUint64(at + F.SetupSandboxPath.at.allowed, allowed, true)
    this.#view.setUint32(at + F.SetupSandboxPath.at.optional, optional ? 1 : 0, true)
    this.#buffer.write(path, at + F.SetupSandboxPath.size)
    this.#buffer[at + size - 1] = 0
    return undefined
  }

  /** An item that consists of them. */
  #strings(kind: number, ...texts: ReadonlyArray<string>): Unwritable | undefined {
    if (texts.some((text) => text.includes("\0"))) return "malformed"
    const payload = Buffer.from(texts.map((text) => `${text}\0`).join(""))
    if (payload.length > ITEM_MAX) return "too big"
    const at = this.#beginItem(kind, payload.length)
    payload.copy(this.#buffer, at)
    return undefined
  }

  #limit({ hard, resource, soft }: SetupItem & { readonly kind: "limit" }): undefined {
    const at = this.#beginItem(F.SetupKind.limit, F.SetupLimit.size)
    const view = this.#view
    view.setUint32(at + F.SetupLimit.at.resource, resource, true)
    view.setUint32(at + F.SetupLimit.at.zero, 0, true)
    view.setBigUint64(at + F.SetupLimit.at.soft, limitValue(soft), true)
    view.setBigUint64(at + F.SetupLimit.at.hard, limitValue(hard), true)
  }

  #number(kind: number, value: number): undefined {
    const at = this.#beginItem(kind, F.SetupNumber.size)
    this.#view.setInt32(at + F.SetupNumber.at.value, value, true)
  }

  #affinity(cpus: ReadonlyArray<number>): undefined {
    const size = (Math.floor(Math.max(0, ...cpus) / 64) + 1) * 8
    const at = this.#beginItem(F.SetupKind.affinity, size)
    this.#buffer.fill(0, at, at + size)
    for (const cpu of cpus) {
      const byte = at + (cpu >> 3)
      this.#buffer[byte] = (this.#buffer[byte] ?? 0) | (1 << (cpu & 7))
    }
  }

  #credentials({ group, groups, user }: SetupItem & { readonly kind: "credentials" }): Unwritable | undefined {
    const size = F.SetupCredentials.size + (groups?.length ?? 0) * 4
    if (size > ITEM_MAX) return "too big"
    const at = this.#beginItem(F.SetupKind.credentials, size)
    const view = this.#view
    view.setUint32(at + F.SetupCredentials.at.user, user ?? F.ID_KEEP, true)
    view.setUint32(at + F.SetupCredentials.at.group, group ?? F.ID_KEEP, true)
    view.setUint32(at + F.SetupCredentials.at.groups, groups?.length ?? F.ID_KEEP, true)
    groups?.forEach((id, index) => {
      view.setUint32(at + F.SetupCredentials.size + index * 4, id, true)
    })
    return undefined
  }

  /** Begins an item of the setup with a payload of that size, and returns where that is. */
  #beginItem(kind: number, size: number): number {
    this.#reserve(F.Setup.size + size)
    const at = this.#end
    this.#view.setUint16(at + F.Setup.at.kind, kind, true)
    this.#view.setUint16(at + F.Setup.at.size, size, true)
    this.#end += F.Setup.size + size
    return at + F.Setup.size
  }

  #policy(at: number, policy: StopPolicy): void {
    const view = this.#view
    view.setUint8(at + F.StopPolicy.at.signal, policy.signal)
    view.setUint8(at + F.StopPolicy.at.reach, F.Reach[policy.reach])
    view.setUint16(at + F.StopPolicy.at.zero, 0, true)
    view.setUint32(at + F.StopPolicy.at.grace, milliseconds(policy.grace), true)
    view.setUint32(at + F.StopPolicy.at.linger, milliseconds(policy.linger), true)
  }

  /** Appends a string and its NUL. */
  #string(text: string): Unwritable | undefined {
    const unwritable = this.#text(text)
    if (unwritable === undefined) this.#buffer[this.#end++] = 0
    return unwritable
  }

  #assignment(name: string, value: string): Unwritable | undefined {
    const unwritable = this.#text(name)
    if (unwritable !== undefined) return unwritable
    this.#buffer[this.#end++] = 0x3d
    return this.#string(value)
  }

  /** Leaves room for one byte more. */
  #text(text: string): Unwritable | undefined {
    // Before anything is allocated for it: a string may be half a gigabyte long.
    if (this.#end - this.#frame - F.FrameHeader.size + text.length > F.FRAME_MAX) return "too big"
    if (text.includes("\0")) return "malformed"
    this.#reserve(text.length * BYTES_PER_UNIT + 1)
    this.#end += this.#buffer.write(text, this.#end)
    return undefined
  }

  #empty(type: number, id: number): void {
    this.#begin(type, id, 0)
    this.#finish()
  }

  /** Begins a frame with `fixed` bytes of payload reserved, and returns where those are. */
  #begin(type: number, id: number, fixed: number): number {
    const size = F.FrameHeader.size + fixed
    this.#reserve(size)
    this.#frame = this.#end
    const view = this.#view
    view.setUint16(this.#frame + F.FrameHeader.at.type, type, true)
    view.setUint16(this.#frame + F.FrameHeader.at.zero, 0, true)
    view.setUint32(this.#frame + F.FrameHeader.at.id, id, true)
    this.#end += size
    return this.#frame + F.FrameHeader.size
  }

  #finish(): void {
    this.#view.setUint32(this.#frame + F.FrameHeader.at.size, this.#end - this.#frame - F.FrameHeader.size, true)
  }

  #finishLong(): Unwritable | undefined {
    if (this.#end - this.#frame - F.FrameHeader.size > F.FRAME_MAX) return this.#undo("too big")
    this.#finish()
    return undefined
  }

  #undo(unwritable: Unwritable): Unwritable {
    this.#end = this.#frame
    return unwritable
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#end)
    this.#buffer = grown
    this.#view = new DataView(grown.buffer, 0, grown.length)
  }
}
