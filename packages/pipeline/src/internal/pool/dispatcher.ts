/**
 * Which worker gets which request: synchronous, without processes and clocks, so that an Effect is run for a chunk of requests and not
 * for each.
 *
 * A worker answers in the order in which it was asked. Its requests are *staged* until its writer takes them; from then on they are
 * *sent*, and what becomes of them when the worker fails is not known. A request that was sent to a worker that failed is a *suspect*:
 * it may be the cause, so the next worker gets it alone, and those that were sent with it are not made to fail once more by it.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import type * as Pull from "effect/Pull"
import type { EncodeError } from "../../CodecError.ts"
import type { PoolClosed, WorkerFailure } from "../../WorkerPoolError.ts"
import { Fifo } from "./fifo.ts"

export type Reason = WorkerFailure | EncodeError | PoolClosed

export type Outcome = { readonly _tag: "Answer"; readonly value: unknown } | Failure

export interface Failure {
  readonly _tag: "Failure"
  readonly reason: Reason
  readonly attempts: number
}

/** A schedule that has begun. */
export type Step = (now: number, failure: WorkerFailure) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

export class Entry {
  /** As its Schema encodes it. */
  readonly encoded: unknown
  attempts = 0
  isSuspect = false
  /** A part of the answer has been given to who asked: it cannot be asked for once more. */
  isPartial = false
  /** How its schedule stands. */
  step: Step | undefined
  /** Nobody wants the answer any more. */
  isCancelled = false
  readonly #settle: (outcome: Outcome) => void

  constructor(encoded: unknown, settle: (outcome: Outcome) => void) {
    this.encoded = encoded
    this.#settle = settle
  }

  answer(value: unknown): void {
    if (!this.isCancelled) this.#settle({ _tag: "Answer", value })
  }

  fail(reason: Reason): void {
    if (!this.isCancelled) this.#settle({ _tag: "Failure", reason, attempts: this.attempts })
  }
}

const isWanted = (entry: Entry): boolean => !entry.isCancelled

/** What a worker gets as one record: one request, or with batching several. */
export type Message = ReadonlyArray<Entry>

export class Slot {
  readonly key: string
  /** There is a process that takes requests. */
  isOpen = false
  /** Is being stopped because there is nothing to do for it. */
  isRetiring = false
  /** Gets nothing more until it is empty, because a suspect waits for a worker of its own. */
  isReserved = false
  /** Has a suspect. */
  isAlone = false
  /** Had all that it may have, and has not answered enough of it since: it gets the next ones together then. */
  isFull = false
  readonly sent = new Fifo<Message>()
  staged: Array<Message> = []
  /** When its oldest request became that, or when it had none any more. */
  since = 0
  wake: (() => void) | undefined
  #isWaking = false
  /** Resumes who waits for it to have something to do. */
  onBusy: (() => void) | undefined

  constructor(key: string) {
    this.key = key
  }

  /** Resumes the writer, once for all that is staged in one turn. */
  wakeUp(): void {
    if (this.wake === undefined || this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(() => {
      this.#isWaking = false
      const { wake } = this
      this.wake = undefined
      wake?.()
    })
  }

  becameBusy(): void {
    const { onBusy } = this
    this.onBusy = undefined
    onBusy?.()
  }

  get load(): number {
    return this.sent.size + this.staged.length
  }
}

export interface DispatcherOptions {
  /** How many messages a worker has at a time. */
  readonly window: number
  /** One that has had so many gets more when it has this many left; by default as soon as it has room. */
  readonly low?: number | undefined
  /** How many requests a message may have; `undefined`: each is a request of its own, and not a list of one. */
  readonly batch: number | undefined
  readonly now: () => number
  /** There are requests that no worker has room for. */
  readonly onBacklog: () => void
}

export class Dispatcher {
  readonly slots = new Map<string, Slot>()
  readonly #options: DispatcherOptions
  readonly #waiting = new Fifo<Entry>()
  readonly #suspects = new Fifo<Entry>()
  /** Those that are no longer a worker's, and whose schedule has not brought them back yet. */
  readonly #delayed = new Set<Entry>()
  /** How many have been cancelled since those that wait were last looked through for them. */
  #cancelled = 0
  #closed: PoolClosed | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  get backlog(): number {
    return this.#waiting.size + this.#suspects.size
  }

