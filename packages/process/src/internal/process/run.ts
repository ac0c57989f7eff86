/**
 * One started command: what has happened to it, and what this program holds of it.
 *
 * Everything here is told by callbacks of the backend and costs no fiber. Effects look at it from outside: `Process.spawn` waits
 * for the start, a handle for exit and end, the finalizer of the scope for the end of everything.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Command from "../../Command.ts"
import * as ExitStatus from "../../ExitStatus.ts"
import { ExitError, type KeeperLost, type SpawnError, Unkillable } from "../../ProcessError.ts"
import type {
  Below,
  Level,
  Observer,
  OpenedFd,
  RawNotification,
  RawUsage,
  SpawnFailure,
  StopPolicy,
  Ticket
} from "../backend.ts"
import { insideOf } from "../fd/store.ts"
import type { LiveProcess, NurseryInternal, StartedProcess } from "../registry.ts"
import { makeExit } from "../usage.ts"
import * as Diagnose from "./diagnose.ts"
import { Ends, type Holder } from "./ends.ts"
import { Inbox } from "./inbox.ts"
import type { Plan } from "./request.ts"
import { withoutStack } from "./stack.ts"

/** Told to whoever waits for the start. */
export type Started = Effect.Effect<Run, SpawnError | KeeperLost>

/** What sees a run from its beginning to its end, for spans. */
export interface Watcher {
  started(run: Run): void
  exited(exit: Exit.Exit<ExitStatus.ProcessExit, KeeperLost | SpawnError>): void
}

export class Run implements Observer, StartedProcess, Holder {
  readonly plan: Plan
  pid = 0
  helper = 0
  readonly exit = Deferred.makeUnsafe<ExitStatus.ProcessExit, KeeperLost>()
  /** Nothing of the tree is left. */
  readonly end = Deferred.makeUnsafe<void>()
  readonly ends: Ends
  readonly inbox: Inbox | undefined
  watcher: Watcher | undefined
  readonly #nursery: NurseryInternal
  readonly #scope: Scope.Closeable
  #resume: ((started: Started) => void) | undefined
  #ticket: Ticket | undefined
  #live: LiveProcess | undefined
  #state: "new" | "pending" | "running" | "exited" | "ended" = "new"
  #canceled = false
  /** The exit, until it is told together with the end. */
  #exit: ExitStatus.ProcessExit | undefined
  #stuck: ReadonlyArray<number> | undefined
  #onExit: Array<() => void> | undefined
  /** Those who wait for the end or for news that it will not come. */
  #waiters: Set<() => void> | undefined

  /** `scope` is this run's own: closing it takes it out of the one that it was started in. */
  constructor(plan: Plan, nursery: NurseryInternal, scope: Scope.Closeable) {
    this.plan = plan
    this.#nursery = nursery
    this.#scope = scope
    this.ends = Ends.of(plan)
    this.inbox = plan.command.notify ? new Inbox() : undefined
  }

  get line(): string {
    return Command.display(this.plan.command)
  }

  get name(): string {
    return this.plan.name
  }

  get level(): Level {
    return this.plan.request.level
  }

  get isRunning(): boolean {
    return this.#state === "running"
  }

  get ticket(): Ticket | undefined {
    return this.#ticket
  }

  get isEnded(): boolean {
    return this.#state === "ended"
  }

