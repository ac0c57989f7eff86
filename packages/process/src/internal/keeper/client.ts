/**
 * The backend on the keeper: one family of helpers at a time, and a new one when the last was lost.
 *
 * @internal
 */
import type { KeeperUnavailable } from "../../ProcessError.ts"
import type { Backend, Joined, Observer, SpawnRequest, Ticket } from "../backend.ts"
import type { Guarantees } from "../guarantees.ts"
import type { HeldRequest, Holding } from "../held.ts"
import type { Tuning } from "./encoder.ts"
import * as Explore from "./explore.ts"
import * as Failures from "./failures.ts"
import { Family, type FamilyEvents } from "./family.ts"
import * as F from "./frames.ts"
import { sandboxGuarantees, sandboxLimits } from "./sandbox.ts"
import { Errno } from "./system.ts"

export interface ClientOptions {
  /** Of the binary. */
  readonly path: string
  readonly tuning: Tuning
  /** Something went wrong that no caller hears of. */
  readonly warn: (message: string) => void
}

const limits: ReadonlyArray<string> = [
  "when this program and all of its helpers are killed at the same moment, leaders die but their descendants may survive (not at level pid-namespace)",
  "a process that has become another user cannot be killed by a nursery without privilege",
  "a child that forks as fast as it can is ended, but without privilege or a process limit no time is promised"
]

const guaranteesWith = (features: number): Guarantees => {
  const pidfd = (features & F.Feature.pidfd) !== 0
  return {
    backend: "keeper",
    levels: [
      { level: "tree", available: true, reason: "" },
      { level: "group", available: true, reason: "" },
      { level: "pid-namespace", available: true, reason: "" },
      { level: "cgroup", available: true, reason: "" }
    ],
    escapees: true,
    ownerDeath: true,
    graceOutsideEventLoop: true,
    cheapSpawn: true,
    noStrayPid: true,
    notifications: true,
    setup: true,
    sandbox: sandboxGuarantees(features >>> F.LANDLOCK_SHIFT, (features & F.Feature.filters) !== 0),
    limits: [
      ...limits,
      ...(pidfd
        ? []
        : ["pidfd_open does not work here (an old kernel, or seccomp): ending a large tree takes more passes"]),
      ...sandboxLimits(features >>> F.LANDLOCK_SHIFT)
    ]
  }
}

/** The ticket of a spawn after the nursery was closed. */
const closedTicket = (observer: Observer): Ticket => {
  queueMicrotask(() => {
    observer.lost(Failures.closed())
    observer.ended()
  })
  const gone = (done: (errno: number) => void): void => queueMicrotask(() => done(Errno.ESRCH))
  return {
    cancel: () => {},
    stop: () => {},
    signal: (_signal, _reach, done) => gone(done),
    release: gone,
    retain: gone,
    ref: () => {},
    unref: () => {}
  }
}

export class KeeperClient implements Backend {
  readonly #options: ClientOptions
  readonly #families = new Set<Family>()
  readonly #events: FamilyEvents
  #current: Family | undefined
  #guarantees: Guarantees | undefined
  #explored = false
  #disposed = false

  constructor(options: ClientOptions) {
    this.#options = options
    this.#events = {
      retired: (family) => {
        if (this.#current === family) this.#current = undefined
      },
      dead: (family) => {
        this.#families.delete(family)
      },
      untouched: (ticket) => this.#family().adopt(ticket),
      unheld: ({ done, moves, request }) => this.#family().objects.make(request, done, moves),
      warn: options.warn
    }
  }

  /** Starts the helpers ahead of the first spawn; `done` is called once, later. */
  open(done: (error: KeeperUnavailable | undefined) => void): void {
    const family = this.#family()
    family.whenStarted((error) => {
      if (error === undefined) this.#guarantees = guaranteesWith(family.features)
      done(error)
    })
  }

  readonly guarantees = (): Guarantees => this.#guarantees ?? guaranteesWith(F.Feature.pidfd)

  readonly probe = (done: (guarantees: Guarantees) => void): void => {
    const known = this.guarantees()
    if (this.#disposed || this.#explored) {
      queueMicrotask(() => done(known))
      return
    }
    Explore.levels(
      (request, observer) => this.spawn(request, observer),
      (problems) => {
        // What is there stays there; what is not may be allowed in the meantime.
        this.#explored = [...problems.values()].every((problem) => problem === "")
        const levels = known.levels.map((level) => {
          const reason = problems.get(level.level) ?? level.reason
          return { ...level, available: reason === "", reason }
        })
        done({ ...known, levels })
      }
    )
  }

  /** The helpers of the next spawn, once they are started. */
  get helpers(): { readonly guard: number; readonly keeper: number } | undefined {
    return this.#current?.helpers
  }

  spawn(request: SpawnRequest, observer: Observer): Ticket {
    return this.#disposed ? closedTicket(observer) : this.#family().spawn(request, observer)
  }

  readonly pipe = (): Joined => this.#family().pipe()

  readonly hold = (request: HeldRequest, done: (result: Holding) => void): void => {
    if (this.#disposed) queueMicrotask(() => done({ _tag: "Lost", error: Failures.closed() }))
    else this.#family().objects.make(request, done)
  }

  close(done: () => void): void {
    const families = [...this.#families]
    this.#current = undefined
    let open = families.length
    if (open === 0) {
      queueMicrotask(done)
      return
    }
    for (const family of families) {
      family.close(() => {
        open--
        if (open === 0) done()
      })
    }
  }

  /** Closes for good: later spawns fail. */
  dispose(done: () => void): void {
    this.#disposed = true
    this.close(done)
  }

  #family(): Family {
    if (this.#current === undefined) {
      this.#current = new Family(this.#options.path, this.#options.tuning, this.#events)
      this.#families.add(this.#current)
    }
    return this.#current
  }
}
