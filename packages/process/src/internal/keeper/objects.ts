/**
 * What the keeper of one family holds for this program.
 *
 * @internal
 */
import { closeSync, openSync } from "node:fs"
import type { Socket } from "node:net"
import type { KeeperLost } from "../../ProcessError.ts"
import type { Held, HeldEnd, HeldFailure, HeldPty, HeldRequest, Holding } from "../held.ts"
import type { Encoder } from "./encoder.ts"
import * as Failures from "./failures.ts"
import * as F from "./frames.ts"
import { payloadOf, stepOf } from "./objectFrames.ts"
import { errnoNamed, errnoOf } from "./system.ts"

/** What is needed of the family whose keeper it is. */
export interface Holder {
  /** Whether requests reach the keeper. */
  readonly isAlive: boolean
  readonly encoder: Encoder
  written(): void
  nextId(): number
  /** More or fewer who keep the event loop alive. */
  hold(change: 1 | -1): void
  /** A socket of this program whose other end is that object, or the name of an error. */
  connect(id: number, done: (result: Socket | string) => void): void
  /** Has another keeper make it: this one is gone and has not begun it. */
  again(retry: HoldRetry): void
  /** Of a descriptor of the keeper, to be opened in this program. */
  pathOf(descriptor: number): string
  /** Opens one end of a pipe of the keeper, nonblocking. Throws the error of open(2). */
  openEnd(descriptor: number, kind: "pipeIn" | "pipeOut"): number
  /** The keeper lets go of descriptors that it has lent. */
  giveBack(lent: ReadonlyArray<{ readonly descriptor: number }>): void
}

export class KeptObject implements Held {
  readonly id: number
  readonly objects: Objects
  readonly port: number
  readonly socket: Socket | undefined
  readonly pty: HeldPty | undefined
  readonly #ends: readonly [first: number, second: number]

  constructor(
    objects: Objects,
    id: number,
    ends: readonly [first: number, second: number],
    port: number,
    { pty, socket }: { readonly pty?: HeldPty; readonly socket?: Socket } = {}
  ) {
    this.id = id
    this.objects = objects
    this.port = port
    this.socket = socket
    this.pty = pty
    this.#ends = ends
  }

  get lost(): KeeperLost | undefined {
    return this.objects.lost
  }

