import { describe, expect, it } from "@effect/vitest"
import { type BadRecord, Codec, DecodeError, type DecodeReason, EncodeError } from "@nursery/pipeline"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { crumbs, plain, read, write } from "./support/reading.ts"

const Point = Schema.Struct({ x: Schema.Int, y: Schema.optionalKey(Schema.Finite) })

const bytesOf = (input: string | ReadonlyArray<number>): Uint8Array =>
  typeof input === "string" ? new TextEncoder().encode(input) : Uint8Array.from(input)

/** A codec reads the input, however it is cut. */
const reads = <A>(name: string, codec: Codec.Codec<A>, input: string, expected: ReadonlyArray<A>) =>
  [
    name,
    Effect.gen(function* () {
      for (const chunks of [[bytesOf(input)], crumbs(bytesOf(input))]) {
        const { error, values } = yield* read(codec, chunks)
        expect(plain(error)).toBeUndefined()
        expect(values).toEqual(expected)
      }
    })
  ] as const

/** A codec says where the input is wrong, however it is cut. */
const refuses = <A>(
  name: string,
  codec: Codec.Codec<A>,
  input: string | ReadonlyArray<number>,
  reason: DecodeReason["_tag"],
  record: number,
  offset: number
) =>
  [
    name,
    Effect.gen(function* () {
      for (const chunks of [[bytesOf(input)], crumbs(bytesOf(input))]) {
        const { error } = yield* read(codec, chunks)
        expect(error).toBeInstanceOf(DecodeError)
        expect([error?.reason._tag, error?.record, error?.offset]).toEqual([reason, record, offset])
      }
    })
  ] as const

describe("input that is right", () => {
  it.effect.each([
    reads("lines: empty input", Codec.lines(), "", []),
    reads("lines: an empty line is a line", Codec.lines(), "\n\na", ["", "", "a"]),
    reads("lines: line breaks of both kinds", Codec.lines(), "a\r\nb\nc\rd\n", ["a", "b", "c\rd"]),
    reads("lines: a mark at the beginning", Codec.lines(), "\ufeffa\n\ufeffb", ["a", "\ufeffb"]),
    reads("NDJSON: empty input", Codec.ndjson(Point), "", []),
    reads("NDJSON: empty lines", Codec.ndjson(Point), '\n{"x":1}\r\n\r\n\n', [{ x: 1 }]),
    reads("NDJSON: no line break at the end", Codec.ndjson(Point), '{"x":1}\n{"x":2}', [{ x: 1 }, { x: 2 }]),
    reads("NDJSON: a mark at the beginning", Codec.ndjson(Point), '\ufeff{"x":1}\n', [{ x: 1 }]),
    reads("JSON array: nothing in it", Codec.jsonArray(Point), " [ \n] ", []),
    reads("JSON array: blanks", Codec.jsonArray(Point), '\ufeff[{"x" : 1},\n\t{"x":2} ]\n', [{ x: 1 }, { x: 2 }]),
    reads("JSON array: brackets in texts", Codec.jsonArray(Schema.String), '["]","[,\\"","\\\\"]', ["]", '[,"', "\\"]),
    reads("CSV: only a header", Codec.csv(Point), "x,y\n", []),
    reads("CSV: another order, and more columns", Codec.csv(Point), "z,y,x\na,2.5,1\n", [{ x: 1, y: 2.5 }]),
    reads("CSV: an empty cell that is optional", Codec.csv(Point), "x,y\n1,\n", [{ x: 1 }]),
    reads("CSV: a missing column that is optional", Codec.csv(Point), "x\r\n1\r\n", [{ x: 1 }]),
    reads("CSV: quotes", Codec.csv(Schema.Struct({ a: Schema.String })), 'a\n"b ""c""\r\nd"\n""\n', [
      { a: 'b "c"\r\nd' },
      { a: "" }
    ]),
    reads("CSV: no header", Codec.csv(Point, { header: false, columns: ["y", "x"] }), "2,1", [{ x: 1, y: 2 }]),
    reads("CSV: cells as they are", Codec.csv(Schema.Array(Schema.String)), "a,b\n,c\n", [
      ["a", "b"],
      ["", "c"]
    ]),
    reads("length-prefixed: empty input", Codec.lengthPrefixed(Point), "", [])
  ])("%s", ([, test]) => test)
})

