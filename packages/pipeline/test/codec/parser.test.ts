/**
 * The fast way to read and write values of JSON gives what Effect's own gives, values and errors alike.
 */
import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as fc from "fast-check"
import { jsonParserOf } from "../../src/internal/codec/parser.ts"
import { plainOf } from "../../src/internal/codec/plain.ts"
import { samples } from "./support/schemas.ts"

const isCampaign = process.env["NURSERY_CAMPAIGN"] !== undefined

const describeIssue = SchemaIssue.makeFormatterDefault()

/** Everything that can be seen of a value: order of keys, prototypes, holes, zeros below zero. */
const shown = (value: unknown): string => inspect(value, { depth: null, getters: true })

const outcome = (run: () => Effect.Effect<unknown, unknown, unknown>): string => {
  const effect: Effect.Effect<unknown, unknown, unknown> = Effect.suspend(run)
  const exit = Effect.runSyncExit(effect as Effect.Effect<unknown, unknown>)
  if (Exit.isSuccess(exit)) return shown(exit.value)
  return exit.cause.reasons
    .map((reason) =>
      reason._tag === "Fail" && SchemaIssue.isIssue(reason.error)
        ? describeIssue(reason.error)
        : String(Cause.squash(exit.cause))
    )
    .join("\n")
}

const parseOptions: ReadonlyArray<SchemaAST.ParseOptions | undefined> = [
  undefined,
  undefined,
  { errors: "all" },
  { onExcessProperty: "error" },
  { disableChecks: true }
]

/** What comes of a value both ways, here and in Effect. */
const bothWays = (make: () => Schema.Constraint, options?: SchemaAST.ParseOptions) => {
  const schema = make()
  const json = Schema.toCodecJson(make())
  const decode = SchemaParser.decodeUnknownEffect(json, options)
  const encode = SchemaParser.encodeUnknownEffect(json, options)
  return (value: unknown) => {
    // One that has refused a value does not try the next.
    const ours = jsonParserOf(schema, options)
    return {
      ours: [outcome(() => ours.decode(value)), outcome(() => ours.encode(value))],
      effects: [outcome(() => decode(value)), outcome(() => encode(value))]
    }
  }
}

const isSmall = Schema.makeFilter((value: object) => Object.keys(value).length < 2)
const small = () => Schema.Struct({ a: Schema.Number, b: Schema.optionalKey(Schema.String) }).check(isSmall)
const isEven = Schema.makeFilter((value: number) => value.toFixed().length > 0 && value % 2 === 0)

