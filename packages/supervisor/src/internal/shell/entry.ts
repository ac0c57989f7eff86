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
import type { Tree } from "./tree.ts"

export type ScheduleStep = (
  now: number,
  input: ChildExit
) => Pull.Pull<[unknown, Duration.Duration], unknown, unknown, unknown>

type Said = { readonly _tag: "Said"; readonly status: string } | { readonly _tag: "Ending" | "Reloading" }

/** How many ends are remembered. */
const historyLength = 10

export class Entry {
  spec: ChildSpec
  /** Takes the place of the command of the spec. */
  command: Command.Command | undefined
  incarnation = 0
  /** The fiber in which it lives now. */
  life: Fiber.Fiber<unknown, unknown> | undefined
  /** The fiber that decides about it, or waits for its next start. */
  pending: Fiber.Fiber<unknown, unknown> | undefined
  process: Process.Process | undefined
  /** The tree of a child that is a supervisor. */
  nested: Tree | undefined
  provided: unknown
  lastExit: ChildExit | undefined
  /** Of a dynamic supervisor that gave up: for which of its children. */
  culprit: GaveUp | undefined
  /** Milliseconds of the monotonic clock. */
  startedAt = 0
  readyAt: number | undefined
  /** Starts since it was last healthy. */
  attempts = 0
  restarts = 0
  schedule: ScheduleStep | undefined
  /** As the metrics count it. */
  stands: Status | undefined
  /** What it says of itself. */
  says: string | undefined
  mainPid: number | undefined
  /** Why it is not ready yet. */
  problem: string | undefined
  /** Nothing of its present incarnation is left. */
  isOver = true
  /** It has been asked to end. */
  isStopping = false
  /** Told each time that it stands differently. */
  readonly listeners = new Set<() => void>()
  readonly history: Array<PastExit> = []

  /** What its effects run in. */
  readonly context: Context.Context<never>

  constructor(spec: ChildSpec, context: Context.Context<never>) {
    this.spec = spec
    this.context = context
  }

  remember(exit: ChildExit, time: number): void {
    this.lastExit = exit
    this.history.push({ exit, incarnation: this.incarnation, time })
    if (this.history.length > historyLength) this.history.shift()
  }

  /** Told what its process says by the notify protocol. */
  readonly hearers = new Set<(fields: Process.Notification["fields"]) => void>()

  /** What is news to those who watch the tree; READY=1 and WATCHDOG=1 are for the checks. */
  hear({ fields, sender }: Process.Notification): ReadonlyArray<Said> {
    if (sender === "stranger") return []
    const news: Array<Said> = []
    const { MAINPID: mainPid, STATUS: status } = fields
    if (Number(mainPid) > 0) this.mainPid = Number(mainPid)
    if (status !== undefined) {
      this.says = status
      news.push({ _tag: "Said", status })
    }
    if (fields["STOPPING"] === "1") news.push({ _tag: "Ending" })
    if (fields["RELOADING"] === "1") news.push({ _tag: "Reloading" })
    for (const hearer of this.hearers) hearer(fields)
    return news
  }

  tell(): void {
    for (const listener of this.listeners) listener()
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
