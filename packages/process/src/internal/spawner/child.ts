/**
 * One process of the drop-in spawner: from the request to the end of its tree.
 *
 * No Effect timer is used, because programs run under a TestClock: grace periods are the backend's, and the second that
 * `kill` waits for the rest of a group is the event loop's.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { KeeperLost } from "../../ProcessError.ts"
import * as Signal from "../../Signal.ts"
import type { Observer, OpenedFd, RawUsage, SpawnFailure, SpawnRequest, StopPolicy, Ticket } from "../backend.ts"
import * as CommandLine from "../commandLine.ts"
import type { LiveProcess, NurseryInternal } from "../registry.ts"
import { makeExit } from "../usage.ts"
import * as Errors from "./errors.ts"
import { linger, type Resolved, stopPolicy } from "./options.ts"
import { Stdio } from "./stdio.ts"

const esrch = 3
const groupPollInterval = 10

export class Child implements Observer {
  readonly #nursery: NurseryInternal
  readonly #resolved: Resolved
  readonly #request: SpawnRequest
  readonly #scope: Scope.Closeable
  #ticket: Ticket | undefined
  #report: ((started: Effect.Effect<Stdio, SpawnFailure | KeeperLost>) => void) | undefined
  #live: LiveProcess | undefined
  #stdio: Stdio | undefined
  #cancelled = false
  #referenced = true
  /** As of wait(2), once the leader has ended and is not lost. */
  #status: number | undefined
  #lost: KeeperLost | undefined
  /** Nothing of the tree is left. */
  #gone = false
  /** The leader has ended. */
  readonly #exited = Deferred.makeUnsafe<void>()
  /** Nothing of the tree is left, or what is left cannot be ended: there is nothing to wait for any more. */
  readonly #over = Deferred.makeUnsafe<void>()
  /** The leader has ended, or an input has failed. */
  readonly #settled = Deferred.makeUnsafe<void>()
  #inputFailure: PlatformError.PlatformError | undefined
  pid = 0

  /** `scope` is its own: closing it takes it out of the one that it was started in. */
  constructor(nursery: NurseryInternal, resolved: Resolved, request: SpawnRequest, scope: Scope.Closeable) {
    this.#nursery = nursery
    this.#resolved = resolved
    this.#request = request
    this.#scope = scope
  }

  /** Interrupted, it leaves a process behind that `cancel` has to end. */
  readonly start: Effect.Effect<Stdio, SpawnFailure | KeeperLost> = Effect.callback((resume) => {
    this.#report = resume
    this.#ticket = this.#nursery.backend.spawn(this.#request, this)
  })

  /** Ends it whatever its state, without grace. */
  readonly cancel: Effect.Effect<void> = Effect.suspend(() => {
    this.#cancelled = true
    if (this.#ticket === undefined || this.#gone) return Effect.void
    this.#ticket.cancel()
    return Effect.andThen(
      Deferred.await(this.#over),
      Effect.sync(() => this.#stdio?.close())
    )
  })

  started(pid: number, helper: number, fds: ReadonlyArray<OpenedFd>): void {
    this.pid = pid
    // The descriptors have an owner at once: an interruption at this moment must not lose them.
    this.#stdio = new Stdio(this.#resolved, fds)
    const { program, words } = this.#resolved
    this.#live = this.#nursery.registry.started({
      pid,
      helper,
      name: program.slice(program.lastIndexOf("/") + 1),
      get line() {
        return CommandLine.display(words)
      },
      level: "tree"
    })
    this.#report?.(Effect.succeed(this.#stdio))
  }

  failed(failure: SpawnFailure): void {
    this.#finish()
    this.#detach()
    if (!this.#cancelled) this.#report?.(Effect.fail(failure))
  }

  exited(status: number, usage: RawUsage): void {
    this.#status = status
    const exit = makeExit(status, usage)
    if (this.#live !== undefined) this.#nursery.registry.exited(this.#live, exit)
    this.#leaderEnded()
  }

  ended(): void {
    this.#stdio?.childGone()
    if (this.#live !== undefined) this.#nursery.registry.ended(this.#live)
    this.#finish()
    this.#detach()
  }

  lost(error: KeeperLost): void {
    this.#lost = error
    this.#nursery.registry.lost(this.#live, error)
    this.#report?.(Effect.fail(error))
    this.#leaderEnded()
  }

  unkillable(pids: ReadonlyArray<number>): void {
    if (this.#live !== undefined) this.#nursery.registry.unkillable(this.#live, pids)
    Deferred.doneUnsafe(this.#over, Effect.void)
  }

  /** What the scope's close does. */
  readonly release: Effect.Effect<void> = Effect.suspend(() => {
    // An unreferenced process is exempt, unless it has failed: then what it left is ended like that of any other.
    if (!this.#referenced && !this.#failed) return Effect.void
    if (this.#gone) return Effect.sync(() => this.#stdio?.closePipes())
    this.#ticket?.stop(this.#resolved.stop)
    return Effect.andThen(
      Deferred.await(this.#over),
      Effect.sync(() => (this.#gone ? this.#stdio?.closePipes() : this.#stdio?.close()))
    )
  })

  readonly isRunning: Effect.Effect<boolean> = Effect.sync(() => this.#isRunning)

  /** A failing input is a truncated one: it is told at once, and before whatever the process makes of it. */
  readonly exitCode: Effect.Effect<ChildProcessSpawner.ExitCode, PlatformError.PlatformError> = Effect.flatMap(
    Deferred.await(this.#settled),
    () => {
      if (this.#inputFailure !== undefined) return Effect.fail(this.#inputFailure)
      const status = this.#status
      if (status === undefined) return Effect.fail(this.#lostError("exitCode"))
      const signal = status & 0x7f
      if (signal === 0) return Effect.succeed(ChildProcessSpawner.ExitCode((status >> 8) & 0xff))
      const name = Option.getOrElse(Signal.fromNumber(signal), () => String(signal))
      return Effect.fail(Errors.endedBySignal(name, this.#resolved.command))
    }
  )

  /** The input that this program gives to the child has failed. */
  inputFailed(error: PlatformError.PlatformError): void {
    this.#inputFailure ??= error
    Deferred.doneUnsafe(this.#settled, Effect.void)
  }

  /** Ends what the options of the call say, not those of the command, and waits for the leader. */
  kill(options: ChildProcess.KillOptions | undefined): Effect.Effect<void, PlatformError.PlatformError> {
    return Effect.suspend(() => {
      const policy = stopPolicy("kill", options, this.#resolved.detached)
      if (Result.isFailure(policy)) return Effect.fail(policy.failure)
      // A process in the group of this program leaves no group of its own.
      if (this.#gone || (!this.#isRunning && !this.#resolved.detached)) {
        return Effect.fail(Errors.nobodyToKill(this.#resolved.command))
      }
      return options?.forceKillAfter === undefined ? this.#terminate(policy.success) : this.#stop(policy.success)
    })
  }

  readonly reref: Effect.Effect<void, PlatformError.PlatformError> = Effect.suspend(() => {
    if (this.#referenced) return Effect.void
    this.#referenced = true
    this.#hold(true)
    return this.#ask("reref", (done) => this.#ticket?.retain(done))
  })

  readonly unref: Effect.Effect<Effect.Effect<void, PlatformError.PlatformError>, PlatformError.PlatformError> =
    Effect.suspend(() => {
      if (!this.#referenced) return Effect.succeed(this.reref)
      this.#referenced = false
      return Effect.as(
        Effect.ensuring(
          this.#ask("unref", (done) => this.#ticket?.release(done)),
          // Only now, for the program must not end before the answer has come.
          Effect.sync(() => this.#hold(this.#referenced))
        ),
        this.reref
      )
    })

  get #isRunning(): boolean {
    return this.#status === undefined && this.#lost === undefined && !this.#gone
  }

  /** Whether it ended by itself, with an exit code other than 0. */
  get #failed(): boolean {
    return this.#status !== undefined && (this.#status & 0x7f) === 0 && this.#status !== 0
  }

  #lostError(method: string): PlatformError.PlatformError {
    const error = this.#lost ?? new Error("The status of the process is not known")
    return Errors.fromCause(method, error, this.#resolved.command)
  }

  /** A scope may live long and start many: what has ended, and has nothing left to close, does not stay in it. */
  #detach(): void {
    // The finalizer has nothing to do any more, so what it would do is not run.
    if (this.#stdio?.isOpen !== true) Scope.closeUnsafe(this.#scope, Exit.void)
  }

  /** Whether it keeps the event loop alive, itself and what it writes. */
  #hold(on: boolean): void {
    if (on) this.#ticket?.ref()
    else this.#ticket?.unref()
    this.#stdio?.hold(on)
  }

  #leaderEnded(): void {
    Deferred.doneUnsafe(this.#exited, Effect.void)
    Deferred.doneUnsafe(this.#settled, Effect.void)
  }

  #finish(): void {
    this.#gone = true
    this.#leaderEnded()
    Deferred.doneUnsafe(this.#over, Effect.void)
  }

  /** Signal, grace period and SIGKILL are the backend's. */
  #stop(policy: StopPolicy): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#ticket?.stop(policy)
      return Deferred.await(this.#over)
    })
  }

  #terminate(policy: StopPolicy): Effect.Effect<void, PlatformError.PlatformError> {
    const wasRunning = this.#isRunning
    const { command } = this.#resolved
    const waited = Effect.andThen(Deferred.await(this.#exited), this.#awaitGroup)
    this.#hold(true)
    return this.#signal(policy).pipe(
      Effect.flatMap((errno) => {
        if (errno === 0) return waited
        if (errno !== esrch) return Effect.fail(Errors.requestFailed("kill", errno, command))
        // It ended between the question and the signal.
        return wasRunning ? waited : Effect.fail(Errors.nobodyToKill(command))
      }),
      Effect.ensuring(Effect.sync(() => this.#hold(this.#referenced)))
    )
  }

  #signal(policy: StopPolicy): Effect.Effect<number> {
    return Effect.callback((resume) => {
      this.#ticket?.signal(policy.signal, policy.reach, (errno) => resume(Effect.succeed(errno)))
    })
  }

  /** Waits a second for what is left of the group, as long as there is something. */
  readonly #awaitGroup: Effect.Effect<void> = Effect.callback((resume) => {
    const deadline = performance.now() + linger
    let timer: NodeJS.Timeout | undefined
    const check = () => {
      const ticket = this.#ticket
      if (ticket === undefined || this.#gone || !this.#resolved.detached || performance.now() >= deadline) {
        return resume(Effect.void)
      }
      ticket.signal(0, "group", (errno) => {
        if (errno === 0) timer = setTimeout(check, groupPollInterval)
        else resume(Effect.void)
      })
    }
    check()
    return Effect.sync(() => clearTimeout(timer))
  })

  #ask(method: string, ask: (done: (errno: number) => void) => void): Effect.Effect<void, PlatformError.PlatformError> {
    return Effect.callback((resume) => {
      ask((errno) => {
        // Who has ended needs neither.
        const done = errno === 0 || errno === esrch
        resume(done ? Effect.void : Effect.fail(Errors.requestFailed(method, errno, this.#resolved.command)))
      })
    })
  }
}
