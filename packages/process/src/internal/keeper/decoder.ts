/**
 * Replies of the keeper, read from a byte stream that may be cut anywhere.
 *
 * Nothing that arrives is trusted: whatever does not follow the protocol ends in `violation`, once, after which nothing more is
 * reported.
 *
 * @internal
 */
import type { RawCgroupUsage, RawNotification, RawUsage, Step } from "../backend.ts"
import * as F from "./frames.ts"

export interface ReadyReply {
  readonly version: number
  readonly keeper: number
  readonly guard: number
  /** Bits of `frames.Feature`. */
  readonly features: number
  /** The file that says how many bytes of requests it has begun to carry out, to be opened through its descriptor table; -1: none. */
  readonly progress: number
}

/** An end of a pipe, to be opened through the keeper's descriptor table. */
export interface LentFd {
  readonly target: number
  readonly descriptor: number
}

/** What the frames mean. `id` is a process or a request. */
export interface ReplyHandler {
  ready(reply: ReadyReply): void
  started(id: number, pid: number, reaper: number, lent: ReadonlyArray<LentFd>): void
  failed(id: number, step: Step, errno: number, target: number): void
  /** `ended`: nothing of the tree is left either. */
  exited(id: number, status: number, usage: RawUsage, ended: boolean): void
  ended(id: number): void
  /** Before EXITED, and again before an ENDED that comes later. */
  cgroup(id: number, usage: RawCgroupUsage): void
  done(id: number, errno: number): void
  lost(id: number, reaper: number): void
  unkillable(id: number, pids: ReadonlyArray<number>): void
  refused(id: number, errno: number, text: string): void
  listening(id: number, secret: Buffer, name: string): void
  /** One of its processes, or somebody else, has sent it, with descriptors that are objects of these numbers now. */
  notify(id: number, notification: RawNotification, stored: ReadonlyArray<number>): void
  /** An object was made or changed; `tells` is what its kind adds, good until the call returns. */
  object(id: number, errno: number, step: number, tells: Buffer): void
  /** Nothing comes from a pty any more; `relay`: the pid of its relay, which was killed, or 0. */
  hangup(id: number, relay: number): void
  /** What came is not of this protocol. */
  violation(text: string): void
}

const stepNames = new Map<number, Step>([
  [F.SpawnStep.request, "request"],
  [F.SpawnStep.helper, "helper"],
  [F.SpawnStep.descriptor, "descriptor"],
  [F.SpawnStep.fork, "fork"],
  [F.SpawnStep.session, "session"],
  [F.SpawnStep.credentials, "credentials"],
  [F.SpawnStep.cwd, "cwd"],
  [F.SpawnStep.exec, "exec"],
  [F.SpawnStep.limits, "limits"],
  [F.SpawnStep.namespace, "namespace"],
  [F.SpawnStep.containment, "containment"],
  [F.SpawnStep.sandbox, "sandbox"],
  [F.SpawnStep.terminal, "terminal"]
])

const senderNames = new Map<number, RawNotification["sender"]>([
  [F.NotifySender.member, "member"],
  [F.NotifySender.stranger, "stranger"],
  [F.NotifySender.gone, "gone"]
])

const noneLent: ReadonlyArray<LentFd> = []
const noneStored: ReadonlyArray<number> = []

/** Exact up to 2^53, which no counter of a process reaches. */
const readU64 = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000

export class Decoder {
  readonly #handler: ReplyHandler
  #rest = Buffer.alloc(0)
  #restLength = 0
  #stopped = false

  constructor(handler: ReplyHandler) {
    this.#handler = handler
  }

  /** Nothing more is reported, not even what has been read already. */
  stop(): void {
    this.#stopped = true
  }