  open(end: HeldEnd, flags: number): number {
    return openSync(this.objects.pathOf(this.#ends[end]), flags)
  }

  seal(done: (result: HeldFailure | KeeperLost | undefined) => void): void {
    this.objects.seal(this.id, done)
  }

  drop(end?: HeldEnd): void {
    this.objects.drop(this.id, end)
  }
}

/** What has to be held, and how many keepers were lost before they began it. */
export interface HoldRetry {
  readonly request: HeldRequest
  readonly done: (result: Holding) => void
  readonly moves: number
}

/** One keeper after the other is lost: this is given up then. */
const MOVES_MAX = 8

type Done = (result: HeldFailure | KeeperLost | undefined) => void

/** This program's side of a pty. */
class KeptPty implements HeldPty {
  readonly number: number
  readonly output: number
  readonly input: number
  readonly resize: HeldPty["resize"]
  #hangup: { readonly lost: KeeperLost | undefined } | undefined
  #onHangup: ((lost: KeeperLost | undefined) => void) | undefined

  constructor(number: number, output: number, input: number, resize: HeldPty["resize"]) {
    this.number = number
    this.output = output
    this.input = input
    this.resize = resize
  }

  onHangup(done: (lost: KeeperLost | undefined) => void): void {
    if (this.#hangup === undefined) this.#onHangup = done
    else done(this.#hangup.lost)
  }

  hangup(lost: KeeperLost | undefined): void {
    if (this.#hangup !== undefined) return
    this.#hangup = { lost }
    this.#onHangup?.(lost)
  }
}

interface Waiting {
  /** Where its request begins in what was sent. */
  readonly position: number
  /** `undefined`: it cannot be asked of another keeper. */
  readonly retry: HoldRetry | undefined
  readonly failed: (result: HeldFailure | KeeperLost) => void
  readonly told: (tells: Buffer) => void
}

export class Objects {
  readonly #holder: Holder
  /** What the keeper has not answered yet. */
  readonly #waiting = new Map<number, Waiting>()
  readonly #ptys = new Map<number, KeptPty>()

  constructor(holder: Holder) {
    this.#holder = holder
  }

  /** Whether an answer is awaited under this number. */
  has(id: number): boolean {
    return this.#waiting.has(id)
  }

  /** Why nothing is held any more. */
  get lost(): KeeperLost | undefined {
    return this.#holder.isAlive ? undefined : Failures.heldLost()
  }

  /** `done` is called once, later. */
  make(request: HeldRequest, done: (result: Holding) => void, moves = 0): void {
    const { lost } = this
    if (lost !== undefined) {
      queueMicrotask(() => done({ _tag: "Lost", error: lost }))
      return
    }
    if (request.kind === "connection") {
      this.#connect(done)
      return
    }
    const id = this.#ask(
      (result) => done("step" in result ? { _tag: "Failed", failure: result } : { _tag: "Lost", error: result }),
      (tells) =>
        done(request.kind === "pty" ? this.#toldPty(id, tells) : { _tag: "Held", held: this.#told(id, tells) }),
      moves < MOVES_MAX ? { request, done, moves: moves + 1 } : undefined
    )
    this.#holder.encoder.object(id, payloadOf(request))
    this.#holder.written()
  }

  seal(id: number, done: Done): void {
    const { lost } = this
    if (lost !== undefined) {
      queueMicrotask(() => done(lost))
      return
    }
    this.#wait(id, { failed: done, told: () => done(undefined) }, undefined)
    this.#holder.encoder.seal(id)
    this.#holder.written()
  }

  /** Made by the keeper itself. */
  stored(id: number): KeptObject {
    return new KeptObject(this, id, [-1, -1], 0)
  }

  /** Nothing comes from a pty any more. */
  hangup(id: number, lost: KeeperLost | undefined): void {
    this.#ptys.get(id)?.hangup(lost)
  }

  drop(id: number, end: HeldEnd | undefined): void {
    if (end === undefined) {
      this.hangup(id, undefined)
      this.#ptys.delete(id)
    }
    if (!this.#holder.isAlive) return
    this.#holder.encoder.drop(id, end)
    this.#holder.written()
  }

  pathOf(descriptor: number): string {
    return this.#holder.pathOf(descriptor)
  }

  /** Whether it was a request of this kind. */
  answered(id: number, errno: number, step: number, tells: Buffer): boolean {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return false
    this.#waiting.delete(id)
    this.#holder.hold(-1)
    if (errno === 0) waiting.told(tells)
    else waiting.failed({ step: stepOf(step), errno })
    return true
  }

  /** The keeper answers nothing any more. `begun`: what begins there or later it has not begun; `undefined`: nobody asks again. */
  fail(error: KeeperLost, begun: number | undefined): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { failed, position, retry } of waiting) {
      this.#holder.hold(-1)
      if (retry !== undefined && begun !== undefined && position >= begun) this.#holder.again(retry)
      else failed(error)
    }
    for (const pty of this.#ptys.values()) pty.hangup(error)
    this.#ptys.clear()
  }

  #ask(failed: Waiting["failed"], told: Waiting["told"], retry: HoldRetry | undefined): number {
    const id = this.#holder.nextId()
    this.#wait(id, { failed, told }, retry)
    return id
  }

  /** Its request is what is written next. */
  #wait(id: number, answers: Pick<Waiting, "failed" | "told">, retry: HoldRetry | undefined): void {
    this.#waiting.set(id, { ...answers, position: this.#holder.encoder.position, retry })
    this.#holder.hold(1)
  }

  #told(id: number, tells: Buffer): KeptObject {
    const ends = [tells.readInt32LE(F.ObjectEnds.at.first), tells.readInt32LE(F.ObjectEnds.at.second)] as const
    return new KeptObject(this, id, ends, tells.readUInt32LE(F.ObjectEnds.at.port))
  }

  /** Its pipes are this program's alone from now on. */
  #toldPty(id: number, tells: Buffer): Holding {
    const lent = [F.ObjectEnds.at.first, F.ObjectEnds.at.second].map((at) => ({ descriptor: tells.readInt32LE(at) }))
    const number = tells.readUInt32LE(F.ObjectEnds.at.port)
    const opened: Array<number> = []
    try {
      for (const [index, { descriptor }] of lent.entries()) {
        opened.push(this.#holder.openEnd(descriptor, index === 0 ? "pipeOut" : "pipeIn"))
      }
      const [output = -1, input = -1] = opened
      const pty = new KeptPty(number, output, input, (columns, rows, done) => this.#resize(id, columns, rows, done))
      this.#ptys.set(id, pty)
      return { _tag: "Held", held: new KeptObject(this, id, [-1, -1], 0, { pty }) }
    } catch (cause) {
      for (const descriptor of opened) closeSync(descriptor)
      this.drop(id, undefined)
      return { _tag: "Failed", failure: { step: "open", errno: errnoOf(cause) } }
    } finally {
      this.#holder.giveBack(lent)
    }
  }

  #resize(pty: number, columns: number, rows: number, done: Done): void {
    const { lost } = this
    if (lost !== undefined) {
      queueMicrotask(() => done(lost))
      return
    }
    const id = this.#ask(done, () => done(undefined), undefined)
    this.#holder.encoder.resize(id, pty, columns, rows)
    this.#holder.written()
  }

  #connect(done: (result: Holding) => void): void {
    const id = this.#holder.nextId()
    this.#holder.hold(1)
    this.#holder.connect(id, (result) => {
      this.#holder.hold(-1)
      if (typeof result !== "string")
        done({ _tag: "Held", held: new KeptObject(this, id, [-1, -1], 0, { socket: result }) })
      else if (this.lost !== undefined) done({ _tag: "Lost", error: this.lost })
      else done({ _tag: "Failed", failure: { step: "create", errno: errnoNamed(result) } })
    })
  }
}
