/**
 * All simulated processes of one nursery: a backend without an operating system, whose time is that of Effect's Clock.
 *
 * Everything that happens later goes through a fiber of the layer's context: under `TestClock` its scheduler knows of it, so that
 * `TestClock.adjust` returns when all that follows from the new time has happened.
 *
 * @internal
 */
import type { KeeperLost } from "@nursery/process"
import type { Backend, FdRequest, Joined, Observer, OpenedFd, SpawnRequest, Ticket } from "@nursery/process/Backend"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Failures from "./failures.ts"
import { guarantees } from "./guarantees.ts"
import { endOf, Pipe } from "./pipe.ts"
import { type Birth, type Descriptor, SimulatedProcess } from "./process.ts"
import { Self } from "./self.ts"
import * as Signals from "./signals.ts"
import { Tree } from "./tree.ts"

/** A program as it is played, or why there is none. */
export type Playable = Effect.Effect<unknown, unknown, Self> | Failures.SpawnProblem

/** What is known of a process before it is there. */
export interface Call {
  readonly program: string
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly nth: number
}

/** What a test is shown. */
export interface StartRecord {
  readonly pid: number
  readonly time: number
  readonly call: Call
}

export interface SignalRecord {
  readonly time: number
  readonly pid: number
  readonly program: string
  readonly signal: number
}

export interface ForkOptions {
  readonly name?: string | undefined
  readonly session?: boolean | undefined
  readonly keep?: ReadonlyArray<number> | undefined
}

/** The most that a process gets when the nursery is closed, and what one that does not die is given, in milliseconds. */
const closingGrace = 2_000
const killDeadline = 5_000
const firstPid = 1_000

/** A pipe between two processes. */
class Join implements Joined {
  readonly id: number
  readonly pipe: Pipe
  #isHeld = true

  constructor(id: number, pipe: Pipe) {
    this.id = id
    this.pipe = pipe
    pipe.hold("read")
    pipe.hold("write")
  }

  drop(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.pipe.release("read")
    this.pipe.release("write")
  }
}

export class World implements Backend {
  readonly killDeadline = killDeadline
  readonly started: Array<StartRecord> = []
  readonly signals: Array<SignalRecord> = []
  readonly #context: Context.Context<never>
  readonly #clock: Clock.Clock
  readonly #resolve: (call: Call) => Playable
  readonly #trees = new Set<Tree>()
  readonly #processes = new Map<number, SimulatedProcess>()
  readonly #queue: Array<() => void> = []
  readonly #counts = new Map<string, number>()
  readonly #onStart = new Set<() => void>()
  #lastPid = firstPid - 1
  #lastJoin = 0
  #isDisposed = false

  /** `context`: where the layer was built, whose clock and scheduler rule. */
  constructor(context: Context.Context<never>, resolve: (call: Call) => Playable) {
    this.#context = context
    this.#clock = Context.get(context, Clock.Clock)
    this.#resolve = resolve
  }

  // What the nursery asks for.

  readonly guarantees = () => guarantees

  readonly now = (): number => this.#clock.currentTimeMillisUnsafe()

