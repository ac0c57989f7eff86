/**
 * The stages of this program, as `Pipeline` gives them to users.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { CountRefusal, Pipeline, Unused } from "../Pipeline.ts"
import type { FailureOf } from "../PipelineError.ts"
import * as internal from "./value.ts"

/** What a stage of this program makes of a pipeline. */
type Appended<Name extends string, A, E, E2, R, Stages> = Pipeline<
  A,
  E | FailureOf<Name, E2>,
  R,
  Stages & { readonly [K in Name]: "typed" }
>

/**
 * Any function from a Stream to a Stream. Failures of the stages before it never come to it, so it cannot take one for the end.
 *
 * **Example** (As long as it grows)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const firsts = Pipeline.fromStream(Stream.make(1, 4, 9, 2)).pipe(
 *   Pipeline.transform("while", (numbers) => Stream.takeWhile(numbers, (n) => n > 2 || n === 1)),
 *   Pipeline.collect
 * )
 * assert.deepEqual(await Effect.runPromise(firsts), [1, 4, 9])
 * ```
 *
 * @category stages
 */
export const transform =
  <const Name extends string, A, B, E2 = never, R2 = never>(
    name: Name,
    f: (input: Stream.Stream<A>) => Stream.Stream<B, E2, R2>
  ) =>
  <E, R, Stages>(self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>): Appended<Name, B, E, E2, R | R2, Stages> =>
    new internal.PipelineValue(internal.append(self, internal.typed(name, f)))

/**
 * A function on each record.
 *
 * @category stages
 */
export const map =
  <const Name extends string, A, B>(name: Name, f: (a: A) => B) =>
  <E, R, Stages>(self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>): Appended<Name, B, E, never, R, Stages> =>
    new internal.PipelineValue(internal.append(self, internal.typed<A, B, never, never>(name, Stream.map(f))))

/**
 * An Effect for each record; its failure is that of the stage.
 *
 * **Details**
 *
 * With a `concurrency` above 1 as many run at the same time. Their results are in the order of the records unless `unordered` is `true`.
 *
 * **Example** (What a stage fails with)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const halve = (n: number) => (n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail("odd" as const))
 * const halves = Pipeline.fromStream(Stream.make(8, 6, 3)).pipe(
 *   Pipeline.mapEffect("halve", halve, { concurrency: 2 }),
 *   Pipeline.collect,
 *   Pipeline.catchStage("halve", ({ error }) => Effect.succeed(error))
 * )
 * assert.equal(await Effect.runPromise(halves), "odd")
 * ```
 *
 * @category stages
 */
export const mapEffect =
  <const Name extends string, A, B, E2, R2>(
    name: Name,
    f: (a: A) => Effect.Effect<B, E2, R2>,
    options?: { readonly concurrency?: Types.Concurrency | undefined; readonly unordered?: boolean | undefined }
  ) =>
  <E, R, Stages>(self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>): Appended<Name, B, E, E2, R | R2, Stages> =>
    new internal.PipelineValue(
      internal.append(
        self,
        internal.typed<A, B, E2, R2>(name, (input) => Stream.mapEffect(input, (a) => f(a), options))
      )
    )

/**
 * Only the records that a predicate holds for.
 *
 * @category stages
 */
export const filter: {
  <const Name extends string, A, B extends A>(
    name: Name,
    refinement: (a: A) => a is B
  ): <E, R, Stages>(self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>) => Appended<Name, B, E, never, R, Stages>
  <const Name extends string, A>(
    name: Name,
    predicate: (a: A) => boolean
  ): <E, R, Stages>(self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>) => Appended<Name, A, E, never, R, Stages>
} =
  <const Name extends string, A>(name: Name, predicate: (a: A) => boolean) =>
  <E, R, Stages>(self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>): Appended<Name, never, E, never, R, Stages> =>
    new internal.PipelineValue(
      internal.append(self, internal.typed<A, A, never, never>(name, Stream.filter(predicate)))
    )

/**
 * Records in groups of `size`, the last one may be smaller. With `within`, what has come in that time goes on, however little it is.
 *
 * A `size` that is no whole number from 1 on is an `InvalidPipeline`.
 *
 * **Example** (Three at a time)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const rows = Pipeline.fromStream(Stream.range(1, 5)).pipe(
 *   Pipeline.batch("three", { size: 3, within: "1 minute" }),
 *   Pipeline.collect
 * )
 * assert.deepEqual(await Effect.runPromise(rows), [[1, 2, 3], [4, 5]])
 * ```
 *
 * @category stages
 */
export const batch =
  <const Name extends string, const Size extends number>(
    name: Name,
    options: { readonly size: Size; readonly within?: Duration.Input | undefined }
  ) =>
  <A, E, R, Stages>(
    self: Pipeline<A, E, R, Stages> & Unused<Name, Stages>
  ): Appended<Name, ReadonlyArray<A>, E | CountRefusal<Size>, never, R, Stages> => {
    const { size, within } = options
    return new internal.PipelineValue(
      internal.append(
        self,
        internal.typed<A, ReadonlyArray<A>, never, never>(
          name,
          within === undefined ? Stream.grouped(size) : Stream.groupedWithin(size, within),
          { problem: internal.countProblem("size", size) }
        )
      )
    )
  }
