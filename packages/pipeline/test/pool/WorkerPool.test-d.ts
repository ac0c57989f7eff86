import { Codec, type InvalidPool, Pipeline, type RequestFailed, type StageFailed, WorkerPool } from "@nursery/pipeline"
import { Command, type Nursery } from "@nursery/process"
import type { GaveUp } from "@nursery/supervisor"
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"

declare const worker: Command.Command
declare const withServices: Schema.Codec<Date, string, "D", "E">
declare const dates: Stream.Stream<Date, "source", "S">

const lines = Command.make("cat")

describe("the types of pools", () => {
  it("say how often a request may be done", () => {
    const once = WorkerPool.make(lines, {
      request: Schema.Int,
      response: Codec.lines(),
      size: 1,
      delivery: "at-most-once"
    })
    expectTypeOf(once).toEqualTypeOf<
      Effect.Effect<
        WorkerPool.WorkerPool<number, string, "at-most-once">,
        InvalidPool | GaveUp<"workers", WorkerPool.LifeFailure>,
        Nursery.Nursery | Scope.Scope
      >
    >()
    const often = WorkerPool.make(lines, { request: Schema.Int, response: Schema.Int, size: { max: 3 } })
    expectTypeOf<Effect.Success<typeof often>>().toEqualTypeOf<WorkerPool.WorkerPool<number, number, "at-least-once">>()
    WorkerPool.make(lines, {
      request: Schema.Int,
      response: Schema.Int,
      size: 1,
      // @ts-expect-error what is done once at most is not tried again
      delivery: "at-most-once",
      retry: Schedule.forever
    })
  })

  it("join the errors and services of Schemas and streams", () => {
    const pool = WorkerPool.make(lines, { request: withServices, response: withServices, size: 1 })
    expectTypeOf<Effect.Services<typeof pool>>().toEqualTypeOf<Nursery.Nursery | Scope.Scope | "D" | "E">()
    type Pool = Effect.Success<typeof pool>
    const through = (each: Pool) => each.through()(dates)
    expectTypeOf(through).returns.toEqualTypeOf<Stream.Stream<Date, "source" | RequestFailed, "S">>()
    expectTypeOf<Pool["request"]>().toEqualTypeOf<(request: Date) => Effect.Effect<Date, RequestFailed>>()
  })

  it("are those of a stage", () => {
    const stage = Pipeline.fromStream(dates).pipe(
      Pipeline.pool("dates", lines, { request: withServices, response: Schema.Int, size: 1, unordered: true })
    )
    expectTypeOf(stage).toEqualTypeOf<
      Pipeline.Pipeline<
        number,
        "source" | StageFailed<"dates", Pipeline.PoolFailure>,
        "S" | "E" | Nursery.Nursery,
        {} & { readonly dates: "typed" }
      >
    >()
    // @ts-expect-error records of another type
    Pipeline.fromStream(dates).pipe(Pipeline.pool("n", lines, { request: Schema.Int, response: Schema.Int, size: 1 }))
  })

  it("refuse commands that the pool could not connect", () => {
    const options = { request: Schema.Int, response: Schema.Int, size: 1 } as const
    // @ts-expect-error its stdin goes elsewhere, as far as is known
    WorkerPool.make(worker, options)
    // @ts-expect-error its stdin goes elsewhere
    WorkerPool.make(Command.stdin(lines, "inherit"), options)
  })
})
