/**
 * A simulated process with everything that it has started, as the keeper sees it: the stop policy and its deadlines, and what the
 * observer is told, in order.
 *
 * @internal
 */

import { constants } from "node:os"
import type { KeeperLost } from "@nursery/process"
import type {
  Below,
  Observer,
  OpenedFd,
  RawNotification,
  RawUsage,
  Reach,
  SpawnFailure,
  SpawnRequest,
  StopPolicy,
  Ticket
} from "@nursery/process/Backend"
import * as Failures from "./failures.ts"
import type { SimulatedProcess } from "./process.ts"
import * as Signals from "./signals.ts"
import type { World } from "./world.ts"

const { ECANCELED, ENOTSUP, ESRCH } = constants.errno

const noUsage: RawUsage = {
  userTime: 0,
  systemTime: 0,
  maxResidentSet: 0,
  minorFaults: 0,
  majorFaults: 0,
  blockInput: 0,
  blockOutput: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0
}

const ranks: Readonly<Record<Reach, number>> = { leader: 0, group: 1, tree: 2 }

const isShorter = (one: number | undefined, other: number | undefined): boolean =>
  one !== undefined && (other === undefined || one < other)

export class Tree implements Ticket {
  readonly world: World
  readonly request: SpawnRequest
  readonly #observer: Observer
  /** What the observer knows, or is about to be told. */
  #state: "asked" | "running" | "exited" | "over" = "asked"
  #isLost = false
  #canceled = false
  #released = false
  #leader: SimulatedProcess | undefined
  readonly #members = new Set<SimulatedProcess>()
  /** What left the only group that the tree is made of. */
  readonly #strays = new Set<SimulatedProcess>()
  #stopping: StopPolicy | undefined
  #graceEnd: number | undefined
  #isKilling = false
  #forgetDeadline = () => {}
  readonly #onSettled: Array<() => void> = []

  constructor(world: World, request: SpawnRequest, observer: Observer) {
    this.world = world
    this.request = request
    this.#observer = observer
  }

  get isReleased(): boolean {
    return this.#released
  }

  // What the world does with it.

  isStray(process: SimulatedProcess): boolean {
    return this.#strays.has(process)
  }

  get isOver(): boolean {
    return this.#state === "over"
  }

  get isCanceled(): boolean {
    return this.#canceled
  }

