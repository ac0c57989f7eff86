/**
 * The stages that read and write records, as `Pipeline` gives them to users.
 *
 * @internal
 */
import * as Codec from "../Codec.ts"
import type { DecodeError, EncodeError } from "../CodecError.ts"
import type { Pipeline, Unused } from "../Pipeline.ts"
import type { StageFailed } from "../PipelineError.ts"
import * as internal from "./value.ts"

/**
 * Makes records of bytes, by a codec.
 *
 * **Details**
 *
 * The first bad record is a `DecodeError`, with its number and offset; with `deadLetters` bad records go there instead, and the others go
 * on. No record may be larger than `maxRecordSize`, 1 MiB where nothing is said.
 *
 * **Example** (Numbers that a process has written)
 *
 * ```ts
 * import { Codec, Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import assert from "node:assert/strict"
 *
 * const numbers = Pipeline.from("seq", Command.make`seq 3`).pipe(
 *   Pipeline.decode("numbers", Codec.lines(Schema.NumberFromString)),
 *   Pipeline.collect
 * )
 * assert.deepEqual(await Effect.runPromise(Effect.provide(numbers, Nursery.layer)), [1, 2, 3])
 * ```
 *
 * @category stages
 */
export const decode =
  <const Name extends string, A, DecodeR, EncodeR, E2 = never, R2 = never>(
    name: Name,
    codec: Codec.Codec<A, DecodeR, EncodeR>,
    options?: Codec.DecodeOptions<E2, R2>
  ) =>
  <E, R, Stages>(
    self: Pipeline<Uint8Array, E, R, Stages> & Unused<Name, Stages>
  ): Pipeline<
    A,
    E | StageFailed<Name, DecodeError | E2>,
    R | R2 | DecodeR,
    Stages & { readonly [K in Name]: "typed" }
  > =>
    new internal.PipelineValue(
      internal.append(
        self,
        internal.typed<Uint8Array, A, DecodeError | E2, R2 | DecodeR>(name, Codec.decode(codec, options), {
          borrows: codec.spec !== Codec.bytes.spec
        })
      )
    )

/**
 * Makes bytes of records, by a codec. A record that cannot be written is an `EncodeError`.
 *
 * **Example** (Records for a process)
 *
 * ```ts
 * import { Codec, Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const Point = Schema.Struct({ x: Schema.Number, y: Schema.Number })
 * const lines = Pipeline.fromStream(Stream.make({ x: 1, y: 2 }, { x: 3, y: 4 })).pipe(
 *   Pipeline.encode("json", Codec.ndjson(Point)),
 *   Pipeline.process("last", Command.make`tail -n 1`),
 *   Pipeline.string
 * )
 * assert.equal(await Effect.runPromise(Effect.provide(lines, Nursery.layer)), '{"x":3,"y":4}\n')
 * ```
 *
 * @category stages
 */
export const encode =
  <const Name extends string, A, DecodeR, EncodeR>(name: Name, codec: Codec.Codec<A, DecodeR, EncodeR>) =>
  <B extends A, E, R, Stages>(
    self: Pipeline<B, E, R, Stages> & Unused<Name, Stages>
  ): Pipeline<
    Uint8Array,
    E | StageFailed<Name, EncodeError>,
    R | EncodeR,
    Stages & { readonly [K in Name]: "typed" }
  > =>
    new internal.PipelineValue(
      internal.append(self, internal.typed<A, Uint8Array, EncodeError, EncodeR>(name, Codec.encode(codec)))
    )
