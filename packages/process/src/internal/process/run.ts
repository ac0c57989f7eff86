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
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Command from "../../Command.ts"
import * as ExitStatus from "../../ExitStatus.ts"
import { ExitError, type KeeperLost, type SpawnError, StreamError, Unkillable } from "../../ProcessError.ts"
import type {
  Below,
  Observer,
  OpenedFd,
  RawNotification,
  RawUsage,
  SpawnFailure,
  StopPolicy,
  Ticket
} from "../backend.ts"
import { insideOf } from "../fd/store.ts"
import type { LiveProcess, NurseryInternal } from "../registry.ts"
import { Source } from "../streams/source.ts"
import { Tail } from "../streams/tail.ts"
import { Target } from "../streams/target.ts"
import { makeExit } from "../usage.ts"
import * as Diagnose from "./diagnose.ts"
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

export class Run implements Observer {
  readonly plan: Plan
  pid = 0
  helper = 0
  readonly exit = Deferred.makeUnsafe<ExitStatus.ProcessExit, KeeperLost>()
  /** Nothing of the tree is left. */
  readonly end = Deferred.makeUnsafe<void>()
  /** The first failure of a Stream of the command; made when there is such a Stream. */
  inputFailure: Deferred.Deferred<never, unknown> | undefined
  readonly sources = new Map<number, Source<StreamError>>()
  readonly targets = new Map<number, Target<StreamError>>()
  /** Fibers that write Streams to the process and read its output into Sinks. */
  readonly #pumps: Array<Fiber.Fiber<unknown, unknown>> = []
  readonly consumers = new Map<number, Fiber.Fiber<unknown, unknown>>()
  /** How many of these run. */
  #busy = 0
  readonly tail: Tail | undefined
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
  readonly #onExit: Array<() => void> = []
  /** Those who wait for the end or for news that it will not come. */
  readonly #waiters = new Set<() => void>()

  /** `scope` is this run's own: closing it takes it out of the one that it was started in. */
  constructor(plan: Plan, nursery: NurseryInternal, scope: Scope.Closeable) {
    this.plan = plan
    this.#nursery = nursery
    this.#scope = scope
    this.tail = plan.ends.some((end) => end.target === 2) ? new Tail() : undefined
    this.inbox = plan.command.notify ? new Inbox() : undefined
  }

  get line(): string {
    return Command.display(this.plan.command)
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

  /** A fiber that writes a Stream to the process. */
  addPump(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.#pumps.push(fiber)
    this.#watch(fiber)
  }

  /** A fiber that reads a descriptor of the process into a Sink. */
  addConsumer(target: number, fiber: Fiber.Fiber<unknown, unknown>): void {
    this.consumers.set(target, fiber)
    this.#watch(fiber)
  }

  #watch(fiber: Fiber.Fiber<unknown, unknown>): void {
    this.#busy++
    fiber.addObserver(() => {
      this.#busy--
      this.#detach()
    })
  }

  /** Called when the exit is known, or will never be. */
  onExit(callback: () => void): void {
    if (Deferred.isDoneUnsafe(this.exit)) callback()
    else this.#onExit.push(callback)
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
    if (this.isEnded && this.#busy === 0) {
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
        this.#detach()
        this.#resumeWith(Effect.interrupt)
      })
    )
  }

  started(pid: number, helper: number, fds: ReadonlyArray<OpenedFd>): void {
    this.pid = pid
    this.helper = helper
    this.#state = "running"
    this.#settle(true)
    for (const fd of fds) this.#open(fd)
    this.#live = this.#nursery.registry.started({
      pid,
      helper,
      name: this.plan.name,
      command: () => this.line,
      level: this.plan.request.level
    })
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
      this.#detach()
      return
    }
    this.#resumeWith(
      Effect.flatMap(Diagnose.diagnose(this.plan, failure), (error) => {
        this.#nursery.registry.failed(error)
        this.watcher?.exited(Exit.fail(error))
        return Effect.fail(error)
      })
    )
    this.#detach()
  }

  exited(status: number, usage: RawUsage, isLast = false): void {
    const exit = makeExit(status, usage)
    this.#state = "exited"
    for (const source of this.sources.values()) source.writerExited()
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
    for (const target of this.targets.values()) target.close()
    for (const pump of this.#pumps) pump.interruptUnsafe()
    if (this.#live !== undefined) this.#nursery.registry.ended(this.#live)
    Deferred.doneUnsafe(this.end, Exit.void)
    // First: who is told closes the scope that this one is in, and need not look after it any more.
    this.#detach()
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
    for (const callback of this.#onExit) callback()
  }

  #resumeWith(started: Started): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.(started)
  }

  #wake(): void {
    for (const waiter of Array.from(this.#waiters)) waiter()
  }

  /** Waits until nothing is left, or fails when that cannot be reached. */
  get #gone(): Effect.Effect<void, Unkillable> {
    return Effect.callback<void, Unkillable>((resume) => {
      const check = () => {
        if (this.isEnded) resume(Effect.void)
        else if (this.#stuck !== undefined) {
          resume(Effect.fail(new Unkillable({ command: this.line, pid: this.pid, pids: this.#stuck })))
        } else return
        this.#waiters.delete(check)
      }
      this.#waiters.add(check)
      check()
      return Effect.sync(() => {
        this.#waiters.delete(check)
      })
    })
  }

  #open(fd: OpenedFd): void {
    const name = nameOf(fd.target)
    const operation = fd.kind === "pipeIn" ? "write" : "read"
    const onError = (errno: string) => new StreamError({ stream: name, operation, command: this.line, errno })
    const onClose = () => this.#detach()
    if (fd.kind === "pipeIn") this.targets.set(fd.target, new Target({ handle: fd.handle, onError }))
    else {
      const tail = fd.target === 2 ? this.tail : undefined
      this.sources.set(fd.target, new Source({ handle: fd.handle, name, onError, onClose, tail }))
    }
  }

  #closeEnds(): void {
    for (const source of this.sources.values()) source.close("ECANCELED")
    for (const target of this.targets.values()) target.close()
    this.inbox?.end()
  }

  /**
   * Lets go of what this program holds. If everything that wrote is dead, a Sink gets the rest and then the end: where the scope
   * closes because all went well, it is given the time for it.
   */
  #release(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const closeEnds = Effect.sync(() => this.#closeEnds())
    if (this.#busy === 0) return closeEnds
    const consumers = this.consumers.values()
    const finished = Exit.isSuccess(exit) && this.isEnded ? Fiber.awaitAll(consumers) : Fiber.interruptAll(consumers)
    return Effect.andThen(Effect.andThen(Fiber.interruptAll(this.#pumps), finished), closeEnds)
  }

  /** A scope may live long and start many: what has ended, and has nothing left to read, does not stay in it. */
  #detach(): void {
    if (!this.isEnded || this.#busy > 0) return
    for (const source of this.sources.values()) if (source.isOpen) return
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
    // What the process said last may still be in the pipe; reading it here leaves it for the consumer of the stream.
    this.sources.get(2)?.readNow()
    const stderr = this.tail?.text() ?? ""
    return withoutStack(() => new ExitError({ status, usage, command: this.line, stderr }))
  }
}

const nameOf = (target: number): string => ["stdin", "stdout", "stderr"][target] ?? `fd ${target}`
