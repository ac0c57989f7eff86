import type { BadRecord } from "@nursery/pipeline"
import { Codec, type DecodeError, type EncodeError } from "@nursery/pipeline"
import * as Schema from "effect/Schema"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"

declare const bytes: Stream.Stream<Uint8Array, "source", "A">
declare const withServices: Schema.Codec<Date, string, "D", "E">
declare const deadLetters: Sink.Sink<void, BadRecord, never, "sink", "S">

const Event = Schema.Struct({ id: Schema.Int, at: Schema.Date })

describe("the types of codecs", () => {
  it("are those of their Schemas", () => {
    expectTypeOf(Codec.ndjson(Event)).toExtend<Codec.Codec<{ readonly id: number; readonly at: Date }>>()
    expectTypeOf(Codec.lines()).toEqualTypeOf<Codec.Codec<string>>()
    expectTypeOf(Codec.lines(withServices)).toExtend<Codec.Codec<Date, "D", "E">>()
    expectTypeOf(Codec.bytes).toEqualTypeOf<Codec.Codec<Uint8Array>>()
  })

  it("join the errors and services of streams", () => {
    const decoded = Codec.decode(Codec.lines(withServices), { deadLetters })(bytes)
    expectTypeOf(decoded).toEqualTypeOf<Stream.Stream<Date, "source" | "sink" | DecodeError, "A" | "S" | "D">>()
    const encoded = Codec.encode(Codec.ndjson(withServices))(decoded)
    expectTypeOf(encoded).toEqualTypeOf<
      Stream.Stream<Uint8Array, "source" | "sink" | DecodeError | EncodeError, "A" | "S" | "D" | "E">
    >()
  })

  it("refuse what is not written that way", () => {
    // @ts-expect-error a line is text
    Codec.lines(Schema.Number)
    // @ts-expect-error not bytes
    Codec.lengthPrefixed(Schema.String, { payload: "bytes" })
    // @ts-expect-error records of another type
    Codec.encode(Codec.lines())(Codec.decode(Codec.ndjson(Event))(bytes))
  })
})
