/**
 * One guard with its keeper and reapers, and everything that was asked of them.
 *
 * A family is used until one of its two ends is gone. When the keeper dies, every process that has not ended is lost at once, and
 * ended when the guard leaves, for that leaves last. When the guard dies, the keeper goes on serving what runs, but gets nothing
 * new: without its guard it would not withstand a second loss.
 *
 * @internal
 */
import { closeSync } from "node:fs"
import type { Socket } from "node:net"
import type { KeeperUnavailable } from "../../ProcessError.ts"
import type {
  FdRequest,
  Joined,
  Observer,
  OpenedFd,
  RawCgroupUsage,
  RawNotification,
  RawUsage,
  Reach,
  SpawnRequest,
  Step
} from "../backend.ts"
import { Cgroups, explain } from "./cgroups.ts"
import { Connection, type ConnectionHandler } from "./connection.ts"
import type { LentFd, ReadyReply } from "./decoder.ts"
import type { Encoder, Tuning } from "./encoder.ts"
import * as Failures from "./failures.ts"
import * as F from "./frames.ts"
import { type Holder, type HoldRetry, KeptObject, Objects } from "./objects.ts"
import { KeeperDescriptors } from "./pipes.ts"
import { awaitGone } from "./proof.ts"
import { Sender } from "./sender.ts"
import { Errno } from "./system.ts"
import { KeptProcess } from "./ticket.ts"

export interface FamilyEvents {
  /** It takes nothing new: the next spawn needs another family. */
  retired(family: Family): void
  /** Everything of it is dead, as far as can be known. */
  dead(family: Family): void
  /** It is gone and has certainly not begun this, which needs nothing of what went down with it: another one has to. */
  untouched(ticket: KeptProcess): void
  /** Likewise, for something to be held. */
  unheld(retry: HoldRetry): void
  warn(message: string): void
}

/** What the end of a process may take beyond its deadlines, and what the end of the helpers. */
const SLACK = 1_000
const GUARD_SLACK = 5_000

/** A longer one would fire at once. */
const LONGEST_TIMER = 0x7fffffff

/** The socket of a keeper that is dead closes, unless somebody else has got hold of it. */
const CLOSE_AFTER_GUARD = 1_000

const nothing = Buffer.alloc(0)

/** A kernel pipe that the keeper of one family holds. */
export class KeptPipe implements Joined {
  readonly id: number
  readonly family: Family

  constructor(family: Family, id: number) {
    this.family = family
    this.id = id
  }

  drop(): void {
    this.family.drop(this.id)
  }
}