  readonly pipe = (): Joined => new Join(++this.#lastJoin, this.#pipe())

  spawn(request: SpawnRequest, observer: Observer): Ticket {
    const tree = new Tree(this, request, observer)
    this.#trees.add(tree)
    this.later(() => this.#start(tree))
    return tree
  }

  close(done: () => void): void {
    const trees = Array.from(this.#trees).filter((tree) => !tree.isReleased)
    let left = trees.length
    const settled = () => {
      if (--left > 0) return
      this.#endStrays()
      this.later(done)
    }
    if (left === 0) {
      left = 1
      settled()
    }
    for (const tree of trees) tree.end(closingGrace, settled)
  }

  /** The simulation is over, whatever time it is in it: nobody might ever move its clock again. */
  dispose(done: () => void): void {
    this.#isDisposed = true
    for (const process of this.alive) process.setUnkillable(false)
    for (const tree of Array.from(this.#trees)) tree.abandon()
    this.#endStrays()
    this.later(done)
  }

  // What a test asks for.

  get alive(): ReadonlyArray<SimulatedProcess> {
    return Array.from(this.#processes.values())
  }

  get(pid: number): SimulatedProcess | undefined {
    return this.#processes.get(pid)
  }

  /** Calls after each start, until it is told not to. */
  onStart(listener: () => void): () => void {
    this.#onStart.add(listener)
    return () => {
      this.#onStart.delete(listener)
    }
  }

  loseKeeper(error: KeeperLost): void {
    for (const tree of Array.from(this.#trees)) if (!tree.isReleased) tree.lost(error)
  }

  // What trees and processes ask for.

  /** Calls the function when the caller has returned, in the order of the calls. */
  later(f: () => void): void {
    this.#queue.push(f)
    Effect.runForkWith(this.#context)(this.#drained)
  }

  /**
   * All that waits, and what comes of it, at one turn: a test that starts something and moves the clock in the next line finds it as
   * far as it gets without time.
   */
  readonly #drained = Effect.andThen(
    Effect.yieldNow,
    Effect.sync(() => {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next()
    })
  )

  /** Never before the caller has returned. Returns what forgets it. */
  after(milliseconds: number, f: () => void): () => void {
    // A sleep of no time may be none at all.
    const wait = milliseconds > 0 ? Effect.sleep(milliseconds) : Effect.yieldNow
    const fiber = Effect.runForkWith(this.#context)(Effect.andThen(wait, Effect.sync(f)))
    return () => fiber.interruptUnsafe()
  }

  run(process: SimulatedProcess, effect: Effect.Effect<unknown, unknown, Self>): Fiber.Fiber<unknown, unknown> {
    return Effect.runForkWith(Context.add(this.#context, Self, selfOf(process)))(effect)
  }

  signal(process: SimulatedProcess, signal: number): void {
    this.signals.push({ time: this.now(), pid: process.pid, program: process.birth.name, signal })
    process.receive(signal)
  }

  fork(parent: SimulatedProcess, program: Effect.Effect<unknown, unknown, Self>, options: ForkOptions): number {
    const pid = ++this.#lastPid
    const { keep } = options
    const kept = Array.from(parent.descriptors).filter(
      ([descriptor]) => keep === undefined || keep.includes(descriptor)
    )
    const child = this.#bear(parent.tree, {
      ...parent.birth,
      pid,
      name: options.name ?? parent.birth.name,
      parent: parent.pid,
      group: options.session === true ? pid : parent.group,
      descriptors: new Map(kept),
      startedAt: this.now()
    })
    parent.tree.joined(child)
    if (child.isAlive) child.play(program)
    return pid
  }

  died(process: SimulatedProcess): void {
    this.#processes.delete(process.pid)
  }

  over(tree: Tree): void {
    this.#trees.delete(tree)
  }

  #start(tree: Tree): void {
    if (this.#isDisposed) tree.lost(Failures.closed)
    // It may have been lost before it was there.
    if (tree.isOver) return
    if (tree.isCanceled) {
      tree.failed(Failures.failureOf(tree.request, Failures.notFound))
      return
    }
    const call = this.#callOf(tree.request)
    const found = this.#resolve(call)
    if (Effect.isEffect(found)) this.#play(tree, call, found)
    else tree.failed(Failures.failureOf(tree.request, found))
  }

  #play(tree: Tree, call: Call, program: Effect.Effect<unknown, unknown, Self>): void {
    const pid = ++this.#lastPid
    const opened: Array<OpenedFd> = []
    const descriptors = new Map(tree.request.fds.map((fd) => [fd.target, this.#connect(fd, opened)]))
    const time = this.now()
    const leader = this.#bear(tree, {
      pid,
      parent: 1,
      group: pid,
      name: call.program,
      call,
      descriptors,
      startedAt: time
    })
    this.started.push({ pid, time, call })
    tree.started(leader, opened, () => leader.play(program))
    for (const listener of Array.from(this.#onStart)) listener()
  }

  #bear(tree: Tree, birth: Birth): SimulatedProcess {
    const process = new SimulatedProcess(tree, birth)
    this.#processes.set(process.pid, process)
    return process
  }

  #connect(fd: FdRequest, opened: Array<OpenedFd>): Descriptor {
    const { kind, target } = fd
    if (kind === "joined") {
      const pipe = fd.pipe instanceof Join ? fd.pipe.pipe : undefined
      return fd.end === "read" ? { read: pipe, write: undefined } : { read: undefined, write: pipe }
    }
    if (kind !== "pipeIn" && kind !== "pipeOut" && kind !== "duplex") return { read: undefined, write: undefined }
    const read = kind === "pipeOut" ? undefined : this.#pipe()
    const write = kind === "pipeIn" ? undefined : this.#pipe()
    opened.push({ target, kind, handle: endOf(write, read) })
    return { read, write }
  }

  #pipe(): Pipe {
    return new Pipe((f) => this.later(f))
  }

  #callOf(request: SpawnRequest): Call {
    const nth = (this.#counts.get(request.program) ?? 0) + 1
    this.#counts.set(request.program, nth)
    let env: Readonly<Record<string, string>> | undefined
    return {
      program: request.program,
      argv: request.argv,
      cwd: request.cwd === "" ? process.cwd() : request.cwd,
      nth,
      // Few programs ask for it, and reading an environment takes longer than the rest of a start.
      get env() {
        env ??= environmentOf(request)
        return env
      }
    }
  }

  /** What left the only group that its tree is made of. */
  #endStrays(): void {
    for (const process of this.alive) {
      if (process.tree.isStray(process)) this.signal(process, Signals.SIGKILL)
    }
  }
}

const selfOf = (process: SimulatedProcess): Self["Service"] => {
  const { call, pid } = process.birth
  return {
    pid,
    argv: call.argv,
    cwd: call.cwd,
    get env() {
      return call.env
    },
    internal: process
  }
}

const environmentOf = ({ clearEnv, env, notify }: SpawnRequest): Readonly<Record<string, string>> => {
  const all = new Map<string, string>()
  if (!clearEnv) for (const [name, value] of Object.entries(process.env)) if (value !== undefined) all.set(name, value)
  // Those of this program are not meant for its children.
  if (notify === true) for (const name of ["WATCHDOG_USEC", "WATCHDOG_PID"]) all.delete(name)
  for (const [name, value] of env) {
    if (value === undefined) all.delete(name)
    else all.set(name, value)
  }
  if (notify === true) all.set("NOTIFY_SOCKET", "@nursery-notify-simulated")
  return Object.fromEntries(all)
}