describe("input that is not right", () => {
  it.effect.each([
    refuses("lines: no UTF-8", Codec.lines(), [97, 10, 0xff, 10], "InvalidUtf8", 2, 2),
    refuses("lines: half of a character at the end", Codec.lines(), [97, 10, 0xc3], "RecordCutOff", 2, 2),
    refuses(
      "lines: the wrong type",
      Codec.lines(Schema.NumberFromString.check(Schema.isInt())),
      "1\nä\n",
      "SchemaMismatch",
      2,
      2
    ),
    refuses("NDJSON: no JSON", Codec.ndjson(Point), '{"x":1}\n\n{x:2}\n', "InvalidSyntax", 2, 9),
    refuses("NDJSON: two values on a line", Codec.ndjson(Point), '{"x":1} {"x":1}\n', "InvalidSyntax", 1, 0),
    refuses("NDJSON: the wrong type", Codec.ndjson(Point), '{"x":1}\n{"x":"é"}\n{"x":""}\n', "SchemaMismatch", 2, 8),
    refuses("NDJSON: no UTF-8", Codec.ndjson(Schema.String), [34, 34, 10, 34, 0xc3, 34, 10], "InvalidUtf8", 2, 3),
    refuses("NDJSON: cut off", Codec.ndjson(Point), '{"x":1}\n{"x":', "RecordCutOff", 2, 8),
    refuses("JSON array: empty input", Codec.jsonArray(Point), "", "RecordCutOff", 1, 0),
    refuses("JSON array: no array", Codec.jsonArray(Point), ' {"x":1}', "InvalidSyntax", 1, 1),
    refuses("JSON array: cut off in an element", Codec.jsonArray(Point), '[{"x":1},{"x"', "RecordCutOff", 2, 9),
    refuses("JSON array: cut off between elements", Codec.jsonArray(Point), '[{"x":1}', "RecordCutOff", 1, 1),
    refuses("JSON array: no element before a comma", Codec.jsonArray(Schema.Int), "[1,,2]", "InvalidSyntax", 2, 3),
    refuses("JSON array: no element at the end", Codec.jsonArray(Schema.Int), "[1,]", "InvalidSyntax", 2, 3),
    refuses("JSON array: something after it", Codec.jsonArray(Schema.Int), "[1]\n2", "InvalidSyntax", 2, 4),
    refuses("JSON array: the wrong bracket", Codec.jsonArray(Schema.Int), "[1}", "InvalidSyntax", 1, 2),
    refuses("CSV: empty input", Codec.csv(Point), "", "RecordCutOff", 0, 0),
    refuses("CSV: a column is missing", Codec.csv(Point), "y\n1\n", "InvalidSyntax", 0, 0),
    refuses("CSV: a column twice", Codec.csv(Point), "x,y,x\n", "InvalidSyntax", 0, 0),
    refuses("CSV: too few cells", Codec.csv(Point), "x,y\n1,2\n1\n", "InvalidSyntax", 2, 8),
    refuses("CSV: a quote in a cell", Codec.csv(Point), 'x,y\n1,2"3\n', "InvalidSyntax", 1, 4),
    refuses("CSV: something after a quote", Codec.csv(Point), 'x,y\n"1"2,3\n', "InvalidSyntax", 1, 4),
    refuses("CSV: a quote without an end", Codec.csv(Point), 'x,y\n1,"2\n', "RecordCutOff", 1, 4),
    refuses("CSV: the wrong type", Codec.csv(Point), "x,y\n1.5,\n", "SchemaMismatch", 1, 4),
    refuses("length-prefixed: cut off in the length", Codec.lengthPrefixed(Point), [0, 0, 0], "RecordCutOff", 1, 0),
    refuses(
      "length-prefixed: cut off in the record",
      Codec.lengthPrefixed(Schema.Int),
      [0, 0, 0, 1, 49, 0, 0, 0, 2, 50],
      "RecordCutOff",
      2,
      5
    ),
    refuses(
      "length-prefixed: no length",
      Codec.lengthPrefixed(Point, { prefix: "varint" }),
      Array(9).fill(0xff),
      "InvalidSyntax",
      1,
      0
    ),
    refuses(
      "length-prefixed: no UTF-8",
      Codec.lengthPrefixed(Schema.Json, { prefix: "uint8" }),
      [1, 0xff],
      "InvalidUtf8",
      1,
      0
    ),
    refuses("binary: bytes of another kind", Codec.binary(Point), [3, 1, 2, 3], "SchemaMismatch", 1, 0)
  ])("%s", ([, test]) => test)

  it.effect("says what, where and why", () =>
    Effect.gen(function* () {
      const { error } = yield* read(Codec.ndjson(Point), [bytesOf('{"x":1}\n{"x":"a\\nb"}\n')])
      expect(error?.message).toBe(
        'record 2 of the NDJSON, at byte 8: Expected number\n  at ["x"]\n"{\\"x\\":\\"a\\\\nb\\"}"'
      )
    })
  )

  it.effect("can be sent: the error and what is in it are encoded and decoded by their Schema", () =>
    Effect.gen(function* () {
      const { error } = yield* read(Codec.lines(), [bytesOf("too long")], { limit: 3 })
      const codec = Schema.toCodecJson(DecodeError)
      const back = Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeUnknownSync(codec)(error))))
      expect(plain(back)).toEqual(plain(error))
    })
  )
})