  /** Asks the backend for the process, and waits until it has started. Run it once. */
  get begin(): Started {
    return Effect.callback<Run, SpawnError | KeeperLost>((resume) => {
      // The scope was closed before: there is nothing that it could live in.
      if (this.#state !== "new") {
        resume(Effect.interrupt)
        return undefined
      }
      this.#state = "pending"
      this.#resume = resume
      this.#ticket = this.#nursery.backend.spawn(this.plan.request, this)
      return Effect.suspend(() => this.#cancel())
    })
  }

  /** Sends a signal; `done` gets an error number, 0 for success. */
  signal(signal: number, reach: "leader" | "group" | "tree", done: (errno: number) => void): void {
    this.#ticket?.signal(signal, reach, done)
  }

  /** The backend's own figures of the running process; `undefined` where `/proc` has them. */
  get usage(): RawUsage | undefined {
    return this.#ticket?.usage?.()
  }

  /** What the backend knows to descend from the process; `undefined` where `/proc` tells. */
  get descendants(): ReadonlyArray<Below> | undefined {
    return this.#ticket?.descendants?.()
  }

  /** Called when the exit is known, or will never be. */
  onExit(callback: () => void): void {
    if (Deferred.isDoneUnsafe(this.exit)) {
      callback()
      return
    }
    this.#onExit ??= []
    this.#onExit.push(callback)
  }

  /** Ends the process by a policy, and waits until nothing of its tree is left. */
  stop(policy: StopPolicy): Effect.Effect<void, Unkillable> {
    return Effect.suspend(() => {
      if (this.isEnded) return Effect.void
      this.#ticket?.stop(policy)
      return this.#gone
    })
  }

  /** The finalizer of the scope. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (this.#state === "new") this.#state = "ended"
    if (this.isEnded && !this.ends.isBusy) {
      this.#closeEnds()
      return Effect.void
    }
    if (this.#state === "pending") return this.#cancel()
    return Effect.andThen(
      Effect.ignore(this.stop(this.plan.request.stop)),
      Effect.suspend(() => this.#release(exit))
    )
  }

  /** For a spawn that is not wanted any more: whatever its state, nothing is left of it afterwards. */
  #cancel(): Effect.Effect<void> {
    this.#canceled = true
    if (!this.isEnded) this.#ticket?.cancel()
    return Effect.andThen(
      Effect.ignore(this.#gone),
      Effect.sync(() => {
        this.#closeEnds()
        this.released()
        this.#resumeWith(Effect.interrupt)
      })
    )
  }

  started(pid: number, helper: number, fds: ReadonlyArray<OpenedFd>): void {
    this.pid = pid
    this.helper = helper
    this.#state = "running"
    this.#settle(true)
    for (const fd of fds) this.ends.open(fd, this)
    this.#live = this.#nursery.registry.started(this)
    this.watcher?.started(this)
    if (!this.#canceled) this.#resumeWith(Effect.succeed(this))
  }

  failed(failure: SpawnFailure): void {
    this.#state = "ended"
    this.#settle(false)
    this.#wake()
    if (this.#canceled) {
      this.watcher?.exited(Exit.interrupt())
      this.#resumeWith(Effect.interrupt)
      this.released()
      return
    }
    this.#resumeWith(
      Effect.flatMap(Diagnose.diagnose(this.plan, failure), (error) => {
        this.#nursery.registry.failed(error)
        this.watcher?.exited(Exit.fail(error))
        return Effect.fail(error)
      })
    )
    this.released()
  }

  exited(status: number, usage: RawUsage, isLast = false): void {
    const exit = makeExit(status, usage)
    this.#state = "exited"
    this.ends.writerExited()
    if (this.#live !== undefined) this.#nursery.registry.exited(this.#live, exit)
    this.watcher?.exited(Exit.succeed(exit))
    // Who is told at once may close the scope at once, which costs nothing when the end is known too.
    if (isLast) this.#exit = exit
    else this.#exitIs(Exit.succeed(exit))
  }

  notified(notification: RawNotification): void {
    const { fdStore } = this.plan.command
    if (fdStore !== undefined) insideOf(fdStore).told(notification)
    this.inbox?.add(notification)
  }

  ended(): void {
    this.#state = "ended"
    this.inbox?.end()
    this.ends.readersEnded()
    if (this.#live !== undefined) this.#nursery.registry.ended(this.#live)
    Deferred.doneUnsafe(this.end, Exit.void)
    // First: who is told closes the scope that this one is in, and need not look after it any more.
    this.released()
    if (this.#exit !== undefined) this.#exitIs(Exit.succeed(this.#exit))
    this.#wake()
  }

  lost(error: KeeperLost): void {
    this.#settle(false)
    if (this.#state === "running") this.#state = "exited"
    this.#nursery.registry.lost(this.#live, error)
    this.watcher?.exited(Exit.fail(error))
    this.#exitIs(Exit.fail(error))
    this.#resumeWith(Effect.fail(error))
  }

  unkillable(pids: ReadonlyArray<number>): void {
    this.#stuck = pids
    if (this.#live !== undefined) this.#nursery.registry.unkillable(this.#live, pids)
    this.#wake()
  }

  /** What is known of the descriptors that it was to be given. */
  #settle(started: boolean): void {
    for (const { fd } of this.plan.held) fd.slot.settle(started)
  }

  #exitIs(exit: Exit.Exit<ExitStatus.ProcessExit, KeeperLost>): void {
    if (!Deferred.doneUnsafe(this.exit, exit)) return
    for (const callback of this.#onExit ?? nobody) callback()
  }

  #resumeWith(started: Started): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.(started)
  }

  #wake(): void {
    for (const waiter of Array.from(this.#waiters ?? nobody)) waiter()
  }

  /** Waits until nothing is left, or fails when that cannot be reached. */
  get #gone(): Effect.Effect<void, Unkillable> {
    return Effect.callback<void, Unkillable>((resume) => {
      this.#waiters ??= new Set()
      const waiters = this.#waiters
      const check = () => {
        if (this.isEnded) resume(Effect.void)
        else if (this.#stuck !== undefined) {
          resume(Effect.fail(new Unkillable({ command: this.line, pid: this.pid, pids: this.#stuck })))
        } else return
        waiters.delete(check)
      }
      waiters.add(check)
      check()
      return Effect.sync(() => {
        waiters.delete(check)
      })
    })
  }

  #closeEnds(): void {
    this.ends.close()
    this.inbox?.end()
  }

  /**
   * Lets go of what this program holds. If everything that wrote is dead, a Sink gets the rest and then the end: where the scope
   * closes because all went well, it is given the time for it.
   */
  #release(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.andThen(
      this.ends.release(Exit.isSuccess(exit) && this.isEnded),
      Effect.sync(() => this.#closeEnds())
    )
  }

  /** A scope may live long and start many: what has ended, and has nothing left to read, does not stay in it. */
  released(): void {
    if (!this.isEnded || this.ends.isOpen) return
    // The finalizer has nothing to do any more, so what it would do is not run.
    Scope.closeUnsafe(this.#scope, Exit.void)
  }

  /** What `success` says of an exit. */
  check(exit: ExitStatus.ProcessExit): Effect.Effect<ExitStatus.ProcessExit, ExitError> {
    return ExitStatus.isSuccess(exit.status, this.plan.command.successCodes)
      ? Effect.succeed(exit)
      : Effect.fail(this.errorOf(exit))
  }

  errorOf({ status, usage }: ExitStatus.ProcessExit): ExitError {
    const stderr = this.ends.lastWords
    return withoutStack(() => new ExitError({ status, usage, command: this.line, stderr }))
  }
}

const nobody: ReadonlyArray<never> = []
