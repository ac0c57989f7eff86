/**
 * What a nursery knows of its processes: the table of those alive, the events about them, their metrics and debug logs.
 *
 * Whoever spawns through a `Backend` (Process.ts, the drop-in spawner) tells the registry from its observer's callbacks, in
 * this order: `started`, then `exited` or `lost`, then `ended`; `unkillable` may come between; or `failed` alone. Each call is
 * synchronous, takes constant time and costs next to nothing while nobody listens; a slow listener loses the oldest events
 * and never slows a spawn.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import type { ProcessExit } from "../ExitStatus.ts"
import type { KeeperLost, SpawnError } from "../ProcessError.ts"
import type { Backend, Level } from "./backend.ts"

/** What the `Nursery` service holds for the modules of this package. */
export interface NurseryInternal {
  readonly backend: Backend
  readonly registry: Registry
}

/** What the spawning module knows once a process has started. */
export interface StartedProcess {
  readonly pid: number
  /** The pid of its reaper, or 0 where there is none. */
  readonly helper: number
  /** Short, for a table: the last part of the program's path, or what the user called it. */
  readonly name: string
  /** The displayed command line, secrets redacted. Computed when somebody asks. */
  readonly line: string
  readonly level: Level
}

/** A process as `Nursery.processes` and `Nursery.events` show it. */
export interface ProcessInfo {
  readonly pid: number
  readonly helper: number
  readonly name: string
  /** The displayed command line, secrets redacted. */
  readonly command: string
  readonly level: Level
  /** Milliseconds since 1970, by the clock of the machine. */
  readonly startedAt: number
  /** Milliseconds since it started, by a clock that is never set. */
  readonly age: number
  /** "exited": the leader is gone, something of its tree is not. */
  readonly state: "running" | "exited" | "lost" | "unkillable"
}

/** What `Nursery.events` is a stream of. */
export type NurseryEvent =
  | { readonly _tag: "Started"; readonly process: ProcessInfo }
  | { readonly _tag: "Exited"; readonly process: ProcessInfo; readonly exit: ProcessExit }
  | { readonly _tag: "Ended"; readonly process: ProcessInfo }
  | { readonly _tag: "SpawnFailed"; readonly error: SpawnError }
  | { readonly _tag: "Unkillable"; readonly process: ProcessInfo; readonly pids: ReadonlyArray<number> }
  | { readonly _tag: "KeeperLost"; readonly process: ProcessInfo | undefined; readonly error: KeeperLost }

/** A process in the table: what `Registry.started` returns and the later calls take. */
export interface LiveProcess {
  readonly process: StartedProcess
  readonly startedAt: number
  readonly startedMonotonic: number
  state: ProcessInfo["state"]
}

export interface Listener {
  readonly event: (event: NurseryEvent) => void
  /** The nursery is closed: no event will follow. */
  readonly end: () => void
}

const alive = Metric.gauge("nursery_processes_alive", {
  description: "Processes that have started and of whose tree something is left"
})
const startedCount = Metric.counter("nursery_processes_started", {
  description: "Processes started",
  incremental: true
})
const failedCount = Metric.counter("nursery_processes_failed", {
  description: "Spawns that failed",
  incremental: true
})
const signaledCount = Metric.counter("nursery_processes_signaled", {
  description: "Processes whose leader was ended by a signal",
  incremental: true
})

const monotonic = (): number => performance.now()

const describe = ({ process, startedAt, startedMonotonic, state }: LiveProcess, now: () => number): ProcessInfo => ({
  pid: process.pid,
  helper: process.helper,
  name: process.name,
  command: process.line,
  level: process.level,
  startedAt,
  age: now() - startedMonotonic,
  state
})

export class Registry {
  readonly #live = new Set<LiveProcess>()
  readonly #listeners = new Set<Listener>()
  readonly #context: Context.Context<never>
  readonly #debug: boolean
  #closed = false
  #now: (() => number) | undefined