export class Family implements ConnectionHandler, Holder {
  readonly #tuning: Tuning
  readonly #events: FamilyEvents
  readonly #connection: Connection
  readonly #tickets = new Map<number, KeptProcess>()
  readonly #signals = new Map<number, (errno: number) => void>()
  readonly #sender: Sender
  readonly #cgroups = new Cgroups()
  readonly objects = new Objects(this)
  #state: "starting" | "ready" | "lost" | "dead" = "starting"
  #descriptors: KeeperDescriptors | undefined
  #features = 0
  #guard = 0
  #keeper = 0
  #lastId = 0
  #holds = 0
  #guardGone: { readonly signal: NodeJS.Signals | null } | undefined
  #onStart: Array<(error: KeeperUnavailable | undefined) => void> = []
  #onDead: Array<() => void> = []
  /** While it closes: those that have to end first. */
  #closing: Set<KeptProcess> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(path: string, tuning: Tuning, events: FamilyEvents) {
    this.#tuning = tuning
    this.#events = events
    this.#connection = new Connection(path, tuning, this.nextId(), this)
    this.#sender = new Sender(this.#connection, () => this.nextId())
  }

  get encoder(): Encoder {
    return this.#connection.encoder
  }

  /** Bits of `frames.Feature`; 0 until it is ready. */
  get features(): number {
    return this.#features
  }

  /** The pids of the helpers that every process of it depends on; 0 until it is ready. */
  get helpers(): { readonly guard: number; readonly keeper: number } {
    return { guard: this.#guard, keeper: this.#keeper }
  }

  // What the client asks for.

  /** `done` is called once, later. */
  whenStarted(done: (error: KeeperUnavailable | undefined) => void): void {
    if (this.#state === "starting") {
      this.#onStart.push(done)
      this.hold(1)
    } else {
      queueMicrotask(() => done(undefined))
    }
  }

  spawn(request: SpawnRequest, observer: Observer): KeptProcess {
    const ticket = new KeptProcess(this, this.nextId(), request, observer)
    this.#take(ticket)
    return ticket
  }

  /** A spawn that another keeper has not begun. */
  adopt(ticket: KeptProcess): void {
    ticket.moveTo(this, this.nextId())
    this.#take(ticket)
  }

  pipe(): KeptPipe {
    const id = this.nextId()
    this.encoder.pipe(id)
    this.written()
    return new KeptPipe(this, id)
  }

  /** Ends everything but what was released; `done` is called when all is dead. */
  close(done: () => void): void {
    if (this.#state === "dead") {
      queueMicrotask(done)
      return
    }
    this.#onDead.push(done)
    if (this.#closing !== undefined) return
    this.hold(1)
    const closing = new Set<KeptProcess>()
    this.#closing = closing
    // A keeper that does not tell the end of one process is told the end of all.
    const { killDeadline, ownerDeathGrace } = this.#tuning
    this.#expect(ownerDeathGrace + killDeadline + SLACK, () => this.#finish())
    for (const ticket of this.#tickets.values()) {
      if (!ticket.released) closing.add(ticket)
    }
    // A ticket that ends at once leaves the set, which a loop over a copy does not mind.
    for (const ticket of [...closing]) ticket.end(ownerDeathGrace)
    this.#finishIfSettled()
  }

  // What its processes ask for.

  written(): void {
    this.#connection.written()
  }

  /** More or fewer who keep the event loop alive. */
  hold(change: 1 | -1): void {
    this.#holds += change
    this.#connection.hold(this.#holds > 0)
  }

  signal(process: number, signal: number, reach: Reach, done: (errno: number) => void): void {
    const id = this.nextId()
    this.#signals.set(id, done)
    this.hold(1)
    this.encoder.signal(id, process, signal, reach)
    this.written()
  }

  openEnd(descriptor: number, kind: "pipeIn" | "pipeOut"): number {
    if (this.#descriptors === undefined) throw new Error("the keeper's descriptors cannot be opened")
    return this.#descriptors.openEnd(descriptor, kind)
  }

  closeEnds(fds: ReadonlyArray<OpenedFd>): void {
    for (const { handle } of fds) {
      if (typeof handle === "number") closeSync(handle)
    }
  }

  giveBack(lent: ReadonlyArray<Pick<LentFd, "descriptor">>): void {
    this.encoder.close(
      this.nextId(),
      lent.map((fd) => fd.descriptor)
    )
    this.written()
  }

  drop(object: number): void {
    this.objects.drop(object, undefined)
  }

  again(retry: HoldRetry): void {
    this.#events.unheld(retry)
  }

  get isAlive(): boolean {
    return this.#state === "ready" || this.#state === "starting"
  }

  connect(id: number, done: (result: Socket | string) => void): void {
    this.#sender.connect(id, done)
  }

  pathOf(descriptor: number): string {
    if (this.#descriptors?.usable !== true) throw new Error("the keeper's descriptors cannot be opened")
    return this.#descriptors.pathOf(descriptor)
  }

  remove(ticket: KeptProcess): void {
    this.#tickets.delete(ticket.id)
    this.settled(ticket)
    if (this.#guardGone !== undefined) this.#finishIfUnused()
  }

  /** Closing does not wait for it any longer. */
  settled(ticket: KeptProcess): void {
    if (this.#closing?.delete(ticket) === true) this.#finishIfSettled()
  }

  // What the connection tells.

  ready(reply: ReadyReply): void {
    this.#state = "ready"
    this.#guard = reply.guard
    this.#keeper = reply.keeper
    this.#features = reply.features
    this.#descriptors = KeeperDescriptors.open(reply.keeper, reply.progress)
    const waiting = [...this.#tickets.values()]
    this.#started(undefined)
    for (const ticket of waiting) {
      if (ticket.isWaiting) this.#send(ticket)
    }
  }

  unavailable(error: KeeperUnavailable): void {
    this.#state = "lost"
    this.#events.retired(this)
    this.#started(error)
    const lost = Failures.notStarted(error)
    this.objects.fail(lost, undefined)
    for (const ticket of [...this.#tickets.values()]) ticket.lost(lost)
    this.#dead()
  }

  gone(what: string, isClosed: boolean): void {
    this.#state = "lost"
    this.#events.retired(this)
    // Of those that closing does not wait for only the released ones are left.
    const error = this.#closing?.size === 0 ? Failures.closed() : Failures.keeperLost(what)
    // What was not even handed to the socket is untouched in any case.
    const begun = (isClosed ? this.#descriptors?.begun : undefined) ?? this.encoder.sent
    for (const ticket of [...this.#tickets.values()]) {
      if (!this.#passOn(ticket, begun)) ticket.lost(error)
    }
    this.objects.fail(Failures.heldLost(), this.#closing === undefined ? begun : undefined)
    this.#sender.gone()
    for (const id of [...this.#signals.keys()]) this.done(id, Errno.ESRCH)
    if (this.#guardGone !== undefined) this.#prove(this.#guardGone.signal)
    else this.#expectEnd()
  }

  guardExited(signal: NodeJS.Signals | null): void {
    this.#guardGone = { signal }
    if (this.#state === "lost") {
      this.#prove(signal)
      return
    }
    this.#events.retired(this)
    this.#finishIfUnused()
    // It leaves by itself only after its keeper, whose last words may still be on their way.
    if (signal === null) {
      setTimeout(() => this.#connection.disconnect(), CLOSE_AFTER_GUARD).unref()
    }
  }

  started(id: number, pid: number, reaper: number, lent: ReadonlyArray<LentFd>): void {
    this.#tickets.get(id)?.started(pid, reaper, lent)
  }

  failed(id: number, step: Step, errno: number, target: number): void {
    const ticket = this.#tickets.get(id)
    ticket?.failed(explain(ticket.request, { step, errno, target }))
  }

  exited(id: number, status: number, usage: RawUsage, ended: boolean): void {
    this.#tickets.get(id)?.exited(status, usage, ended)
  }

  ended(id: number): void {
    this.#tickets.get(id)?.ended()
  }

  cgroup(id: number, usage: RawCgroupUsage): void {
    this.#tickets.get(id)?.cgroupUsed(usage)
  }

  done(id: number, errno: number): void {
    const answer = this.#signals.get(id)
    if (answer === undefined) {
      this.#tickets.get(id)?.done(errno)
      return
    }
    this.#signals.delete(id)
    this.hold(-1)
    answer(errno)
  }

  /** The reaper of a process was killed; the keeper ends what it left. */
  lost(id: number, reaper: number): void {
    this.#tickets.get(id)?.lost(Failures.reaperLost(reaper))
  }

  notify(id: number, notification: RawNotification, numbers: ReadonlyArray<number>): void {
    const stored = numbers.map((number) => this.objects.stored(number))
    const told = this.#tickets.get(id)?.notify(stored.length === 0 ? notification : { ...notification, stored })
    if (told !== true) for (const held of stored) held.drop()
  }

  unkillable(id: number, pids: ReadonlyArray<number>): void {
    this.#tickets.get(id)?.unkillable(pids)
  }

  refused(id: number, errno: number, text: string): void {
    if (this.#signals.has(id)) this.done(id, errno)
    else if (this.objects.answered(id, errno, 0, nothing)) return
    else if (!this.#sender.refused(id, errno)) this.#tickets.get(id)?.refused(errno, text)
  }

  object(id: number, errno: number, step: number, tells: Buffer): void {
    this.objects.answered(id, errno, step, tells)
  }

  hangup(id: number, relay: number): void {
    this.objects.hangup(id, relay === 0 ? undefined : Failures.relayLost(relay))
  }

  listening(_id: number, secret: Buffer, name: string): void {
    this.#sender.listening({ secret, name })
  }

  #take(ticket: KeptProcess): void {
    this.#tickets.set(ticket.id, ticket)
    if (this.#state === "ready") this.#send(ticket)
    else if (this.#state !== "starting") queueMicrotask(() => ticket.lostBeforeStart(Failures.objectLost()))
  }

  /** Whether another keeper gets it, or its observer has been told: `begun` is how far this one has come. */
  #passOn(ticket: KeptProcess, begun: number): boolean {
    if (this.#closing !== undefined || !ticket.withdraw(begun)) return false
    const { fds, setup } = ticket.request
    if (fds.some(({ kind }) => kind === "joined" || kind === "held") || setup?.some(({ kind }) => kind === "enter")) {
      ticket.lostBeforeStart(Failures.objectLost())
    } else {
      this.#tickets.delete(ticket.id)
      this.#events.untouched(ticket)
    }
    return true
  }

  #send(ticket: KeptProcess): void {
    if (ticket.request.fds.some((fd) => this.#isForeign(fd)) || this.#entersForeign(ticket.request))
      queueMicrotask(() => ticket.lostBeforeStart(Failures.objectLost()))
    else if (ticket.request.level === "cgroup") this.#sendInGroup(ticket)
    else this.#sender.send(ticket, this.#descriptors?.usable === true)
  }

  #sendInGroup(ticket: KeptProcess): void {
    const found = this.#cgroups.find(ticket.request)
    if (typeof found !== "string") {
      ticket.failLater(found)
      return
    }
    ticket.nurseryGroup = found
    this.#sender.send(ticket, this.#descriptors?.usable === true)
  }

  /** Namespaces of a process of another keeper, or of one that has ended. */
  #entersForeign({ setup }: SpawnRequest): boolean {
    return (
      setup?.some((item) => item.kind === "enter" && this.#tickets.get(item.process.id ?? 0) !== item.process) === true
    )
  }

  /** Held by another keeper, or by none any more. */
  #isForeign(fd: FdRequest): boolean {
    if (fd.kind === "joined") return !(fd.pipe instanceof KeptPipe && fd.pipe.family === this)
    return fd.kind === "held" && !(fd.held instanceof KeptObject && fd.held.objects === this.objects)
  }

  nextId(): number {
    do this.#lastId = this.#lastId === F.STORED_FIRST - 1 ? 1 : this.#lastId + 1
    while (this.#tickets.has(this.#lastId) || this.#signals.has(this.#lastId) || this.objects.has(this.#lastId))
    return this.#lastId
  }

  #started(error: KeeperUnavailable | undefined): void {
    const onStart = this.#onStart
    this.#onStart = []
    for (const done of onStart) {
      this.hold(-1)
      done(error)
    }
  }

  #finishIfSettled(): void {
    if (this.#closing?.size !== 0) return
    this.#finish()
    // The helpers stay with what cannot be killed, which has had its time: nobody waits for them any longer.
    for (const ticket of this.#tickets.values()) {
      if (ticket.isUnkillable) {
        this.#overdue()
        return
      }
    }
  }

  #finish(): void {
    if (this.#state === "lost" || this.#state === "dead") return
    this.#connection.finish()
    this.#expectEnd()
  }

  /** Without a guard it serves only what it has begun. */
  #finishIfUnused(): void {
    if (this.#tickets.size === 0) this.#finish()
  }

  /** From now on everything has its deadline, and with it the guard, which leaves last. */
  #expectEnd(): void {
    const { killDeadline, ownerDeathGrace } = this.#tuning
    this.#expect(ownerDeathGrace + 2 * killDeadline + GUARD_SLACK, () => this.#overdue())
  }

  #expect(limit: number, otherwise: () => void): void {
    clearTimeout(this.#timer)
    // Unreferenced: whoever waits for the end holds the event loop by the guard.
    this.#timer = setTimeout(otherwise, Math.min(limit, LONGEST_TIMER)).unref()
  }

  /** Whoever waits is told now; should the guard leave after all, what is left is proven dead then. */
  #overdue(): void {
    this.#events.warn(
      `the helpers of a nursery (guard ${this.#guard}, keeper ${this.#keeper}) did not end within their deadlines: processes that it started may still be alive`
    )
    for (const ticket of [...this.#tickets.values()]) {
      if (!ticket.isUnkillable) ticket.unkillable([ticket.pid])
    }
    this.#closed()
    this.#connection.hold(false)
  }

  /** The keeper is dead, and the guard with this signal, or by itself. */
  #prove(signal: NodeJS.Signals | null): void {
    if (signal === null) {
      this.#dead()
      return
    }
    // Without guard and keeper the reapers are the last: each ends its own tree and then leaves.
    const reapers = Array.from(this.#tickets.values(), (ticket) => ticket.reaper).filter((pid) => pid !== 0)
    awaitGone([this.#keeper, ...reapers], this.#tuning.ownerDeathGrace + GUARD_SLACK, this.#holds > 0, () =>
      this.#dead()
    )
  }

  #dead(): void {
    if (this.#state === "dead") return
    this.#state = "dead"
    clearTimeout(this.#timer)
    this.#descriptors?.close()
    this.#descriptors = undefined
    this.#events.retired(this)
    for (const ticket of [...this.#tickets.values()]) {
      ticket.lost(Failures.closed())
      ticket.proven()
    }
    this.#events.dead(this)
    this.#closed()
    this.#connection.hold(false)
  }

  #closed(): void {
    const onDead = this.#onDead
    this.#onDead = []
    for (const done of onDead) done()
  }
}