  failed(failure: SpawnFailure): void {
    if (this.#state !== "asked") return
    this.#over()
    this.#observer.failed(this.#canceled ? { step: "request", errno: ECANCELED, target: -1 } : failure)
  }

  /** The leader is there, and plays its program from now on. */
  started(leader: SimulatedProcess, fds: ReadonlyArray<OpenedFd>, play: () => void): void {
    this.#state = "running"
    this.#leader = leader
    this.#members.add(leader)
    // Before anybody can send it a signal, it has said what it does about that.
    play()
    this.#observer.started(leader.pid, 0, fds)
  }

  /** Part of this tree, as far as its level reaches. */
  joined(process: SimulatedProcess): void {
    if (this.request.level === "group" && process.group !== this.#leader?.group) {
      this.#strays.add(process)
      return
    }
    this.#members.add(process)
    if (this.#isKilling) this.world.signal(process, Signals.SIGKILL)
  }

  died(process: SimulatedProcess, status: number): void {
    this.world.died(process)
    this.#strays.delete(process)
    for (const other of [...this.#members, ...this.#strays]) if (other.parent === process.pid) other.parent = 1
    if (!this.#members.delete(process)) return
    if (process === this.#leader) this.#leaderExited(status)
    else if (this.#members.size === 0 && this.#state !== "running") this.#tellEnd()
  }

  /** A datagram at the socket of sd_notify(3), of which nobody hears where the command has not asked for it. */
  notified(notification: RawNotification): void {
    if (this.request.notify !== true || this.#state === "over" || this.#isLost) return
    this.#tell(() => this.#observer.notified?.(notification))
  }

  lost(error: KeeperLost): void {
    if (this.#state === "over" || this.#isLost) return
    this.#isLost = true
    this.#tell(() => this.#observer.lost(error))
    if (this.#state === "asked" || this.#members.size === 0) this.#tellEnd()
    else this.#kill()
  }

  /** Ends it because the nursery ends; calls when it has ended or cannot be ended. */
  end(limit: number, settled: () => void): void {
    if (this.#state === "over") {
      this.world.later(settled)
      return
    }
    this.#onSettled.push(settled)
    if (this.#state === "asked") {
      this.lost(Failures.closed)
      return
    }
    const { grace, linger, reach, signal } = this.request.stop
    this.stop({ signal, reach, grace: Math.min(grace ?? limit, limit), linger: Math.min(linger ?? limit, limit) })
  }

  /** The simulation ends: nothing of it is left, whatever it was. */
  abandon(): void {
    if (this.#state === "over") return
    if (this.#released || this.#state === "asked") this.lost(Failures.closed)
    this.#kill()
  }

  // What the user of the backend asks for.

  cancel(): void {
    this.#canceled = true
    if (this.#state === "running" || this.#state === "exited") this.#kill()
  }

  /** As the keeper does it: nothing ever makes a grace period longer. */
  stop(policy: StopPolicy): void {
    if (this.#state === "asked") this.#canceled = true
    if (this.#state === "asked" || this.#state === "over" || this.#isKilling) return
    if (policy.signal === 0 || policy.signal === Signals.SIGKILL || policy.grace === 0) {
      this.#kill()
      return
    }
    const before = this.#stopping
    this.#stopping = policy
    const hasExited = this.#leader?.isAlive !== true
    // The same signal again would be read as impatience.
    const isNew = before === undefined || policy.signal !== before.signal || ranks[policy.reach] > ranks[before.reach]
    if (isNew) this.#sendStop(this.#reached(hasExited ? "tree" : policy.reach), policy.signal)
    this.#endWithin(hasExited && isShorter(policy.linger, policy.grace) ? policy.linger : policy.grace)
  }

  signal(signal: number, reach: Reach, done: (errno: number) => void): void {
    const reached = this.#reached(reach)
    if (signal !== 0) for (const process of reached) this.world.signal(process, signal)
    this.world.later(() => done(reached.length === 0 ? ESRCH : 0))
  }

  release(done: (errno: number) => void): void {
    this.#setReleased(true, done)
  }

  retain(done: (errno: number) => void): void {
    this.#setReleased(false, done)
  }

  // No event loop knows of it.
  ref(): void {}
  unref(): void {}

  usage(): RawUsage {
    return noUsage
  }

  descendants(): ReadonlyArray<Below> {
    const now = this.world.now()
    return Array.from(this.#members)
      .filter((process) => process !== this.#leader)
      .map(({ birth, parent, pid }) => ({ pid, name: birth.name.slice(0, 15), parent, age: now - birth.startedAt }))
  }

  #leaderExited(status: number): void {
    this.#state = "exited"
    const isLast = this.#members.size === 0
    const isLost = this.#isLost
    this.#tell(() => {
      if (!isLost) this.#observer.exited(status, noUsage, isLast)
      if (isLast) this.#observer.ended()
    })
    if (isLast) {
      this.#over()
      return
    }
    const policy = this.#stopping
    const isFailure = status !== 0 && (status & 0x7f) === 0
    if (this.request.groupOnFailure && isFailure) {
      this.#sendStop(this.#reached("group"), this.request.stop.signal || Signals.SIGKILL)
    }
    if (policy === undefined || this.#isKilling) return
    if (policy.reach !== "tree") {
      const group = new Set(policy.reach === "group" ? this.#reached("group") : [])
      // To those who have not had it yet.
      this.#sendStop(
        this.#reached("tree").filter((process) => !group.has(process)),
        policy.signal
      )
    }
    this.#endWithin(policy.linger)
  }

  #reached(reach: Reach): ReadonlyArray<SimulatedProcess> {
    if (this.#state !== "running" && this.#state !== "exited") return []
    const members = Array.from(this.#members)
    if (reach === "tree") return members
    if (reach === "group") return members.filter(({ group }) => group === this.#leader?.group)
    return members.filter((process) => process === this.#leader)
  }

  #sendStop(processes: ReadonlyArray<SimulatedProcess>, signal: number): void {
    for (const process of processes) {
      this.world.signal(process, signal)
      // A stopped process acts on no signal until it continues.
      if (process.isStopped) this.world.signal(process, Signals.SIGCONT)
    }
  }

  #endWithin(milliseconds: number | undefined): void {
    // Most processes have ended of the signal already.
    if (milliseconds === undefined || this.#state === "over") return
    const end = this.world.now() + milliseconds
    if (!isShorter(end, this.#graceEnd)) return
    this.#graceEnd = end
    this.#forgetDeadline()
    this.#forgetDeadline = this.world.after(milliseconds, () => this.#kill())
  }

  #kill(): void {
    if (this.#isKilling || this.#state === "over") return
    this.#isKilling = true
    this.#forgetDeadline()
    for (const process of Array.from(this.#members)) this.world.signal(process, Signals.SIGKILL)
    if (this.#members.size === 0) return
    this.#forgetDeadline = this.world.after(this.world.killDeadline, () => {
      this.#observer.unkillable(Array.from(this.#members, ({ pid }) => pid))
      this.#settled()
    })
  }

  #setReleased(released: boolean, done: (errno: number) => void): void {
    const isThere = this.#state === "running" || this.#state === "exited"
    const errno = !isThere ? ESRCH : this.request.level === "group" ? ENOTSUP : 0
    if (errno === 0) this.#released = released
    this.world.later(() => done(errno))
  }

  #tell(what: () => void): void {
    this.world.later(what)
  }

  #tellEnd(): void {
    this.#tell(() => this.#observer.ended())
    this.#over()
  }

  #over(): void {
    this.#state = "over"
    this.#forgetDeadline()
    this.world.over(this)
    this.#tell(() => this.#settled())
  }

  #settled(): void {
    for (const settled of this.#onSettled.splice(0)) settled()
  }
}
