/**
 * One simulated process: its descriptors, what it does about signals, and the fibers that play its program.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { type Pipe, wouldBlock } from "./pipe.ts"
import type { Self } from "./self.ts"
import * as Signals from "./signals.ts"
import type { Tree } from "./tree.ts"
import type { Call } from "./world.ts"

/** What a descriptor is connected to; nothing at all where it is `/dev/null`, inherited or a file. */
export interface Descriptor {
  readonly read: Pipe | undefined
  readonly write: Pipe | undefined
}

/** What a process does about a signal that it has said something about. */
export type Reaction = "ignore" | Effect.Effect<unknown, unknown, Self>

export interface Birth {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly name: string
  /** What its leader was started by. */
  readonly call: Call
  readonly descriptors: ReadonlyMap<number, Descriptor>
  readonly startedAt: number
}

const text = new TextEncoder()

export class SimulatedProcess {
  readonly birth: Birth
  /** It takes part in the life of a tree until it leaves the only group that its tree is made of. */
  readonly tree: Tree
  parent: number
  readonly group: number
  isAlive = true
  isStopped = false
  #isUnkillable = false
  #isKilled = false
  readonly #descriptors: Map<number, Descriptor>
  readonly #reactions = new Map<number, Reaction>()
  /** Signals that wait for a stopped process. */
  #pending: Array<number> = []
  readonly #fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  readonly #resumed = new Set<() => void>()

  constructor(tree: Tree, birth: Birth) {
    this.tree = tree
    this.birth = birth
    this.parent = birth.parent
    this.group = birth.group
    this.#descriptors = new Map(birth.descriptors)
    for (const { read, write } of this.#descriptors.values()) {
      read?.hold("read")
      write?.hold("write")
    }
  }

  get pid(): number {
    return this.birth.pid
  }

  get descriptors(): ReadonlyMap<number, Descriptor> {
    return this.#descriptors
  }

  /** Plays the program, at once up to the first moment at which it waits. Its end is the exit of the process. */
  play(program: Effect.Effect<unknown, unknown, Self>): void {
    this.#run(program, true)
  }

  react(signal: number, reaction: Reaction | undefined): void {
    if (!Signals.isCatchable(signal)) return
    if (reaction === undefined) this.#reactions.delete(signal)
    else this.#reactions.set(signal, reaction)
  }

  /** The signal arrives. */
  receive(signal: number): void {
    if (!this.isAlive) return
    if (signal === Signals.SIGKILL) this.#kill()
    else if (signal === Signals.SIGCONT) this.#continue()
    else if (this.isStopped) this.#pending.push(signal)
    else this.#act(signal)
  }

  /** SIGKILL has no effect from now on, or has it at last. */
  setUnkillable(unkillable: boolean): void {
    this.#isUnkillable = unkillable
    if (!unkillable && this.#isKilled) this.die(Signals.SIGKILL)
  }

  /** Waits while the process is stopped; a dead one does nothing any more. */
  readonly running: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.isAlive) return Effect.interrupt
    if (!this.isStopped) return Effect.void
    return Effect.callback<void>((resume) => {
      const listener = () => resume(this.running)
      this.#resumed.add(listener)
      return Effect.sync(() => this.#resumed.delete(listener))
    })
  })

  /** Writes all of it, waiting for room where there is none. */
  write(descriptor: number, bytes: Uint8Array): Effect.Effect<void> {
    return Effect.suspend(() => {
      const pipe = this.#descriptors.get(descriptor)?.write
      if (pipe === undefined) return Effect.void
      const outcome = pipe.write(bytes)
      if (typeof outcome === "string") {
        // Who ignores the signal is told by an error, which nobody looks at here.
        this.receive(Signals.SIGPIPE)
        return Effect.void
      }
      const rest = bytes.subarray(outcome === wouldBlock ? 0 : outcome)
      if (rest.length === 0) return Effect.void
      return Effect.andThen(changeOf(pipe), Effect.andThen(this.running, this.write(descriptor, rest)))
    })
  }

  /** What is there, when something is there; `undefined` for the end of file. */
  read(descriptor: number): Effect.Effect<Uint8Array | undefined> {
    return Effect.suspend(() => {
      const pipe = this.#descriptors.get(descriptor)?.read
      const chunk = pipe?.read()
      if (chunk !== undefined || pipe === undefined || pipe.isAtEnd) return Effect.succeed(chunk)
      return Effect.andThen(changeOf(pipe), Effect.andThen(this.running, this.read(descriptor)))
    })
  }

  close(descriptor: number): void {
    const closed = this.#descriptors.get(descriptor)
    this.#descriptors.delete(descriptor)
    closed?.read?.release("read")
    closed?.write?.release("write")
  }

  /** It has ended with a status as of wait(2). */
  die(status: number): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const descriptor of Array.from(this.#descriptors.keys())) this.close(descriptor)
    this.#resumed.clear()
    this.tree.died(this, status)
    for (const fiber of Array.from(this.#fibers)) fiber.interruptUnsafe()
  }

  #run(effect: Effect.Effect<unknown, unknown, Self>, isMain: boolean): void {
    const fiber = this.tree.world.run(this, Effect.andThen(effect, this.running))
    this.#fibers.add(fiber)
    fiber.addObserver((exit) => {
      this.#fibers.delete(fiber)
      if (!this.isAlive) return
      if (Exit.isFailure(exit)) this.#crash(exit.cause)
      else if (isMain) this.die(0)
    })
    // It may have ended before there was a fiber to interrupt.
    if (!this.isAlive) fiber.interruptUnsafe()
  }

  /** As a program whose error nobody has caught. */
  #crash(cause: Cause.Cause<unknown>): void {
    this.#descriptors.get(2)?.write?.write(text.encode(`${Cause.pretty(cause)}\n`))
    this.die(1 << 8)
  }

  #kill(): void {
    this.#isKilled = true
    if (!this.#isUnkillable) this.die(Signals.SIGKILL)
  }

  #continue(): void {
    if (this.isStopped) {
      this.isStopped = false
      const pending = this.#pending
      this.#pending = []
      for (const signal of pending) this.receive(signal)
      const resumed = Array.from(this.#resumed)
      this.#resumed.clear()
      for (const listener of resumed) listener()
    }
    this.#act(Signals.SIGCONT)
  }

  #act(signal: number): void {
    if (!this.isAlive) return
    const reaction = this.#reactions.get(signal)
    if (reaction === "ignore") return
    if (reaction !== undefined) {
      this.#run(reaction, false)
      return
    }
    const action = Signals.defaultAction(signal)
    if (action === "terminate") this.die(signal)
    else if (action === "stop") this.isStopped = true
  }
}

const changeOf = (pipe: Pipe): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const forget = pipe.listen(() => {
      forget()
      resume(Effect.void)
    })
    return Effect.sync(forget)
  })