const decodeWith =
  <A>(codec: Codec.Codec<A>) =>
  (bytes: Stream.Stream<Uint8Array>) =>
    bytes.pipe(Codec.decode(codec, { maxRecordSize: "10 kB" }), Stream.runDrain)

describe("the bound on records", () => {
  const lines = Codec.lines()
  it.effect("holds for bytes, not characters, and without the line break", () =>
    Effect.gen(function* () {
      for (const chunks of [[bytesOf("äö\r\nab\n")], crumbs(bytesOf("äö\r\nab\n"))]) {
        expect((yield* read(lines, chunks, { limit: 4 })).values).toEqual(["äö", "ab"])
        const { error } = yield* read(lines, chunks, { limit: 3 })
        expect([error?.reason._tag, error?.record, error?.offset]).toEqual(["RecordTooLarge", 1, 0])
      }
    })
  )

  it.effect("ends a record without an end, and reads no more than that", () =>
    Effect.gen(function* () {
      let pulled = 0
      const endless = Stream.forever(
        Stream.sync(() => {
          pulled++
          // The bracket begins the array that JSON has to be.
          return new Uint8Array(1000).fill(pulled === 1 ? 91 : 120)
        })
      )
      const decoders = [
        decodeWith(lines),
        decodeWith(Codec.ndjson(Schema.String)),
        decodeWith(Codec.jsonArray(Schema.String)),
        decodeWith(Codec.csv(Schema.Array(Schema.String)))
      ]
      for (const decode of decoders) {
        pulled = 0
        const error = yield* Effect.flip(decode(endless))
        expect(error.reason._tag).toBe("RecordTooLarge")
        expect(pulled).toBe(11)
      }
    })
  )

  it.effect("lets the records after it be read", () =>
    Effect.gen(function* () {
      const input = bytesOf(`a\n${"b".repeat(100)}\nc\n`)
      for (const chunks of [[input], crumbs(input)]) {
        const { bad, values } = yield* read(lines, chunks, { limit: 10, collects: true })
        expect(values).toEqual(["a", "c"])
        expect(bad.map(({ bytes, error }) => [error.record, error.offset, bytes.length])).toEqual([[2, 2, 10]])
      }
    })
  )
})

const sinkOf = <A, E>(take: (each: BadRecord) => Effect.Effect<A, E>) => Sink.forEach(take)

