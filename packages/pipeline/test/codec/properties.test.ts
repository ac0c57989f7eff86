/**
 * What holds for all codecs, all records and all ways to cut their bytes into chunks.
 */
import { describe, expect, it } from "@effect/vitest"
import { Codec } from "@nursery/pipeline"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { crumbs, cut, plain, read, write } from "./support/reading.ts"

const isCampaign = process.env["NURSERY_CAMPAIGN"] !== undefined
const numRuns = isCampaign ? 10_000 : 40

const Entry = Schema.Struct({
  id: Schema.Int,
  share: Schema.Number,
  name: Schema.String,
  note: Schema.optionalKey(Schema.NonEmptyString),
  at: Schema.Date,
  isNew: Schema.Boolean
})

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r", "\\", "[", "]", "{", "}", " ", "a", "\ufeff", "ä", "😀") })
)

const entry: fc.Arbitrary<typeof Entry.Type> = fc.record(
  {
    id: fc.integer(),
    // JSON has no zero below zero.
    share: fc.double().map((share) => (share === 0 ? 0 : share)),
    name: text,
    note: text.filter((note) => note !== ""),
    at: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2200-01-01") }),
    isNew: fc.boolean()
  },
  { requiredKeys: ["id", "share", "name", "at", "isNew"], noNullPrototype: true }
)

const line = text.filter((each) => !each.includes("\n") && !each.endsWith("\r"))

const codecs = {
  ndjson: Codec.ndjson(Entry),
  jsonArray: Codec.jsonArray(Entry),
  csv: Codec.csv(Entry),
  "csv without a header": Codec.csv(Entry, { header: false, delimiter: ";", newline: "\n" }),
  "lengthPrefixed, uint32be": Codec.lengthPrefixed(Entry),
  "lengthPrefixed, uint16le": Codec.lengthPrefixed(Entry, { prefix: "uint16le" }),
  "lengthPrefixed, varint": Codec.lengthPrefixed(Entry, { prefix: "varint" }),
  binary: Codec.binary(Entry)
}

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

const check = <Ts extends [unknown, ...Array<unknown>]>(
  property: fc.IAsyncProperty<Ts>,
  runs = numRuns
): Effect.Effect<void> => Effect.promise(() => fc.assert(property, { numRuns: runs }))

const isMarked = (lines: ReadonlyArray<string>) => lines[0]?.startsWith("\ufeff") === true

describe("what is written is read again, however it is cut", () => {
  it.effect.each(Object.entries(codecs))("%s", ([, codec]) =>
    check(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), places, async (entries, at) => {
        const bytes = await Effect.runPromise(write(codec, entries))
        for (const chunks of [cut(bytes, at), crumbs(bytes)]) {
          const { error, values } = await Effect.runPromise(read(codec, chunks))
          expect(plain(error)).toBeUndefined()
          expect(values).toEqual(entries)
        }
      })
    )
  )

  it.effect("lines", () =>
    check(
      fc.asyncProperty(fc.array(line), places, async (lines, at) => {
        fc.pre(!isMarked(lines))
        for (const newline of ["\n", "\r\n"] as const) {
          const codec = Codec.lines(Schema.String, { newline })
          const bytes = await Effect.runPromise(write(codec, lines))
          const { values } = await Effect.runPromise(read(codec, cut(bytes, at)))
          expect(values).toEqual(lines)
        }
      })
    )
  )

  it.effect("text and bytes after their length", () =>
    check(
      fc.asyncProperty(fc.array(fc.uint8Array()), fc.array(text), places, async (blobs, texts, at) => {
        const binary = Codec.lengthPrefixed(Schema.Uint8Array, { payload: "bytes" })
        const first = await Effect.runPromise(read(binary, cut(await Effect.runPromise(write(binary, blobs)), at)))
        expect(first.values).toEqual(blobs)
        const plainText = Codec.lengthPrefixed(Schema.String, { payload: "text", prefix: "varint" })
        const bytes = await Effect.runPromise(write(plainText, texts))
        expect((await Effect.runPromise(read(plainText, cut(bytes, at)))).values).toEqual(texts)
      })
    )
  )
})

/** Bytes that are nearly right. */
const damage = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    drop: fc.nat(4),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc
        .constantFrom(...['"', "\n", "\r\n", ",", "[", "]", "{", "}", "\\", "\ufeff", "é"])
        .map((each) => Buffer.from(each))
    )
  }),
  { maxLength: 4 }
)

type Damage = typeof damage extends fc.Arbitrary<infer D> ? D : never