  /** `context`: where the layer was built, for its metric registry, attributes, loggers and log level. */
  constructor(context: Context.Context<never>) {
    this.#context = context
    this.#debug = LogLevel.isLessThanOrEqualTo(Context.get(context, References.MinimumLogLevel), "Debug")
  }

  /** Takes all times from the backend's clock. */
  measureBy(now: (() => number) | undefined): void {
    this.#now = now
  }

  started(process: StartedProcess): LiveProcess {
    const live: LiveProcess = {
      process,
      startedAt: this.#now?.() ?? Date.now(),
      startedMonotonic: (this.#now ?? monotonic)(),
      state: "running"
    }
    this.#live.add(live)
    startedCount.updateUnsafe(1, this.#context)
    alive.modifyUnsafe(1, this.#context)
    if (this.#listeners.size > 0) this.publish({ _tag: "Started", process: this.#describe(live) })
    if (this.#debug) this.#log(`started ${live.process.line}`, live)
    return live
  }

  exited(live: LiveProcess, exit: ProcessExit): void {
    live.state = "exited"
    if (exit.status._tag !== "Exited") signaledCount.updateUnsafe(1, this.#context)
    if (this.#listeners.size > 0) this.publish({ _tag: "Exited", process: this.#describe(live), exit })
    if (this.#debug) this.#log(`exited ${live.process.line}`, live)
  }

  ended(live: LiveProcess): void {
    if (!this.#live.delete(live)) return
    alive.modifyUnsafe(-1, this.#context)
    if (this.#listeners.size > 0) this.publish({ _tag: "Ended", process: this.#describe(live) })
    if (this.#debug) this.#log(`ended ${live.process.line}`, live)
  }

  failed(error: SpawnError): void {
    failedCount.updateUnsafe(1, this.#context)
    if (this.#listeners.size > 0) this.publish({ _tag: "SpawnFailed", error })
    if (this.#debug) this.#log(error.message, undefined)
  }

  /** `undefined` for a spawn that had not started. */
  lost(live: LiveProcess | undefined, error: KeeperLost): void {
    if (live === undefined) failedCount.updateUnsafe(1, this.#context)
    else live.state = "lost"
    if (this.#listeners.size > 0) {
      this.publish({ _tag: "KeeperLost", process: live === undefined ? undefined : this.#describe(live), error })
    }
    if (this.#debug) this.#log(error.message, live)
  }

  unkillable(live: LiveProcess, pids: ReadonlyArray<number>): void {
    live.state = "unkillable"
    if (this.#listeners.size > 0) this.publish({ _tag: "Unkillable", process: this.#describe(live), pids })
    this.#run(
      Effect.logWarning(
        `${live.process.line} (pid ${live.process.pid}) cannot be ended: SIGKILL was sent, but ${pids.join(", ")} did not die; waiting goes on in the background`
      )
    )
  }

  /** Something went wrong that concerns no process alone. */
  warn(message: string): void {
    this.#run(Effect.logWarning(message))
  }

  /** Everything alive, oldest first. */
  processes(): ReadonlyArray<ProcessInfo> {
    return Array.from(this.#live, (live) => this.#describe(live))
  }

  /** Returns what removes the listener. */
  listen(listener: Listener): () => void {
    if (this.#closed) listener.end()
    else this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  publish(event: NurseryEvent): void {
    for (const listener of this.#listeners) listener.event(event)
  }

  /** The nursery is closed. */
  close(): void {
    this.#closed = true
    for (const listener of this.#listeners) listener.end()
    this.#listeners.clear()
  }

  #describe(live: LiveProcess): ProcessInfo {
    return describe(live, this.#now ?? monotonic)
  }

  #log(message: string, live: LiveProcess | undefined): void {
    const log = Effect.logDebug(message)
    this.#run(
      live === undefined
        ? log
        : Effect.annotateLogs(log, { "process.pid": live.process.pid, "process.command": live.process.name })
    )
  }

  #run(effect: Effect.Effect<void>): void {
    Effect.runForkWith(this.#context)(effect)
  }
}