describe("dead letters", () => {
  it.effect("are given what is bad before a stop, however the input is cut", () =>
    Effect.gen(function* () {
      const input = bytesOf('["abc",2}')
      for (const chunks of [[input], crumbs(input)]) {
        const { bad, error } = yield* read(Codec.jsonArray(Schema.Int), chunks, { collects: true })
        expect(bad.map(({ error }) => [error.reason._tag, error.record])).toEqual([["SchemaMismatch", 1]])
        expect([error?.reason._tag, error?.record, error?.offset]).toEqual(["InvalidSyntax", 2, 8])
      }
    })
  )

  const input = Stream.make(bytesOf("1\nx\n2\n"), bytesOf("y\n3\nz\n"))
  const numbers = Codec.ndjson(Schema.Int)

  it.effect("get each bad record with the reason, and the stream gets the others", () =>
    Effect.gen(function* () {
      const letters: Array<BadRecord> = []
      const keep = (each: BadRecord) => Effect.sync(() => void letters.push(each))
      const good = yield* input.pipe(Codec.decode(numbers, { deadLetters: sinkOf(keep) }), Stream.runCollect)
      expect(good).toEqual([1, 2, 3])
      expect(letters.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(["x", "y", "z"])
      expect(letters.map(({ error }) => [error.record, error.offset])).toEqual([
        [2, 2],
        [4, 6],
        [6, 10]
      ])
    })
  )

  it.effect("are taken by the time that the stream is done, however slow the sink is", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let taken = 0
      const slow = sinkOf((_) => Effect.andThen(Deferred.await(gate), () => Effect.sync(() => void taken++)))
      const fiber = yield* input.pipe(Codec.decode(numbers, { deadLetters: slow }), Stream.runDrain, Effect.forkChild)
      yield* Effect.yieldNow
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(fiber)
      expect(taken).toBe(3)
    })
  )

  it.effect("are taken too where the reader of the stream wants no more", () =>
    Effect.gen(function* () {
      let taken = 0
      const count = sinkOf((_) => Effect.sync(() => void taken++))
      yield* input.pipe(Codec.decode(numbers, { deadLetters: count }), Stream.take(1), Stream.runDrain)
      expect(taken).toBe(3)
    })
  )

  it.effect("make the stream fail where the sink does", () =>
    Effect.gen(function* () {
      const failing = sinkOf((_) => Effect.fail("full" as const))
      const error = yield* input.pipe(Codec.decode(numbers, { deadLetters: failing }), Stream.runDrain, Effect.flip)
      expect(error).toBe("full")
    })
  )

  it.effect("go nowhere when the sink is done, and the stream goes on", () =>
    Effect.gen(function* () {
      const first = Sink.take<BadRecord>(1)
      const good = yield* input.pipe(Codec.decode(numbers, { deadLetters: first }), Stream.runCollect)
      expect(good).toEqual([1, 2, 3])
    })
  )

  it.effect("are no help where nothing can be found after the bad record", () =>
    Effect.gen(function* () {
      const error = yield* Stream.make(bytesOf("[1] [2]")).pipe(
        Codec.decode(Codec.jsonArray(Schema.Int), { deadLetters: Sink.drain }),
        Stream.runDrain,
        Effect.flip
      )
      expect(error.reason._tag).toBe("InvalidSyntax")
    })
  )

  it.effect("do not hold up an interruption", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const stuck = sinkOf((_) => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
      const fiber = yield* input.pipe(Codec.decode(numbers, { deadLetters: stuck }), Stream.runDrain, Effect.forkChild)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(Exit.isFailure(yield* Fiber.await(fiber))).toBe(true)
    })
  )
})

class Rates extends Context.Service<Rates, { readonly rate: (name: string) => Effect.Effect<number> }>()(
  "test/Rates"
) {}

/** A Schema that asks a service, and takes its time. */
const Rate = Schema.String.pipe(
  Schema.decodeTo(Schema.Finite, {
    decode: SchemaGetter.transformEffect((name: string) =>
      Effect.gen(function* () {
        const { rate } = yield* Rates
        yield* Effect.yieldNow
        const found = yield* rate(name)
        return found > 0 ? found : yield* Effect.fail(new SchemaIssue.InvalidValue({ expected: "a known name" }, name))
      })
    ),
    encode: SchemaGetter.transformEffect((rate: number) => Effect.as(Effect.yieldNow, `rate ${rate}`))
  })
)

const rates = Effect.provideService(Rates, { rate: (name) => Effect.succeed(name === "none" ? 0 : name.length) })

