/**
 * What the shell knows of a child beyond what the core does: what it is, what it provided, how it ended so far.
 *
 * @internal
 */
import type { Command, Process } from "@nursery/process"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import type { ChildExit } from "../../ChildExit.ts"
import type { GaveUp, PastExit } from "../../SupervisorError.ts"
import type { Status } from "../../SupervisorEvent.ts"
import type { ChildSpec } from "../spec.ts"
import { Keep } from "./keep.ts"
import type { Life } from "./life.ts"
import { Listeners } from "./listeners.ts"
import { annotated } from "./observe.ts"

export type ScheduleStep = (
  now: number,
  input: ChildExit
) => Pull.Pull<[unknown, Duration.Duration], unknown, unknown, unknown>

export interface Standing {
  readonly status: Status
  readonly incarnation: number
}

/** How many ends are remembered. */
const historyLength = 10

export class Entry {
  readonly spec: ChildSpec
  /** Takes the place of the command of the spec. */
  command: Command.Command | undefined
  /** The latest one. */
  life: Life | undefined
  /** The fiber that decides about it, or waits for its next start. */
  pending: Fiber.Fiber<unknown, unknown> | undefined
  provided: unknown
  /** The last ends, the latest at the end. */
  history: ReadonlyArray<PastExit> = []
  /** Of a dynamic supervisor that gave up: for which of its children. */
  culprit: GaveUp | undefined
  /** Starts since it was last healthy. */
  attempts = 0
  restarts = 0
  schedule: ScheduleStep | undefined
  readonly keep = new Keep()
  /** As was told last; `undefined` until it is there. The core may be ahead of this by what is still to be done. */
  told: Standing | undefined
  /** Told each time that it stands differently. */
  readonly changes = new Listeners()
  /** Told what its process says by the notify protocol. */
  readonly words = new Listeners<Process.Notification["fields"]>()

  readonly #path: ReadonlyArray<string>
  #context: Context.Context<never>
  #isAnnotated = false

  /** `path`: of its tree; `context`: what it is run in, which says nothing of the child yet. */
  constructor(spec: ChildSpec, path: ReadonlyArray<string>, context: Context.Context<never>) {
    this.spec = spec
    this.#path = path
    this.#context = context
  }

  /** What its effects run in; made when it is wanted, for a tree may have thousands of children. */
  get context(): Context.Context<never> {
    if (!this.#isAnnotated) {
      this.#isAnnotated = true
      this.#context = annotated(this.#context, [...this.#path, this.spec.name])
    }
    return this.#context
  }

  /** 0 before the first life. */
  get incarnation(): number {
    return this.life?.incarnation ?? 0
  }

  get lastExit(): ChildExit | undefined {
    return this.history.at(-1)?.exit
  }

  /** It stays down, until somebody asks for its start. */
  get isResting(): boolean {
    switch (this.told?.status) {
      case "completed":
      case "stopped":
      case "paused":
      case "failed":
        return true
      default:
        return false
    }
  }

  remember(exit: ChildExit, time: number): void {
    this.history = [...this.history.slice(1 - historyLength), { exit, incarnation: this.incarnation, time }]
  }

  /** Nothing that is being decided or waited for is needed any more. */
  forget(): void {
    const { pending } = this
    this.pending = undefined
    pending?.interruptUnsafe()
  }

  /** It has been well for so long that its failures before are forgotten: the life that was well is the first attempt. */
  recovered(): void {
    this.attempts = 1
    this.schedule = undefined
  }
}