/** Where the two are most likely to part. */
const traps: Readonly<Record<string, readonly [() => Schema.Constraint, ReadonlyArray<unknown>]>> = {
  "a number": [() => Schema.Number, [Number.NaN, Number.POSITIVE_INFINITY, "NaN", "Infinity", "1", -0, undefined]],
  "an integer": [() => Schema.Int, [2 ** 53, 1.5, -0, Number.NaN, "1"]],
  "a finite number": [() => Schema.Finite, [1e300, Number.NEGATIVE_INFINITY, "Infinity"]],
  "a number or a text": [() => Schema.Union([Schema.Number, Schema.String]), ["NaN", "-Infinity", "a", Number.NaN, 1]],
  "a text or a number": [() => Schema.Union([Schema.String, Schema.Number]), ["NaN", "a", Number.NaN, 1]],
  "either of them": [() => Schema.Union([Schema.Number, Schema.String], { mode: "oneOf" }), ["NaN", "a", 1]],
  "an even number or a text": [() => Schema.Union([Schema.Number.check(isEven), Schema.String]), ["NaN", "a", 1, 2]],
  "structs of numbers and of texts": [
    () => Schema.Union([Schema.Struct({ a: Schema.Number }), Schema.Struct({ a: Schema.String })]),
    [{ a: "NaN" }, { a: "b" }, { a: Number.NaN }, { a: 1 }, {}]
  ],
  "a number or null": [() => Schema.NullOr(Schema.Number), [null, undefined, "NaN", Number.NaN, 1]],
  "undefined or null": [() => Schema.Union([Schema.Undefined, Schema.Null]), [null, undefined]],
  "undefined or anything": [() => Schema.Union([Schema.Undefined, Schema.Any]), [null, undefined, 1]],
  "anything or undefined": [() => Schema.Union([Schema.Any, Schema.Undefined]), [null, undefined, 1]],
  "an optional field": [
    () => Schema.Struct({ a: Schema.optional(Schema.Number) }),
    [{}, { a: null }, { a: undefined }, { a: 1 }, { a: "NaN" }]
  ],
  "excess keys": [
    small,
    [
      { a: 1, c: 2 },
      { a: 1, b: "" },
      { c: 1, a: 1 }
    ]
  ],
  "excess keys, the other way round": [() => Schema.flip(small()), [{ a: 1, c: 2 }, { a: 1, b: "" }, { a: "NaN" }]],
  "a key that is no ordinary one": [
    () => Schema.Record(Schema.String, Schema.Number),
    [JSON.parse('{"__proto__":1,"toString":2}'), JSON.parse('{"__proto__":"NaN"}')]
  ],
  "an array with holes": [() => Schema.Array(Schema.UndefinedOr(Schema.Number)), [new Array(2), [1, null, undefined]]]
}

describe("a parser of JSON gives what Effect gives", () => {
  it.each(Object.entries(traps))("for %s", (_, [make, values]) => {
    for (const options of [undefined, { errors: "all" }, { disableChecks: true }] as const) {
      const parse = bothWays(make, options)
      for (const value of values) {
        const { effects, ours } = parse(value)
        expect(ours).toEqual(effects)
      }
    }
  })

  it("for any Schema and any value", () => {
    fc.assert(
      fc.property(samples, fc.constantFrom(...parseOptions), ([make, values], options) => {
        const parse = bothWays(make, options)
        for (const value of values) {
          const { effects, ours } = parse(value)
          expect(ours).toEqual(effects)
        }
      }),
      { numRuns: isCampaign ? 10_000 : 300 }
    )
  })
})

describe("a parser of JSON, when it is given many values,", () => {
  it("gives the same whether it tries the fast way or not", () => {
    const values = Array.from({ length: 200 }, (_, index) => (index % 90 < 60 ? "NaN" : index))
    const { decode, encode } = jsonParserOf(Schema.Number, undefined)
    const expected = values.map((value) => (value === "NaN" ? Number.NaN : value))
    expect(values.map(decode)).toEqual(expected.map(Exit.succeed))
    expect(expected.map(encode)).toEqual(values.map(Exit.succeed))
  })
})

describe("what is plain of a Schema", () => {
  const take = (make: () => Schema.Constraint) => {
    const ast = plainOf(Schema.toCodecJson(make()).ast)
    return ast === undefined ? undefined : SchemaParser.decodeUnknownEffect(Schema.make(ast))
  }

  it.each([
    ["an array of records", () => Schema.Array(small()), [{ a: 1.5 }, { a: -0 }]],
    ["a number", () => Schema.Number, 1.5],
    ["a number or null", () => Schema.NullOr(Schema.Number), null],
    ["an optional field that is not there", () => Schema.Struct({ a: Schema.optional(Schema.Number) }), {}],
    ["an optional field that is there", () => Schema.Struct({ a: Schema.optional(Schema.Number) }), { a: 1 }]
  ])("takes %s", (_, make, value) => {
    expect(take(make)?.(value)).toEqual(Exit.succeed(value))
  })

  it("is nothing where something is always transformed", () => {
    expect(take(() => Schema.Struct({ at: Schema.Date }))).toBeUndefined()
    expect(take(() => Schema.Array(Schema.BigInt))).toBeUndefined()
  })
})