  get status(): { readonly workers: number; readonly running: number; readonly waiting: number } {
    const messages = [...this.slots.values()].flatMap((slot) => [...slot.sent.all, ...slot.staged])
    const running = messages.reduce((count, message) => count + message.length, 0)
    const waiting = [...this.#waiting.all, ...this.#suspects.all, ...this.#delayed].filter(isWanted)
    return { workers: this.slots.size, running, waiting: waiting.length }
  }

  /** Nobody wants the answer any more. Those that nobody wants are forgotten when they are half of those that wait. */
  cancel(entry: Entry): void {
    entry.isCancelled = true
    this.#cancelled++
    if (this.#cancelled * 2 <= this.backlog) return
    this.#cancelled = 0
    this.#waiting.unshift(this.#waiting.takeAll().filter(isWanted))
    this.#suspects.unshift(this.#suspects.takeAll().filter(isWanted))
  }

  submit(entries: ReadonlyArray<Entry>): void {
    for (const entry of entries) {
      if (this.#closed !== undefined) entry.fail(this.#closed)
      else (entry.isSuspect ? this.#suspects : this.#waiting).push(entry)
    }
    this.assign()
  }

  /** A process runs. */
  opened(slot: Slot): void {
    this.slots.set(slot.key, slot)
    slot.isOpen = true
    slot.since = this.#options.now()
    this.assign()
  }

  /** What the writer is to send now: nothing that is not wanted any more. */
  unstage(slot: Slot): ReadonlyArray<Message> {
    const staged = slot.staged
    slot.staged = []
    return staged.map((message) => message.filter(isWanted)).filter((message) => message.length > 0)
  }

  /** The writer has taken these messages: what becomes of them is the worker's from now on. */
  sent(slot: Slot, messages: ReadonlyArray<Message>): void {
    const wasIdle = slot.sent.size === 0
    for (const message of messages) {
      for (const entry of message) entry.attempts++
      slot.sent.push(message)
    }
    if (slot.sent.size === 0) this.#freed(slot)
    else if (wasIdle) {
      slot.since = this.#options.now()
      slot.becameBusy()
    }
  }

  /** What the worker has answered; what is wrong with it, if anything. */
  answered(slot: Slot, values: ReadonlyArray<unknown>): string | undefined {
    let problem: string | undefined
    for (const value of values) {
      const message = slot.sent.head
      problem = this.#problemOf(message, value)
      // Those that it is about stay: what becomes of them is decided when the worker has been ended.
      if (problem !== undefined || message === undefined) break
      slot.sent.shift()
      this.#answer(message, value)
    }
    slot.since = this.#options.now()
    this.#freed(slot)
    return problem
  }

  /** The worker has answered this one, whatever it was asked before. */
  settled(slot: Slot, message: Message): void {
    slot.sent.remove(message)
    slot.since = this.#options.now()
    this.#freed(slot)
  }

  /** The process has ended: those of its requests whose fate is not known. The others are given to other workers. */
  closed(slot: Slot): ReadonlyArray<Entry> {
    slot.isOpen = false
    if (this.slots.get(slot.key) === slot) this.slots.delete(slot.key)
    const staged = slot.staged.flat()
    slot.staged = []
    this.#suspects.unshift(staged.filter((entry) => entry.isSuspect))
    this.#waiting.unshift(staged.filter((entry) => !entry.isSuspect))
    const sent = slot.sent.takeAll().flat()
    this.assign()
    return sent.filter(isWanted)
  }

  /** Those that have had nothing to do since then, as far as `min` are left. They get nothing more. */
  idle(since: number, min: number): ReadonlyArray<Slot> {
    const running = [...this.slots.values()].filter((slot) => !slot.isRetiring)
    const idle = running.filter((slot) => slot.load === 0 && slot.since <= since).slice(0, running.length - min)
    for (const slot of idle) slot.isRetiring = true
    return idle
  }

  /** Waits for its schedule. */
  delay(entry: Entry): void {
    if (this.#closed === undefined) this.#delayed.add(entry)
    else entry.fail(this.#closed)
  }

  /** Its schedule has brought it back: whether it is still wanted. */
  isBack(entry: Entry): boolean {
    return this.#delayed.delete(entry)
  }

  /** A suspect that has waited for long for a worker of its own shares one with others. */
  share(entry: Entry): void {
    if (!this.#suspects.remove(entry)) return
    entry.isSuspect = false
    this.#waiting.unshift([entry])
    this.assign()
  }

  /** Nothing can be answered any more. */
  close(reason: PoolClosed): void {
    this.#closed = reason
    const left = [...this.#suspects.takeAll(), ...this.#waiting.takeAll(), ...this.#delayed]
    this.#delayed.clear()
    for (const slot of this.slots.values()) left.push(...slot.staged.splice(0).flat(), ...slot.sent.takeAll().flat())
    for (const entry of left) entry.fail(reason)
  }

  assign(): void {
    this.#assignSuspects()
    while (this.#waiting.size > 0) {
      const slot = this.#leastLoaded()
      if (slot === undefined) break
      const message = this.#next()
      if (message.length === 0) break
      slot.staged.push(message)
      slot.isFull = slot.load >= this.#options.window
    }
    for (const slot of this.slots.values()) {
      if (slot.staged.length > 0) slot.wakeUp()
    }
    if (this.#suspects.size > 0 || (this.#waiting.size > 0 && !this.#hasRoom)) this.#options.onBacklog()
  }

  #problemOf(message: Message | undefined, value: unknown): string | undefined {
    if (message === undefined) return "the worker wrote an answer that nobody asked for"
    if (this.#options.batch === undefined) return undefined
    if (!Array.isArray(value)) return "the worker did not write a list of answers"
    if (value.length === message.length) return undefined
    return `the worker wrote ${value.length} answers to ${message.length} requests`
  }

  #answer(message: Message, value: unknown): void {
    if (this.#options.batch === undefined) message[0]?.answer(value)
    else if (Array.isArray(value)) {
      message.forEach((entry, index) => {
        entry.answer(value[index])
      })
    }
  }

  #freed(slot: Slot): void {
    if (slot.load === 0) slot.isAlone = false
    if (slot.load <= (this.#options.low ?? this.#options.window - 1)) slot.isFull = false
    this.assign()
  }

  #assignSuspects(): void {
    while (this.#suspects.size > 0) {
      if (this.#suspects.head?.isCancelled === true) {
        this.#suspects.shift()
        continue
      }
      const slot = this.#find((each) => each.load === 0)
      if (slot === undefined) break
      const entry = this.#suspects.shift()
      if (entry === undefined) break
      slot.isAlone = true
      slot.isReserved = false
      slot.staged.push([entry])
    }
    this.#reserve()
  }

  /** As many workers run empty as there are suspects that wait for one. */
  #reserve(): void {
    let missing = this.#suspects.size
    for (const slot of this.slots.values()) {
      slot.isReserved = missing > 0 && slot.isOpen && !slot.isAlone && !slot.isRetiring
      if (slot.isReserved) missing--
    }
  }

  #next(): Message {
    const message: Array<Entry> = []
    while (message.length < (this.#options.batch ?? 1)) {
      const entry = this.#waiting.shift()
      if (entry === undefined) break
      if (!entry.isCancelled) message.push(entry)
    }
    return message
  }

  #find(accepts: (slot: Slot) => boolean): Slot | undefined {
    for (const slot of this.slots.values()) {
      if (slot.isOpen && !slot.isAlone && !slot.isRetiring && accepts(slot)) return slot
    }
    return undefined
  }

  /** Whether a worker could have more, and only gets it together with what comes after. */
  get #hasRoom(): boolean {
    return this.#find((slot) => !slot.isReserved && slot.load < this.#options.window) !== undefined
  }

  #leastLoaded(): Slot | undefined {
    let least: Slot | undefined
    for (const slot of this.slots.values()) {
      if (!slot.isOpen || slot.isAlone || slot.isRetiring || slot.isReserved || slot.isFull) continue
      if (slot.load < (least?.load ?? this.#options.window)) least = slot
    }
    return least
  }
}
