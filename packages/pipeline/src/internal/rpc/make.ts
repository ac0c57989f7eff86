/**
 * A pool as the client of an `RpcGroup`: Effect's own client, on a protocol whose other end is whichever worker has room.
 *
 * @internal
 */
import type { Nursery } from "@nursery/process"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type { FromServerEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Scope from "effect/Scope"
import type { RpcOptions, RpcPool, WorkerCommand } from "../../WorkerPool.ts"
import { type InvalidPool, PoolClosed, type RequestFailed } from "../../WorkerPoolError.ts"
import { type PoolGaveUp, type PoolPlan, type RunningPool, start } from "../pool/make.ts"
import { durationOf, invalid, type PoolOptions, poolOf } from "../pool/options.ts"
import { exitOf } from "../pool/through.ts"
import { Call } from "./call.ts"
import { type TalkPlan, talk } from "./talk.ts"

/** The options with their types forgotten. */
export type AnyOptions = Omit<RpcOptions<unknown>, keyof PoolOptions> & PoolOptions

interface Plan extends PoolPlan, Pick<TalkPlan, "serialization" | "timeout"> {}

// Streams go on for as long as they are read, so that a worker may never have nothing else to do.
const patience = Duration.seconds(1)

const planOf = (
  command: WorkerCommand,
  options: AnyOptions,
  serialization: Plan["serialization"]
): Result.Result<Plan, InvalidPool> =>
  Result.gen(function* () {
    if (!serialization.includesFraming) {
      const { contentType } = serialization
      return yield* invalid("serialization", `cannot be ${contentType}: where a message ends has to be known`)
    }
    return {
      ...(yield* poolOf(command, { ...options, transport: "socketpair" }, "at-most-once")),
      patience,
      serialization,
      timeout: yield* durationOf("timeout", options.timeout)
    }
  })

type Respond = (clientId: number, response: FromServerEncoded) => Effect.Effect<void>

const startWith = (plan: Plan, respond: Respond) =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    // Closed after all else: whoever waits for a part is told first why there is none.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
    const { serialization, timeout } = plan
    const now = () => clock.currentTimeMillisUnsafe()
    const pool = yield* start(plan, (dispatcher) => talk(dispatcher, { serialization, timeout, now, respond, scope }))
    return { pool, now }
  })

/** What Effect's client asks of the pool. */
const sender = ({ dispatcher }: RunningPool, now: () => number) => {
  const calls = new Map<string | number, Call>()
  const send = (clientId: number, message: Parameters<Protocol["send"]>[1]): Effect.Effect<void, RequestFailed> => {
    switch (message._tag) {
      // Lasts as long as the call, so that its failure is that of this call and of no other.
      case "Request":
        return Effect.callback((resume) => {
          const call = new Call(clientId, message, (outcome) => {
            calls.delete(message.id)
            resume(Effect.asVoid(exitOf(outcome)))
          })
          calls.set(message.id, call)
          dispatcher.submit([call])
          return Effect.sync(() => {
            calls.delete(message.id)
            call.cancel(now())
          })
        })
      case "Ack":
        return Effect.sync(() => calls.get(message.requestId)?.acknowledge(now()))
      case "Interrupt":
        return Effect.sync(() => calls.get(message.requestId)?.cancel(now()))
      default:
        return Effect.void
    }
  }
  return send
}

type Protocol = RpcClient.Protocol["Service"]

// What a protocol fails with is what the client fails with, as it is: so the type of its errors is that of the pool. The type of a
// protocol in Effect knows of no other errors than those of Effect.
const asProtocolError = (send: ReturnType<typeof sender>): Protocol["send"] => send as never
const withErrors = <Rpcs extends Rpc.Any>(
  client: RpcClient.RpcClient<Rpcs, unknown>
): RpcClient.RpcClient<Rpcs, RequestFailed> => client as never

export const make = <Rpcs extends Rpc.Any>(
  command: WorkerCommand,
  group: RpcGroup.RpcGroup<Rpcs>,
  options: AnyOptions
): Effect.Effect<
  RpcPool<Rpcs, never>,
  InvalidPool | PoolGaveUp,
  Nursery.Nursery | Scope.Scope | RpcSerialization.RpcSerialization | Rpc.MiddlewareClient<Rpcs>
> =>
  Effect.gen(function* () {
    const serialization = yield* RpcSerialization.RpcSerialization
    const plan = yield* Effect.fromResult(planOf(command, options, serialization))
    let running: RunningPool | undefined
    const protocol = yield* RpcClient.Protocol.make((respond) =>
      Effect.map(startWith(plan, respond), ({ now, pool }) => {
        running = pool
        return {
          send: asProtocolError(sender(pool, now)),
          supportsAck: true,
          supportsTransferables: false,
          codecFor: serialization.codecFor
        }
      })
    )
    const { spanAttributes, spanPrefix, disableTracing } = options
    const client = yield* RpcClient.make(group, { spanAttributes, spanPrefix, disableTracing }).pipe(
      Effect.provideService(RpcClient.Protocol, protocol)
    )
    const pool = running
    if (pool === undefined) return yield* Effect.die(new Error("a protocol without its pool"))
    // Before the client interrupts whoever waits for an answer: they are told why there is none.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => pool.dispatcher.close(new PoolClosed({ problem: "the pool of workers has been closed" })))
    )
    return {
      // Which of them it is, the type of the options says.
      delivery: plan.delivery as never,
      client: withErrors(client),
      status: Effect.sync(() => pool.dispatcher.status),
      gaveUp: pool.gaveUp
    }
  })