const damaged = (bytes: Uint8Array, by: Damage): Uint8Array =>
  by.reduce((before, { at, drop, put }) => {
    const index = Math.floor(at * before.length)
    return new Uint8Array(Buffer.concat([before.subarray(0, index), put, before.subarray(index + drop)]))
  }, bytes)

const reader =
  <A>(codec: Codec.Codec<A>) =>
  (chunks: ReadonlyArray<Uint8Array>, options: { readonly collects: boolean; readonly limit: number }) =>
    Effect.runPromise(read(codec, chunks, options))

/** What is written by the first is read by the second. */
const pairs = {
  ...Object.fromEntries(
    Object.entries(codecs).map(([name, codec]) => [name, { source: codec, target: reader(codec) }])
  ),
  lines: { source: codecs.ndjson, target: reader(Codec.lines()) },
  "lines of numbers": { source: codecs.ndjson, target: reader(Codec.lines(Schema.NumberFromString)) }
}

describe("damaged bytes are read alike, however they are cut", () => {
  it.effect.each(Object.entries(pairs))("%s", ([name, { source, target }]) =>
    check(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 6 }),
        damage,
        places,
        fc.constantFrom(20, 120, 1 << 20),
        async (entries, by, at, limit) => {
          const bytes = damaged(await Effect.runPromise(write(source, entries)), by)
          for (const collects of [true, false]) {
            const whole = await target([bytes], { collects, limit })
            for (const chunks of [cut(bytes, at), crumbs(bytes)]) {
              const pieces = await target(chunks, { collects, limit })
              expect(pieces.values).toEqual(whole.values)
              expect(pieces.bad.map(({ error }) => plain(error))).toEqual(whole.bad.map(({ error }) => plain(error)))
              expect(pieces.bad.map((bad) => bad.bytes)).toEqual(whole.bad.map((bad) => bad.bytes))
              expect(plain(pieces.error)).toEqual(plain(whole.error))
            }
            // Each record is counted once.
            const last = Math.max(0, ...whole.bad.map(({ error }) => error.record))
            if (collects && whole.error === undefined) {
              expect(new Set(whole.bad.map(({ error }) => error.record)).size).toBe(whole.bad.length)
              expect(last).toBeLessThanOrEqual(whole.values.length + whole.bad.length)
            }
            if (!name.startsWith("lengthPrefixed") && name !== "binary") {
              for (const bad of whole.bad) {
                const there = bytes.subarray(bad.error.offset, bad.error.offset + bad.bytes.length)
                expect(Buffer.from(there).equals(bad.bytes)).toBe(true)
              }
            }
          }
        }
      )
    )
  )
})

describe("an element of a JSON array that is too large, and closes what it has not opened", () => {
  it.effect("is told alike, however it is cut", () =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode('[1, "no end of it": 22222222222222222222}, 3]')
      const codec = Codec.jsonArray(Schema.Json)
      for (const collects of [true, false]) {
        const [whole, pieces] = yield* Effect.forEach([[bytes], crumbs(bytes)], (chunks) =>
          read(codec, chunks, { collects, limit: 20 })
        )
        expect(plain(pieces?.error)).toEqual(plain(whole?.error))
        expect(whole?.error).toMatchObject({
          record: 2,
          reason: { _tag: collects ? "InvalidSyntax" : "RecordTooLarge" }
        })
      }
    })
  )
})

describe("NDJSON is what reading line by line gives", () => {
  it.effect("for any text", () =>
    check(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.json(), text, fc.constant(""), fc.constant("{}")), { maxLength: 10 }),
        places,
        async (lines, at) => {
          const input = lines.join("\n")
          fc.pre(!input.startsWith("\ufeff"))
          const naive = input
            .split("\n")
            // What comes last is no line, and a carriage return there no part of a line break.
            .map((each, index, { length }) => (index < length - 1 ? each.replace(/\r$/, "") : each))
            .filter((each) => each !== "")
            .map((each) => {
              try {
                return { good: JSON.parse(each) }
              } catch {
                return "bad"
              }
            })
          const result = await Effect.runPromise(
            read(Codec.ndjson(Schema.Json), cut(new TextEncoder().encode(input), at), { collects: true })
          )
          expect(result.values).toEqual(naive.flatMap((each) => (each === "bad" ? [] : [each.good])))
          expect(result.bad.map(({ error }) => error.record)).toEqual(
            naive.flatMap((each, index) => (each === "bad" ? [index + 1] : []))
          )
        }
      )
    )
  )
})
