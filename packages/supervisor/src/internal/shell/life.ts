/**
 * What is known of one life of a child, from its start until nothing of it is left; and what that tells to its tree while it goes on.
 *
 * @internal
 */
import type { Command, Process } from "@nursery/process"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { TreeSpec } from "../spec.ts"
import type { Entry } from "./entry.ts"
import type { Tree } from "./tree.ts"

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
  /** Why it is not ready yet. */
  problem: string | undefined
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
    this.readyAt = this.tree.tell.now
    this.tree.dispatch({ _tag: "Ready", id: this.entry.spec.name, incarnation: this.incarnation })
  }

  /** Why it is not ready yet. */
  report(problem: string): void {
    if (!this.isOver) this.problem = problem
  }

  /** A message of the notify protocol. What is news to those who watch the tree is told; READY=1 and WATCHDOG=1 are for the checks. */
  hear({ fields, sender }: Process.Notification): void {
    if (this.isOver || sender === "stranger") return
    const { MAINPID: mainPid, STATUS: status } = fields
    if (Number(mainPid) > 0) this.mainPid = Number(mainPid)
    if (status !== undefined) this.says = status
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
    this.fiber = undefined
    this.process = undefined
    this.nested = undefined
  }
}
