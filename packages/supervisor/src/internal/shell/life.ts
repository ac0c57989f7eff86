/**
 * What is known of one life of a child, from its start until nothing of it is left; and what that tells to its tree while it goes on.
 *
 * @internal
 */
import type { Command, Process } from "@nursery/process"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { NotReady, ReadyStranger, StartTimeout, Unresponsive } from "../../ChildError.ts"
import type { TreeSpec } from "../spec.ts"
import type { Entry } from "./entry.ts"
import type { Tree } from "./tree.ts"

/** `ready`: it runs, and is waited for to be ready. */
export type Step = StartTimeout["step"] | "ready"

export class Life {
  readonly tree: Tree
  readonly entry: Entry
  readonly incarnation: number
  /** Milliseconds of the monotonic clock. */
  readonly startedAt: number
  readyAt: number | undefined
  /** In which it goes on. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  process: Process.Process | undefined
  /** The tree of a child that is a supervisor. */
  nested: Tree | undefined
  /** What it says of itself. */
  says: string | undefined
  mainPid: number | undefined
  /** What its start is at. */
  step: Step = "beforeStart"
  /** Why it is not ready yet. */
  problem: string | undefined
  /** The reason for which it fails when it is not ready in time, where that is known better. */
  reason: ReadyStranger | undefined
  /** When it has to be ready, in milliseconds of the monotonic clock; the time limit that waits for that. */
  readyBy = 0
  limit: Fiber.Fiber<unknown, unknown> | undefined
  /** What it fails with in place of the interruption by which it was ended. */
  failure: NotReady | Unresponsive | undefined
  /** It has been asked to end. */
  isStopping = false
  /** Nothing of it is left, or what is left is not waited for: whatever it tells from now on is out of date. */
  isOver = false

  constructor(tree: Tree, entry: Entry, incarnation: number) {
    this.tree = tree
    this.entry = entry
    this.incarnation = incarnation
    this.startedAt = tree.tell.now
  }

  /** In place of the command of the spec. */
  get command(): Command.Command | undefined {
    return this.entry.command
  }

  /** For how many milliseconds it has been ready. */
  get uptime(): number | undefined {
    return this.readyAt === undefined ? undefined : this.tree.tell.now - this.readyAt
  }

  spawned(process: Process.Process): void {
    if (this.isOver) return
    this.process = process
    this.tree.tell.child(this.entry, { _tag: "Spawned", pid: process.pid })
  }

  ready(value: unknown): void {
    if (this.isOver) return
    this.entry.provided = value
    this.#forgetLimit()
    this.readyAt = this.tree.tell.now
    this.tree.dispatch({ _tag: "Ready", id: this.entry.spec.name, incarnation: this.incarnation })
  }

  /** Why it is not ready yet. */
  report(problem: string, reason?: ReadyStranger): void {
    if (this.isOver) return
    this.problem = problem
    this.reason = reason
  }

  /** It is of no use as it is: it is ended, and has failed with this. */
  fail(failure: NotReady | Unresponsive): void {
    if (this.isOver) return
    this.failure ??= failure
    this.tree.interrupt(this)
  }

  /** A message of the notify protocol. What is news to those who watch the tree is told; READY=1 and WATCHDOG=1 are for the checks. */
  hear({ fields, sender }: Process.Notification): void {
    if (this.isOver || sender === "stranger") return
    const { MAINPID: mainPid, STATUS: status } = fields
    if (Number(mainPid) > 0) this.mainPid = Number(mainPid)
    if (status !== undefined) this.says = status
    const extension = Number(fields["EXTEND_TIMEOUT_USEC"])
    if (Number.isFinite(extension)) this.readyBy = Math.max(this.readyBy, this.tree.tell.now + extension / 1000)
    const { entry, tree } = this
    entry.words.tell(fields)
    if (status !== undefined) tree.tell.child(entry, { _tag: "Said", status })
    if (fields["STOPPING"] === "1") tree.tell.child(entry, { _tag: "Ending" })
    if (fields["RELOADING"] === "1") tree.tell.child(entry, { _tag: "Reloading" })
  }

  /** Runs a tree as this child, until its end. */
  nest(spec: TreeSpec): Effect.Effect<unknown, unknown, unknown> {
    return this.tree.nest(this, spec)
  }

  /** It ends here, once. */
  end(): void {
    this.isOver = true
    this.#forgetLimit()
    this.fiber = undefined
    this.process = undefined
    this.nested = undefined
  }

  #forgetLimit(): void {
    this.limit?.interruptUnsafe()
    this.limit = undefined
  }
}
