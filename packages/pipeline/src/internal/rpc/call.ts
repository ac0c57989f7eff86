/**
 * One call: a request of Effect's rpc, and what is known of it.
 *
 * @internal
 */
import type * as Fiber from "effect/Fiber"
import type { FromClientEncoded, RequestEncoded } from "effect/rpc/RpcMessage"
import { Entry, type Outcome } from "../pool/dispatcher.ts"

/** How a worker is told more of the calls that it has. */
export type Tell = (message: FromClientEncoded) => void

export class Call extends Entry {
  readonly clientId: number
  readonly request: RequestEncoded
  /** Of the worker that has it. */
  tell: Tell | undefined
  /** Since when its worker is to say something; `undefined` while it is who asked that has not taken what came last. */
  owedSince: number | undefined
  /** Gives what came last to who asked. */
  delivery: Fiber.Fiber<void> | undefined

  constructor(clientId: number, request: RequestEncoded, settle: (outcome: Outcome) => void) {
    super(request, settle)
    this.clientId = clientId
    this.request = request
  }

  /** Nobody wants the answer any more. Its worker has it until that says that it has stopped. */
  cancel(now: number): void {
    if (this.isCancelled) return
    this.isCancelled = true
    this.owedSince = now
    this.tell?.({ _tag: "Interrupt", requestId: this.request.id })
  }

  /** What came last has been taken, and there may be more. */
  acknowledge(now: number): void {
    if (this.isCancelled || this.tell === undefined) return
    this.owedSince = now
    this.tell({ _tag: "Ack", requestId: this.request.id })
  }
}