describe("a Schema with services that is not synchronous", () => {
  const codec = Codec.ndjson(Rate)

  it.effect("decodes in order, up to the first bad record", () =>
    Effect.gen(function* () {
      const good: Array<number> = []
      const error = yield* Stream.make(bytesOf('"a"\n"bb"\n"none"\n"cc"\n')).pipe(
        Codec.decode(codec),
        Stream.runForEach((rate) => Effect.sync(() => void good.push(rate))),
        Effect.flip
      )
      expect(good).toEqual([1, 2])
      expect([error.reason._tag, error.record, error.offset]).toEqual(["SchemaMismatch", 3, 9])
    }).pipe(rates)
  )

  it.effect("leaves out bad records", () =>
    Effect.gen(function* () {
      const bad: Array<number> = []
      const good = yield* Stream.make(bytesOf('"none"\n"bb"\n3\n"none"\n"ccc"\n')).pipe(
        Codec.decode(codec, {
          deadLetters: sinkOf((each) => Effect.sync(() => void bad.push(each.error.record)))
        }),
        Stream.runCollect
      )
      expect(good).toEqual([2, 3])
      expect(bad).toEqual([1, 3, 4])
    }).pipe(rates)
  )

  it.effect("encodes", () =>
    Effect.gen(function* () {
      const text = yield* Stream.make(1, 2).pipe(Codec.encode(codec), Stream.decodeText, Stream.mkString)
      expect(text).toBe('"rate 1"\n"rate 2"\n')
    }).pipe(rates)
  )
})

describe("what is written", () => {
  it.effect("has a form that others read", () =>
    Effect.gen(function* () {
      const points = [{ x: 1, y: 0.5 }, { x: 2 }]
      const text = <A>(codec: Codec.Codec<A>, values: ReadonlyArray<A>) =>
        Effect.map(write(codec, values), (bytes) => Buffer.from(bytes).toString())
      expect(yield* text(Codec.ndjson(Point), points)).toBe('{"x":1,"y":0.5}\n{"x":2}\n')
      expect(JSON.parse(yield* text(Codec.jsonArray(Point), points))).toEqual(points)
      expect(JSON.parse(yield* text(Codec.jsonArray(Point), []))).toEqual([])
      expect(yield* text(Codec.csv(Point), points)).toBe("x,y\r\n1,0.5\r\n2,\r\n")
      expect(yield* text(Codec.csv(Point), [])).toBe("x,y\r\n")
      expect(yield* text(Codec.csv(Point, { delimiter: "\t", newline: "\n", header: false }), points)).toBe(
        "1\t0.5\n2\t\n"
      )
      expect(yield* text(Codec.lengthPrefixed(Point, { prefix: "uint16le" }), [{ x: 1 }])).toBe('\x07\0{"x":1}')
    })
  )

  const writes = <A>(codec: Codec.Codec<A>, values: ReadonlyArray<A>) =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const error = yield* Stream.fromArray(values).pipe(
        Codec.encode(codec),
        Stream.runForEach((bytes) => Effect.sync(() => void written.push(Buffer.from(bytes).toString()))),
        Effect.flip
      )
      return { error, written: written.join("") }
    })

  it.effect("ends before a record that has no form", () =>
    Effect.gen(function* () {
      const line = yield* writes(Codec.lines(), ["a", "b\nc", "d"])
      expect(line.error).toBeInstanceOf(EncodeError)
      expect([line.error.reason._tag, line.error.record, line.written]).toEqual(["Unrepresentable", 2, "a\n"])
      const half = yield* writes(Codec.lines(), ["\ud800"])
      expect(half.error.message).toBe("record 1 cannot be written as lines: it has half of a surrogate pair in it")
      const point = yield* writes(Codec.ndjson(Point), [{ x: 1 }, { x: 2.5 }])
      expect([point.error.reason._tag, point.error.record, point.written]).toEqual(["SchemaMismatch", 2, '{"x":1}\n'])
      const long = yield* writes(Codec.lengthPrefixed(Schema.String, { prefix: "uint8" }), ["a".repeat(300)])
      expect([long.error.reason._tag, long.error.record]).toEqual(["Unrepresentable", 1])
    })
  )
})

describe("a codec that cannot be", () => {
  it("is refused when it is made", () => {
    expect(() => Codec.csv(Schema.Struct({ a: Schema.Array(Schema.String) }))).toThrow(
      'the column "a" of a CSV has to encode to a string, not Arrays'
    )
    expect(() => Codec.csv(Schema.String)).toThrow("rows of a CSV are structs or tuples: String is neither")
    expect(() => Codec.csv(Point, { delimiter: "ab" })).toThrow("has to be one ASCII character")
  })
})
