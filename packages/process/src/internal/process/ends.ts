/**
 * What this program holds of the pipes of one process: its ends, and the fibers that write Streams to them and read them into Sinks.
 *
 * @internal
 */
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { StreamError } from "../../ProcessError.ts"
import type { OpenedFd } from "../backend.ts"
import { Source } from "../streams/source.ts"
import { Tail } from "../streams/tail.ts"
import { Target } from "../streams/target.ts"
import type { Plan } from "./request.ts"

/** Whose ends they are. */
export interface Holder {
  /** The command, for errors. */
  readonly line: string
  /** One of the ends was closed, or one of the fibers is done. */
  readonly released: () => void
}

export class Ends {
  /** Of a process without pipes to this program. */
  static readonly none = new Ends(false)
  readonly sources = new Map<number, Source<StreamError>>()
  readonly targets = new Map<number, Target<StreamError>>()
  readonly consumers = new Map<number, Fiber.Fiber<unknown, unknown>>()
  readonly #pumps: Array<Fiber.Fiber<unknown, unknown>> = []
  /** How many of these run. */
  #busy = 0
  /** The first failure of a Stream of the command; made when there is such a Stream. */
  inputFailure: Deferred.Deferred<never, unknown> | undefined
  readonly #tail: Tail | undefined

  static of({ ends }: Plan): Ends {
    return ends.length === 0 ? Ends.none : new Ends(ends.some(({ target }) => target === 2))
  }

  private constructor(hasTail: boolean) {
    this.#tail = hasTail ? new Tail() : undefined
  }

  open({ handle, kind, target }: OpenedFd, holder: Holder): void {
    const name = nameOf(target)
    const operation = kind === "pipeIn" ? "write" : "read"
    const onError = (errno: string) => new StreamError({ stream: name, operation, command: holder.line, errno })
    if (kind === "pipeIn") this.targets.set(target, new Target({ handle, onError }))
    else {
      const tail = target === 2 ? this.#tail : undefined
      this.sources.set(target, new Source({ handle, name, onError, onClose: () => holder.released(), tail }))
    }
  }

  /** A fiber that writes a Stream to the process. */
  addPump(fiber: Fiber.Fiber<unknown, unknown>, holder: Holder): void {
    this.#pumps.push(fiber)
    this.#watch(fiber, holder)
  }

  /** A fiber that reads a descriptor of the process into a Sink. */
  addConsumer(target: number, fiber: Fiber.Fiber<unknown, unknown>, holder: Holder): void {
    this.consumers.set(target, fiber)
    this.#watch(fiber, holder)
  }

  #watch(fiber: Fiber.Fiber<unknown, unknown>, holder: Holder): void {
    this.#busy++
    fiber.addObserver(() => {
      this.#busy--
      holder.released()
    })
  }

  /** Whether a fiber is at work. */
  get isBusy(): boolean {
    return this.#busy > 0
  }

  /** Whether something is left to read, or a fiber is at work. */
  get isOpen(): boolean {
    if (this.isBusy) return true
    for (const source of this.sources.values()) if (source.isOpen) return true
    return false
  }

  /** What the process said last on stderr. What is still in the pipe is read here, and left for the consumer of the stream. */
  get lastWords(): string {
    this.sources.get(2)?.readNow()
    return this.#tail?.text() ?? ""
  }

  writerExited(): void {
    for (const source of this.sources.values()) source.writerExited()
  }

  /** Nobody is left who reads. */
  readersEnded(): void {
    for (const target of this.targets.values()) target.close()
    for (const pump of this.#pumps) pump.interruptUnsafe()
  }

  close(): void {
    for (const source of this.sources.values()) source.close("ECANCELED")
    for (const target of this.targets.values()) target.close()
  }

  /** Ends the fibers; those that read get the time to finish where `isComplete`: everything that they will ever read is there. */
  release(isComplete: boolean): Effect.Effect<void> {
    if (!this.isBusy) return Effect.void
    const consumers = this.consumers.values()
    return Effect.andThen(
      Fiber.interruptAll(this.#pumps),
      isComplete ? Fiber.awaitAll(consumers) : Fiber.interruptAll(consumers)
    )
  }
}

const nameOf = (target: number): string => ["stdin", "stdout", "stderr"][target] ?? `fd ${target}`