  push(chunk: Buffer): void {
    const bytes = this.#restLength === 0 ? chunk : this.#append(chunk)
    let at = 0
    while (!this.#stopped && bytes.length - at >= F.FrameHeader.size) {
      const size = bytes.readUInt32LE(at + F.FrameHeader.at.size)
      const type = bytes.readUInt16LE(at + F.FrameHeader.at.type)
      // Before waiting for a payload that may never come.
      if (size > F.FRAME_MAX || type < F.Reply.ready || type > F.Reply.cgroup) {
        this.#violation(type, size)
        return
      }
      const payload = at + F.FrameHeader.size
      if (bytes.length - payload < size) break
      const id = bytes.readUInt32LE(at + F.FrameHeader.at.id)
      if (!this.#frame(type, id, bytes, payload, size)) {
        this.#violation(type, size)
        return
      }
      at = payload + size
    }
    if (!this.#stopped) this.#keep(bytes, at)
  }

  /** The rest of the last chunk with this one behind it. */
  #append(chunk: Buffer): Buffer {
    const length = this.#restLength + chunk.length
    if (length > this.#rest.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#rest.length * 2))
      this.#rest.copy(grown, 0, 0, this.#restLength)
      this.#rest = grown
    }
    chunk.copy(this.#rest, this.#restLength)
    return this.#rest.subarray(0, length)
  }

  #keep(bytes: Buffer, from: number): void {
    const length = bytes.length - from
    if (length > this.#rest.length) this.#rest = Buffer.allocUnsafeSlow(length)
    // `copy` moves correctly where the two overlap.
    if (length > 0) bytes.copy(this.#rest, 0, from)
    this.#restLength = length
  }

  #violation(type: number, size: number): void {
    this.#stopped = true
    this.#handler.violation(`a frame of type ${type} with ${size} bytes`)
  }

  /** Whether it was a frame of the protocol. */
  #frame(type: number, id: number, bytes: Buffer, at: number, size: number): boolean {
    switch (type) {
      case F.Reply.started:
        return this.#started(id, bytes, at, size)
      case F.Reply.exited:
        return this.#exited(id, bytes, at, size)
      case F.Reply.ended:
        if (size !== F.Ended.size) return false
        this.#handler.ended(id)
        return true
      case F.Reply.failed:
        return this.#failed(id, bytes, at, size)
      case F.Reply.done:
        if (size !== 4) return false
        this.#handler.done(id, bytes.readUInt32LE(at))
        return true
      case F.Reply.ready:
        return this.#ready(bytes, at, size)
      case F.Reply.lost:
        if (size !== 4) return false
        this.#handler.lost(id, bytes.readUInt32LE(at))
        return true
      case F.Reply.unkillable:
        return this.#unkillable(id, bytes, at, size)
      case F.Reply.refused:
        if (size < 4) return false
        this.#handler.refused(id, bytes.readUInt32LE(at), bytes.toString("utf8", at + 4, at + size))
        return true
      case F.Reply.listening:
        return this.#listening(id, bytes, at, size)
      case F.Reply.object:
        if (size < F.ObjectTold.size) return false
        this.#handler.object(
          id,
          bytes.readUInt32LE(at + F.ObjectTold.at.errno),
          bytes.readUInt32LE(at + F.ObjectTold.at.step),
          bytes.subarray(at + F.ObjectTold.size, at + size)
        )
        return true
      case F.Reply.hangup:
        if (size !== 4) return false
        this.#handler.hangup(id, bytes.readUInt32LE(at))
        return true
      case F.Reply.cgroup:
        return this.#cgroup(id, bytes, at, size)
      case F.Reply.notify:
        return this.#notify(id, bytes, at, size)
      default:
        return false
    }
  }

  #started(id: number, bytes: Buffer, at: number, size: number): boolean {
    if (size < F.Started.size) return false
    const count = bytes.readUInt32LE(at + F.Started.at.count)
    if (size !== F.Started.size + count * F.LentFd.size) return false
    let lent = noneLent
    if (count > 0) {
      const list: Array<LentFd> = []
      for (let index = 0; index < count; index++) {
        const entry = at + F.Started.size + index * F.LentFd.size
        list.push({
          target: bytes.readInt32LE(entry + F.LentFd.at.target),
          descriptor: bytes.readInt32LE(entry + F.LentFd.at.descriptor)
        })
      }
      lent = list
    }
    this.#handler.started(
      id,
      bytes.readUInt32LE(at + F.Started.at.pid),
      bytes.readUInt32LE(at + F.Started.at.reaper),
      lent
    )
    return true
  }

  #exited(id: number, bytes: Buffer, at: number, size: number): boolean {
    if (size !== F.Exited.size) return false
    const usage: RawUsage = {
      userTime: readU64(bytes, at + F.Exited.at.userTime),
      systemTime: readU64(bytes, at + F.Exited.at.systemTime),
      maxResidentSet: readU64(bytes, at + F.Exited.at.maxResident),
      minorFaults: readU64(bytes, at + F.Exited.at.minorFaults),
      majorFaults: readU64(bytes, at + F.Exited.at.majorFaults),
      blockInput: readU64(bytes, at + F.Exited.at.blockInput),
      blockOutput: readU64(bytes, at + F.Exited.at.blockOutput),
      voluntarySwitches: readU64(bytes, at + F.Exited.at.voluntarySwitches),
      involuntarySwitches: readU64(bytes, at + F.Exited.at.involuntarySwitches)
    }
    const status = bytes.readInt32LE(at + F.Exited.at.status)
    this.#handler.exited(id, status, usage, bytes.readUInt32LE(at + F.Exited.at.ended) !== 0)
    return true
  }

  #cgroup(id: number, bytes: Buffer, at: number, size: number): boolean {
    if (size !== F.CgroupTold.size) return false
    const known = (field: number): number | undefined =>
      bytes.readBigUInt64LE(at + field) === F.CGROUP_UNKNOWN ? undefined : readU64(bytes, at + field)
    this.#handler.cgroup(id, {
      cpuTime: known(F.CgroupTold.at.cpuTime) ?? 0,
      userTime: known(F.CgroupTold.at.userTime) ?? 0,
      systemTime: known(F.CgroupTold.at.systemTime) ?? 0,
      throttledTime: known(F.CgroupTold.at.throttledTime),
      memory: undefined,
      memoryPeak: known(F.CgroupTold.at.memoryPeak),
      readBytes: known(F.CgroupTold.at.readBytes),
      writtenBytes: known(F.CgroupTold.at.writtenBytes),
      oomKills: bytes.readUInt32LE(at + F.CgroupTold.at.oomKills),
      outOfMemory: bytes.readUInt32LE(at + F.CgroupTold.at.outOfMemory) !== 0
    })
    return true
  }

  #failed(id: number, bytes: Buffer, at: number, size: number): boolean {
    if (size !== F.Failed.size) return false
    const step = stepNames.get(bytes.readUInt32LE(at + F.Failed.at.step))
    if (step === undefined) return false
    this.#handler.failed(
      id,
      step,
      bytes.readUInt32LE(at + F.Failed.at.errno),
      bytes.readInt32LE(at + F.Failed.at.target)
    )
    return true
  }

  #ready(bytes: Buffer, at: number, size: number): boolean {
    if (size < 4) return false
    const version = bytes.readUInt32LE(at + F.Ready.at.version)
    if (version !== F.VERSION) {
      // What follows the version is another version's business.
      this.#handler.ready({ version, keeper: 0, guard: 0, features: 0, progress: -1 })
      return true
    }
    if (size !== F.Ready.size) return false
    this.#handler.ready({
      version,
      keeper: bytes.readUInt32LE(at + F.Ready.at.keeper),
      guard: bytes.readUInt32LE(at + F.Ready.at.guard),
      features: bytes.readUInt32LE(at + F.Ready.at.features),
      progress: bytes.readInt32LE(at + F.Ready.at.progress)
    })
    return true
  }

  #unkillable(id: number, bytes: Buffer, at: number, size: number): boolean {
    // The count may be larger than the list, which is cut.
    if (size < 4 || size % 4 !== 0) return false
    const pids: Array<number> = []
    for (let entry = at + 4; entry < at + size; entry += 4) pids.push(bytes.readUInt32LE(entry))
    this.#handler.unkillable(id, pids)
    return true
  }

  #notify(id: number, bytes: Buffer, at: number, size: number): boolean {
    if (size < F.Notify.size || size > F.Notify.size + F.NOTIFY_MAX) return false
    const sender = senderNames.get(bytes[at + F.Notify.at.sender] ?? -1)
    if (sender === undefined) return false
    const first = bytes.readUInt32LE(at + F.Notify.at.first)
    const count = bytes.readUInt16LE(at + F.Notify.at.stored)
    const notification = {
      pid: bytes.readUInt32LE(at + F.Notify.at.pid),
      sender,
      cut: bytes[at + F.Notify.at.cut] !== 0,
      text: bytes.toString("utf8", at + F.Notify.size, at + size)
    }
    this.#handler.notify(
      id,
      notification,
      count === 0 ? noneStored : Array.from({ length: count }, (_, n) => first + n)
    )
    return true
  }

  #listening(id: number, bytes: Buffer, at: number, size: number): boolean {
    if (size <= F.SECRET_SIZE) return false
    const secret = Buffer.from(bytes.subarray(at, at + F.SECRET_SIZE))
    this.#handler.listening(id, secret, bytes.toString("utf8", at + F.SECRET_SIZE, at + size))
    return true
  }
}
