/**
 * What the pool and a worker say to each other: the messages of Effect's rpc. Unlike records, answers come as they are there.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type { FromClientEncoded, FromServerEncoded } from "effect/rpc/RpcMessage"
import type { Parser, RpcSerialization } from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EncodeError, Unrepresentable } from "../../CodecError.ts"
import { BadResponse, RequestTimedOut } from "../../WorkerPoolError.ts"
import type { Dispatcher, Message, Slot } from "../pool/dispatcher.ts"
import { type Bytes, nextBytes, type Talk, untilBusy } from "../pool/worker.ts"
import { Call } from "./call.ts"

export interface TalkPlan {
  readonly serialization: RpcSerialization["Service"]
  /** How long a worker may owe an answer, or the next part of one. */
  readonly timeout: Duration.Duration | undefined
  readonly now: () => number
  /** Gives it to the client, and waits until that has room for more. */
  readonly respond: (clientId: number, response: FromServerEncoded) => Effect.Effect<void>
  /** Where it is given: that of the pool, for what a worker has said is given away also when that worker has ended. */
  readonly scope: Scope.Scope
}

type Id = string | number

/** One that is a worker's, as the dispatcher knows it. */
interface Held {
  readonly call: Call
  readonly message: Message
}

const bad = (problem: string): Effect.Effect<never, BadResponse> => Effect.fail(new BadResponse({ problem }))

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** What a worker of another make could write is not what the types of a parser say. */
const isResponse = (message: unknown): message is FromServerEncoded => Predicate.hasProperty(message, "_tag")

class Line {
  /** Those that the worker has. */
  readonly held = new Map<Id, Held>()
  readonly #dispatcher: Dispatcher
  readonly #slot: Slot
  readonly #plan: TalkPlan
  readonly #parser: Parser
  /** What is to be said of calls that the worker has. */
  #said: Array<FromClientEncoded> = []

  constructor(dispatcher: Dispatcher, slot: Slot, plan: TalkPlan) {
    this.#dispatcher = dispatcher
    this.#slot = slot
    this.#plan = plan
    this.#parser = plan.serialization.makeUnsafe()
  }

  /** What is written next, if there is anything. */
  take(): Bytes | undefined {
    const pieces: Array<Uint8Array> = []
    if (this.#slot.staged.length > 0) {
      const messages = this.#dispatcher.unstage(this.#slot).filter((message) => this.#begin(message, pieces))
      this.#dispatcher.sent(this.#slot, messages)
    }
    for (const message of this.#said.splice(0)) this.#write(message, pieces)
    return pieces.length === 0 ? undefined : [pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)]
  }

  /** Whether the request has a form in which it can be written. */
  #begin(message: Message, pieces: Array<Uint8Array>): boolean {
    const [call] = message
    if (!(call instanceof Call)) return false
    try {
      this.#write(call.request, pieces)
    } catch (cause) {
      const reason = new Unrepresentable({ problem: textOf(cause) })
      call.fail(new EncodeError({ reason, format: this.#plan.serialization.contentType, record: 1 }))
      return false
    }
    this.held.set(call.request.id, { call, message })
    call.owedSince = this.#plan.now()
    call.tell = (told) => {
      this.#said.push(told)
      this.#slot.wakeUp()
    }
    return true
  }

  #write(message: FromClientEncoded, pieces: Array<Uint8Array>): void {
    const written = this.#parser.encode(message)
    if (written !== undefined) pieces.push(typeof written === "string" ? Buffer.from(written) : written)
  }

  /** What the worker has written. */
  readonly receive = (bytes: Uint8Array): Effect.Effect<void, BadResponse> => {
    try {
      const messages = this.#parser.decode(bytes)
      return messages.length === 0 ? Effect.void : Effect.forEach(messages, this.#understand, { discard: true })
    } catch (cause) {
      return bad(`the worker wrote what is no message: ${textOf(cause)}`)
    }
  }

  readonly #understand = (message: unknown): Effect.Effect<void, BadResponse> => {
    if (!isResponse(message)) return bad("the worker wrote what is no message")
    switch (message._tag) {
      case "Chunk":
      case "Exit": {
        const held = this.held.get(message.requestId)
        if (held === undefined) return bad("the worker answered what it was not asked")
        const { call } = held
        if (message._tag === "Chunk") {
          // One that is cancelled is to end, whoever takes what.
          if (!call.isCancelled) call.owedSince = undefined
          call.isPartial = true
        } else {
          this.held.delete(message.requestId)
          call.tell = undefined
          this.#dispatcher.settled(this.#slot, held.message)
        }
        const delivered = this.#deliver(call, message)
        if (message._tag === "Exit") call.answer(undefined)
        return delivered
      }
      case "Defect":
        // Of none of its calls, or of all.
        return bad(`the worker has a defect: ${this.#defectOf(message.defect)}`)
      case "Pong":
      case "Request":
        // Nobody here waits for them.
        return Effect.void
      default:
        return bad("the worker wrote what is no message")
    }
  }

  #defectOf(defect: unknown): string {
    try {
      return textOf(Schema.decodeUnknownSync(this.#plan.serialization.codecFor(Schema.Defect()))(defect))
    } catch {
      return "what it is cannot be read"
    }
  }

  /**
   * Gives it to who asked, without waiting for that: others wait for what comes after it. A worker whose next part does not wait until
   * the one before has been taken is not read until then.
   */
  #deliver(call: Call, response: FromServerEncoded): Effect.Effect<void> {
    if (call.isCancelled) return Effect.void
    const { delivery } = call
    const isPending = delivery !== undefined && delivery.pollUnsafe() === undefined
    const given = this.#plan.respond(call.clientId, response)
    const inOrder = isPending ? Effect.andThen(Fiber.await(delivery), given) : given
    const forked = Effect.map(Effect.forkIn(inOrder, this.#plan.scope, { startImmediately: true }), (fiber) => {
      call.delivery = fiber
    })
    return isPending && response._tag === "Chunk" ? Effect.andThen(Fiber.await(delivery), forked) : forked
  }
}

/** Fails when the worker owes something for too long. */
const watch = (line: Line, slot: Slot, limit: Duration.Duration): Effect.Effect<never, RequestTimedOut> =>
  Effect.gen(function* () {
    const millis = Duration.toMillis(limit)
    while (true) {
      yield* untilBusy(slot)
      const now = yield* Clock.currentTimeMillis
      // What is owed from now on is late no sooner than that.
      let left = millis
      for (const { call } of line.held.values()) {
        if (call.owedSince !== undefined) left = Math.min(left, call.owedSince + millis - now)
      }
      if (left <= 0) return yield* new RequestTimedOut({ limit })
      yield* Effect.sleep(left)
    }
  })

export const talk =
  (dispatcher: Dispatcher, plan: TalkPlan) =>
  (slot: Slot): Talk => {
    const line = new Line(dispatcher, slot, plan)
    return {
      next: nextBytes(slot, () => line.take()),
      read: (answers) =>
        answers.pipe(
          // The end of what can be read is the end of the worker, whatever it is.
          Stream.catchCause(() => Stream.empty),
          Stream.runForEach(line.receive)
        ),
      watch: plan.timeout === undefined ? undefined : watch(line, slot, plan.timeout)
    }
  }
