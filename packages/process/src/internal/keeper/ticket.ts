/**
 * One process that was asked for: what has happened to it so far, and what its observer still has to be told.
 *
 * @internal
 */
import type { Socket } from "node:net"
import type { KeeperLost } from "../../ProcessError.ts"
import type {
  FdRequest,
  Observer,
  OpenedFd,
  RawCgroupUsage,
  RawNotification,
  RawUsage,
  Reach,
  SpawnFailure,
  SpawnRequest,
  StopPolicy,
  Ticket
} from "../backend.ts"
import type { LentFd } from "./decoder.ts"
import * as Failures from "./failures.ts"
import type { Family } from "./family.ts"
import { Errno, errnoOf } from "./system.ts"

/**
 * - `waiting`: not sent yet, for the helpers are starting or its sockets are being connected
 * - `asked`: sent; with a `#failure` it is being ended again before anybody knew it
 * - `running`, `exited` (something of its tree is left), `lost`: what the observer knows
 * - `over`: the observer has heard the last of it
 */
type State = "waiting" | "asked" | "running" | "exited" | "lost" | "over"

interface ConnectedFd {
  readonly object: number
  readonly opened: OpenedFd & { readonly handle: Socket }
}

interface Answer {
  readonly release: boolean
  readonly done: (errno: number) => void
}

const canceled: SpawnFailure = { step: "request", errno: Errno.ECANCELED, target: -1 }

/** It has ended without ever having been told as started or failed. */
const unanswered: SpawnFailure = { step: "helper", errno: Errno.EIO, target: -1 }

/** How many keepers may be lost one after the other before a spawn that none of them has begun is given up. */
const MOVES_MAX = 8

/** It did not start within the spawn deadline, and cannot be killed either. */
const overdue: SpawnFailure = { step: "exec", errno: Errno.ETIMEDOUT, target: -1 }

const noFds: ReadonlyArray<OpenedFd> = []

export class KeptProcess implements Ticket {
  readonly request: SpawnRequest
  readonly #observer: Observer
  #id: number
  #family: Family
  #state: State = "waiting"
  /** Where its request begins in what was sent. */
  #position = 0
  #moves = 0
  /** What the observer is told when the start that is being undone has been undone. */
  #failure: SpawnFailure | KeeperLost | undefined
  #sockets: Array<ConnectedFd> | undefined
  #giveUp: (() => void) | undefined
  #answers: Array<Answer> | undefined
  #pid = 0
  #reaper = 0
  #referenced = true
  #released = false
  #unkillable = false
  /** Somebody waits for its end. */
  #ending = false
  #held = true
  #cgroupUsage: RawCgroupUsage | undefined
  /** At level `cgroup`, once it is being sent: the group that its own is made in. */
  nurseryGroup: string | undefined

  constructor(family: Family, id: number, request: SpawnRequest, observer: Observer) {
    this.#family = family
    this.#id = id
    this.request = request
    this.#observer = observer
    family.hold(1)
  }

  get id(): number {
    return this.#id
  }

  get pid(): number {
    return this.#pid
  }

  get reaper(): number {
    return this.#reaper
  }

  get released(): boolean {
    return this.#released
  }

  /** It was told that SIGKILL does not end it, and it has not ended since. */
  get isUnkillable(): boolean {
    return this.#unkillable && this.#state !== "over"
  }

  get isWaiting(): boolean {
    return this.#state === "waiting"
  }

