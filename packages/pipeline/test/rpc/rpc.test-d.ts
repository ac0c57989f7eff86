import { type InvalidPool, type RequestFailed, Worker, WorkerPool } from "@nursery/pipeline"
import { Command, type Nursery } from "@nursery/process"
import type { GaveUp, Restart } from "@nursery/supervisor"
import type * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", {}) {}
class Login extends RpcMiddleware.Service<Login>()("Login", { requiredForClient: true }) {}
declare const withServices: Schema.Codec<Date, string, "D", "E">
declare const restart: Restart.Restart<unknown, never, "restart">

const group = RpcGroup.make(
  Rpc.make("Square", { payload: { n: Schema.Finite }, success: Schema.Finite, error: Wrong }),
  Rpc.make("Count", { payload: { to: Schema.Finite }, success: Schema.String, error: Wrong, stream: true })
)
type Rpcs = RpcGroup.Rpcs<typeof group>
const command = Command.make("worker")

describe("the types of pools that serve an RpcGroup", () => {
  it("are those of the group, and of what becomes of workers", () => {
    const pool = WorkerPool.rpc(command, group, { size: 1 })
    expectTypeOf(pool).toEqualTypeOf<
      Effect.Effect<
        WorkerPool.RpcPool<Rpcs, "at-most-once">,
        InvalidPool | GaveUp<"workers", WorkerPool.LifeFailure>,
        Nursery.Nursery | Scope.Scope | RpcSerialization.RpcSerialization
      >
    >()
    type Pool = Effect.Success<typeof pool>
    expectTypeOf<Pool["client"]>().toEqualTypeOf<RpcClient.RpcClient<Rpcs, RequestFailed>>()
    const square = ({ client }: Pool) => client.Square({ n: 1 })
    expectTypeOf(square).returns.toEqualTypeOf<Effect.Effect<number, Wrong | RequestFailed>>()
    const count = ({ client }: Pool) => client.Count({ to: 1 })
    expectTypeOf(count).returns.toEqualTypeOf<Stream.Stream<string, Wrong | RequestFailed>>()
    // @ts-expect-error a payload of another type
    const wrong = ({ client }: Pool) => client.Square({ n: "1" })
    void wrong
  })

  it("say how often a call may be made", () => {
    const retry = Schedule.recurs(3)
    const pool = WorkerPool.rpc(command, group, { size: 1, delivery: "at-least-once", retry })
    expectTypeOf<Effect.Success<typeof pool>>().toEqualTypeOf<WorkerPool.RpcPool<Rpcs, "at-least-once">>()
    // @ts-expect-error what is made once at most is not made again
    WorkerPool.rpc(command, group, { size: 1, delivery: "at-most-once", retry })
    // @ts-expect-error nor is it where nothing is said
    WorkerPool.rpc(command, group, { size: 1, retry })
  })

  it("join what Schemas, middleware and policies need", () => {
    const needy = RpcGroup.make(Rpc.make("At", { payload: withServices, success: withServices })).middleware(Login)
    const pool = WorkerPool.rpc(command, needy, { size: 1, restart })
    expectTypeOf<Effect.Services<typeof pool>>().toEqualTypeOf<
      Nursery.Nursery | Scope.Scope | RpcSerialization.RpcSerialization | RpcMiddleware.ForClient<Login> | "restart"
    >()
    const at = ({ client }: Effect.Success<typeof pool>) => client.At(new Date())
    expectTypeOf(at).returns.toEqualTypeOf<Effect.Effect<Date, RequestFailed, "D" | "E">>()
  })

  it("need a handler of each rpc in the worker", () => {
    const served = Worker.rpc(group)
    expectTypeOf(served).toEqualTypeOf<
      Effect.Effect<void, never, RpcSerialization.RpcSerialization | Rpc.Handler<"Square"> | Rpc.Handler<"Count">>
    >()
  })

  it("refuse commands that the pool could not connect", () => {
    // @ts-expect-error its stdin goes elsewhere
    WorkerPool.rpc(Command.stdin(command, "inherit"), group, { size: 1 })
  })
})
