/**
 * The stage whose records are answered by worker processes, as `Pipeline` gives it to users.
 *
 * @internal
 */
import type { Nursery } from "@nursery/process"
import type { GaveUp } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Pipeline, Unused } from "../Pipeline.ts"
import type { StageFailed } from "../PipelineError.ts"
import type * as WorkerPool from "../WorkerPool.ts"
import type { InvalidPool, RequestFailed } from "../WorkerPoolError.ts"
import { type AnyOptions as AnyPoolOptions, make } from "./pool/value.ts"
import * as internal from "./value.ts"

/** What a pool as a stage fails with. */
export type PoolFailure = InvalidPool | RequestFailed | GaveUp<"workers", WorkerPool.LifeFailure>

type Pooled<Name extends string, A, E, E2, R, Stages> = Pipeline<
  A,
  E | StageFailed<Name, PoolFailure | E2>,
  R | Nursery.Nursery,
  Stages & { readonly [K in Name]: "typed" }
>

interface Pool {
  <const Name extends string, Request, Response, RequestR, ResponseR, RestartR = never, E2 = never, R2 = never>(
    name: Name,
    command: WorkerPool.WorkerCommand,
    options: WorkerPool.Options<Request, Response, RequestR, ResponseR, RestartR> &
      WorkerPool.AtMostOnce &
      WorkerPool.ThroughOptions<Request, E2, R2>
  ): <E, R, Stages>(
    self: Pipeline<Request, E, R, Stages> & Unused<Name, Stages>
  ) => Pooled<Name, Response, E, E2, R | RequestR | ResponseR | RestartR | R2, Stages>
  <
    const Name extends string,
    Request,
    Response,
    RequestR,
    ResponseR,
    RestartR = never,
    RetryR = never,
    E2 = never,
    R2 = never
  >(
    name: Name,
    command: WorkerPool.WorkerCommand,
    options: WorkerPool.Options<Request, Response, RequestR, ResponseR, RestartR> &
      WorkerPool.AtLeastOnce<RetryR> &
      WorkerPool.ThroughOptions<Request, E2, R2>
  ): <E, R, Stages>(
    self: Pipeline<Request, E, R, Stages> & Unused<Name, Stages>
  ) => Pooled<Name, Response, E, E2, R | RequestR | ResponseR | RestartR | RetryR | R2, Stages>
}

/**
 * Has worker processes answer each record: a {@link WorkerPool} that lives as long as the stage.
 *
 * **Details**
 *
 * The options are those of `WorkerPool.make` and of its `through`: answers are in the order of the records unless `unordered` is `true`, and
 * a request that fails is the failure of the stage unless there are `deadLetters`.
 *
 * **Example** (Squares, by two workers)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const worker = Command.make("sh", ["-c", "while read -r n; do echo $((n * n)); done"])
 * const squares = Pipeline.fromStream(Stream.range(1, 4)).pipe(
 *   Pipeline.pool("square", worker, { request: Schema.Int, response: Schema.Int, size: 2 }),
 *   Pipeline.collect
 * )
 * assert.deepEqual(await Effect.runPromise(Effect.provide(squares, Nursery.layer)), [1, 4, 9, 16])
 * ```
 *
 * @category stages
 */
export const pool: Pool = (name: string, command: WorkerPool.WorkerCommand, options: AnyOptions): never => {
  const answers = (requests: Stream.Stream<unknown>) => {
    const made: Effect.Effect<WorkerPool.WorkerPool<unknown, unknown>, unknown, Nursery.Nursery | Scope.Scope> = make(
      command,
      options
    )
    return Stream.unwrap(Effect.map(made, (workers) => workers.through(options)(requests)))
  }
  const stage = internal.typed(name, answers)
  // The overloads say of which types it is; they are those of `WorkerPool.make`.
  return ((self: Pipeline<unknown>) => new internal.PipelineValue(internal.append(self, stage))) as never
}

interface AnyOptions extends AnyPoolOptions, WorkerPool.ThroughOptions<unknown, unknown, unknown> {}