  get cgroup(): Ticket["cgroup"] {
    return this.nurseryGroup === undefined
      ? undefined
      : { path: `${this.nurseryGroup}/${this.id}`, usage: this.#cgroupUsage }
  }

  // What the user of the backend asks for.

  cancel(): void {
    if (this.#state === "waiting") {
      this.failLater(canceled)
    } else if (this.#state === "asked") {
      if (this.#failure === undefined) this.#undo(canceled)
    } else if (this.#state === "running" || this.#state === "exited") {
      this.#ends()
      this.#family.encoder.cancel(this.id)
      this.#family.written()
    }
  }

  stop(policy: StopPolicy): void {
    if (this.#state === "waiting" || this.#state === "asked") {
      this.cancel()
    } else if (this.#state === "running" || this.#state === "exited") {
      this.#ends()
      this.#family.encoder.stop(this.id, policy)
      this.#family.written()
    }
  }

  signal(signal: number, reach: Reach, done: (errno: number) => void): void {
    if (this.#state === "running" || this.#state === "exited") this.#family.signal(this.id, signal, reach, done)
    else queueMicrotask(() => done(Errno.ESRCH))
  }

  release(done: (errno: number) => void): void {
    this.#ask({ release: true, done })
  }

  retain(done: (errno: number) => void): void {
    this.#ask({ release: false, done })
  }

  ref(): void {
    this.#referenced = true
    this.#hold()
  }

  unref(): void {
    this.#referenced = false
    this.#hold()
  }

  // What the family does with it.

  /** The sockets that it needs are being connected. */
  connecting(giveUp: () => void): void {
    this.#giveUp = giveUp
  }

  connected(object: number, fd: FdRequest, socket: Socket): void {
    this.#sockets ??= []
    const kind = fd.kind === "pipeIn" || fd.kind === "pipeOut" ? fd.kind : "duplex"
    this.#sockets.push({ object, opened: { target: fd.target, kind, handle: socket } })
  }

  /** The keeper has taken its own hold of the sockets when it gets to what follows the spawn: no other copy may delay their end. */
  sent(position: number): void {
    this.#giveUp = undefined
    this.#state = "asked"
    this.#position = position
    for (const { object } of this.#sockets ?? []) this.#family.drop(object)
  }

  /**
   * Its keeper is gone, which has begun the requests before this position, and no others. Whether it waits again, to be sent to another
   * one. One that nobody wants any more has failed now.
   */
  withdraw(begun: number): boolean {
    if (this.#state !== "waiting" && !(this.#state === "asked" && this.#position >= begun)) return false
    if (this.#failure !== undefined) {
      this.failed(canceled)
      return false
    }
    this.#abandonSockets()
    this.#state = "waiting"
    return this.#moves++ < MOVES_MAX
  }

  moveTo(family: Family, id: number): void {
    if (this.#held) this.#family.hold(-1)
    this.#family = family
    this.#id = id
    if (this.#held) family.hold(1)
  }

  /** It will never be sent: the object that it needs went down with another family. */
  lostBeforeStart(error: KeeperLost): void {
    if (this.#state !== "waiting") return
    this.lost(error)
    this.proven()
  }

  /** Ends it because the family ends, which gives nobody longer than `limit` milliseconds. */
  end(limit: number): void {
    if (this.#state === "waiting") {
      queueMicrotask(() => this.lostBeforeStart(Failures.closed()))
      return
    }
    if (this.#state === "asked") {
      if (this.#failure === undefined) this.#undo(Failures.closed())
      return
    }
    const { grace, linger, reach, signal } = this.request.stop
    const bound = (time: number | undefined): number => Math.min(time ?? limit, limit)
    this.stop({ signal, reach, grace: bound(grace), linger: bound(linger) })
  }

  /** It was never sent. */
  failLater(failure: SpawnFailure): void {
    this.#leave()
    queueMicrotask(() => this.#observer.failed(failure))
  }

  // What the keeper tells.

  started(pid: number, reaper: number, lent: ReadonlyArray<LentFd>): void {
    if (this.#state !== "asked") return
    this.#pid = pid
    this.#reaper = reaper
    // Nothing of what the keeper holds for it is needed any more, whatever becomes of it here.
    const fds = this.#failure === undefined ? this.#open(lent) : undefined
    this.#giveBack(lent)
    if (fds === undefined) return
    this.#state = "running"
    this.#hold()
    this.#observer.started(pid, reaper, fds)
  }

  failed(failure: SpawnFailure): void {
    if (this.#state !== "asked") return
    const told = this.#failure ?? failure
    this.#leave()
    if ("step" in told) {
      this.#observer.failed(told)
    } else {
      this.#observer.lost(told)
      this.#observer.ended()
    }
  }

  exited(status: number, usage: RawUsage, ended: boolean): void {
    if (this.#state !== "running") {
      if (ended) this.ended()
      return
    }
    // Who is told of the exit may stop the process at once. Where nothing is left of it, that must ask nothing of the keeper.
    if (ended) this.#leave()
    else this.#state = "exited"
    const told = this.#cgroupUsage === undefined ? usage : { ...usage, cgroup: this.#cgroupUsage }
    this.#observer.exited(status, told, ended)
    if (ended) this.#observer.ended()
  }

  /** Whether somebody was told: what comes before a start that is being undone is for nobody. */
  notify(notification: RawNotification): boolean {
    if (this.#state !== "running" && this.#state !== "exited" && this.#state !== "lost") return false
    if (this.#observer.notified === undefined) return false
    this.#observer.notified(notification)
    return true
  }

  /** What all of its group have used. */
  cgroupUsed(usage: RawCgroupUsage): void {
    this.#cgroupUsage = usage
  }

  ended(): void {
    switch (this.#state) {
      case "asked":
        this.failed(unanswered)
        break
      case "running":
        // The leader's status went down with a reaper of which we have not heard.
        this.lost(Failures.reaperLost(this.#reaper))
        this.proven()
        break
      case "exited":
      case "lost":
        this.proven()
    }
  }

  lost(error: KeeperLost): void {
    if (this.#state === "lost" || this.#state === "over") return
    this.#abandonSockets()
    this.#state = "lost"
    this.#answer(Errno.ESRCH)
    this.#hold()
    this.#observer.lost(error)
  }

  /** Nothing of it is left. */
  proven(): void {
    if (this.#state === "over") return
    this.#leave()
    this.#observer.ended()
  }

  unkillable(pids: ReadonlyArray<number>): void {
    if (this.#state === "asked") {
      // Nobody can do anything about it who has not even got its handle.
      this.failed(overdue)
    } else if (this.#state !== "waiting" && this.#state !== "over") {
      this.#unkillable = true
      this.#observer.unkillable(pids)
      this.#family.settled(this)
    }
  }

  done(errno: number): void {
    const answer = this.#answers?.shift()
    if (answer === undefined) return
    if (errno === 0) this.#released = answer.release
    answer.done(errno)
  }

  /** The keeper took a request about it for malformed, or does not know it. No answer will come. */
  refused(errno: number, text: string): void {
    if (this.#state === "asked") {
      this.failed({ step: "request", errno, target: -1 })
    } else if (this.#answers !== undefined && this.#answers.length > 0) {
      this.done(errno)
    } else if (this.#state === "lost") {
      this.proven()
    } else if (this.#state === "running" || this.#state === "exited") {
      this.lost(Failures.refused(text))
      this.#family.encoder.cancel(this.id)
      this.#family.written()
    }
  }

  #ask(answer: Answer): void {
    if (this.#state !== "running" && this.#state !== "exited") {
      queueMicrotask(() => answer.done(Errno.ESRCH))
      return
    }
    this.#answers ??= []
    this.#answers.push(answer)
    if (answer.release) this.#family.encoder.release(this.id)
    else this.#family.encoder.retain(this.id)
    this.#family.written()
  }

  #answer(errno: number): void {
    const answers = this.#answers
    this.#answers = undefined
    for (const answer of answers ?? []) answer.done(errno)
  }

  /** All ends of its pipes and sockets, or `undefined` when one could not be opened: it is being undone then. */
  #open(lent: ReadonlyArray<LentFd>): ReadonlyArray<OpenedFd> | undefined {
    if (lent.length === 0 && this.#sockets === undefined) return noFds
    const fds: Array<OpenedFd> = []
    for (const { descriptor, target } of lent) {
      const kind = this.request.fds.find((fd) => fd.target === target)?.kind
      try {
        if (kind !== "pipeIn" && kind !== "pipeOut") throw new Error(`descriptor ${target} is not a pipe`)
        fds.push({ target, kind, handle: this.#family.openEnd(descriptor, kind) })
      } catch (error) {
        this.#family.closeEnds(fds)
        this.#undo({ step: "descriptor", errno: errnoOf(error), target })
        return undefined
      }
    }
    for (const { opened } of this.#sockets ?? []) fds.push(opened)
    return fds
  }

  #giveBack(lent: ReadonlyArray<LentFd>): void {
    if (lent.length > 0) this.#family.giveBack(lent)
    if (this.#failure === undefined) this.#sockets = undefined
    else this.#dropSockets()
  }

  /** Those that are being connected too. */
  #abandonSockets(): void {
    this.#giveUp?.()
    this.#giveUp = undefined
    this.#dropSockets()
  }

  /** For a process that nobody will talk to. */
  #dropSockets(): void {
    const sockets = this.#sockets
    this.#sockets = undefined
    for (const { object, opened } of sockets ?? []) {
      opened.handle.destroy()
      if (this.#state === "waiting") this.#family.drop(object)
    }
  }

  #undo(failure: SpawnFailure | KeeperLost): void {
    this.#failure = failure
    this.#family.encoder.cancel(this.id)
    this.#family.written()
  }

  #ends(): void {
    this.#ending = true
    this.#hold()
  }

  /** The last of it. */
  #leave(): void {
    this.#abandonSockets()
    this.#state = "over"
    this.#answer(Errno.ESRCH)
    this.#hold()
    this.#family.remove(this)
  }

  #hold(): void {
    const held = this.#state !== "over" && (this.#referenced || this.#ending || this.#isStarting())
    if (held === this.#held) return
    this.#held = held
    this.#family.hold(held ? 1 : -1)
  }

  #isStarting(): boolean {
    return this.#state === "waiting" || this.#state === "asked"
  }
}
