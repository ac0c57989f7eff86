/** Schemas of all kinds that JSON is read with, and for each of them values that are right, nearly right and quite wrong. */
import * as Schema from "effect/Schema"
import * as fc from "fast-check"

export interface Sample {
  /** Builds it anew each time, so that nothing is remembered of one that was built before. */
  readonly make: () => Schema.Constraint
  readonly values: fc.Arbitrary<unknown>
}

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[undefined, null, true, "", "NaN", "Infinity", "-Infinity", "1", "a", 0, -0, 1.5, 1e300, 2 ** 53],
    ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 10n, Symbol.iterator],
    ...[new Date(0), new Map([[1, 2]]), () => 1, [], {}, [undefined], Object.create(null), Object.create({ a: 1 })]
  ),
  fc.constant(null).map(() => Object.assign(new Array<unknown>(3), { 1: 1 })),
  fc.constant(null).map(() => ({ a: 1, toJSON: () => "b" })),
  fc.constant(null).map(() => ({
    get a() {
      return 1
    }
  })),
  fc.jsonValue()
)

const nearly = (values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 15, arbitrary: values }, { weight: 1, arbitrary: odd })

const leaf = (make: () => Schema.Constraint, values: fc.Arbitrary<unknown>): Sample => ({ make, values })

const numbers = fc.oneof(fc.integer(), fc.double(), fc.constantFrom<unknown>("NaN", "-Infinity", "2", Number.NaN, -0))

const leaves = [
  leaf(() => Schema.String, fc.string()),
  leaf(() => Schema.NonEmptyString, fc.string()),
  leaf(() => Schema.Number, numbers),
  leaf(() => Schema.Number.check(Schema.isGreaterThan(0)), numbers),
  leaf(() => Schema.Number.annotate({ title: "a number" }), numbers),
  leaf(() => Schema.Int, fc.integer()),
  leaf(() => Schema.Int.check(Schema.isLessThan(10)), fc.integer()),
  leaf(() => Schema.Finite, fc.double()),
  leaf(() => Schema.Boolean, fc.boolean()),
  leaf(() => Schema.Null, fc.constant(null)),
  leaf(() => Schema.Undefined, fc.constantFrom(null, undefined)),
  leaf(() => Schema.Void, fc.constantFrom(null, undefined)),
  leaf(() => Schema.Any, odd),
  leaf(() => Schema.Unknown, odd),
  leaf(() => Schema.Literal("a"), fc.constant("a")),
  leaf(() => Schema.Literals(["NaN", "b", 0]), fc.constantFrom("NaN", "b", 0, -0)),
  leaf(() => Schema.Enum({ one: 1, two: "2" }), fc.constantFrom(1, "2")),
  leaf(() => Schema.TemplateLiteral(["v", Schema.Number]), fc.constantFrom("v1", "v", "vNaN")),
  leaf(() => Schema.Date, fc.constantFrom<unknown>(new Date(0), "1970-01-01T00:00:00.000Z")),
  leaf(() => Schema.BigInt, fc.constantFrom<unknown>(1n, "1")),
  leaf(() => Schema.NumberFromString, fc.constantFrom<unknown>(1, "1"))
]

const keys = ["a", "b", "1", "__proto__", "toString", "kind"]

const field = {
  required: (schema: Schema.Constraint) => schema,
  optionalKey: (schema: Schema.Constraint) => Schema.optionalKey(schema),
  optional: (schema: Schema.Constraint) => Schema.optional(schema),
  nullable: (schema: Schema.Constraint) => Schema.NullOr(schema),
  mutable: (schema: Schema.Constraint) => Schema.mutableKey(schema)
}

type Field = keyof typeof field

const fieldValues = (kind: Field, { values }: Sample): fc.Arbitrary<unknown> => {
  const other = kind === "nullable" ? fc.constant(null) : fc.constantFrom(null, undefined)
  return nearly(kind === "required" ? values : fc.oneof({ weight: 4, arbitrary: values }, other))
}

// `Object.fromEntries` makes a property of `__proto__`, as `JSON.parse` does.
const objectOf = (entries: ReadonlyArray<readonly [string, fc.Arbitrary<unknown>]>): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      fc.tuple(...entries.map(([key, values]) => fc.tuple(fc.constant(key), values))),
      fc.array(fc.tuple(fc.constantFrom(...keys, "more"), odd), { maxLength: 1 }),
      fc.nat(20),
      fc.boolean()
    )
    .map(([own, more, without, isTurned]) => {
      const all = [...own.filter((_, index) => index !== without), ...more]
      return Object.fromEntries(isTurned ? all.reverse() : all)
    })

const structOf = (members: ReadonlyArray<readonly [string, Field, Sample]>) => ({
  fields: () => Object.fromEntries(members.map(([key, kind, { make }]) => [key, field[kind](make())])),
  entries: members.map(([key, kind, sample]) => [key, fieldValues(kind, sample)] as const)
})

const isSmall = Schema.makeFilter((value: object) => Object.keys(value).length < 3)
const isLow = Schema.makeFilter((values: ReadonlyArray<unknown>) => values[0] !== 0)

const members = (samples: fc.Arbitrary<Sample>, kinds: ReadonlyArray<Field>) =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...keys), fc.constantFrom(...kinds), samples), {
    maxLength: 4,
    selector: ([key]) => key
  })

const allFields: ReadonlyArray<Field> = ["required", "required", "optionalKey", "optional", "nullable", "mutable"]

const { sample } = fc.letrec<{ sample: Sample }>((tie) => {
  const inner = tie("sample")
  return {
    sample: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 5, arbitrary: fc.constantFrom(...leaves) },
      {
        weight: 6,
        arbitrary: fc.tuple(members(inner, allFields), fc.boolean()).map(([fields, isChecked]): Sample => {
          const struct = structOf(fields)
          return {
            make: () => {
              const schema = Schema.Struct(struct.fields())
              return isChecked ? schema.check(isSmall) : schema
            },
            values: objectOf(struct.entries)
          }
        })
      },
      {
        weight: 2,
        arbitrary: fc.tuple(inner, fc.boolean()).map(
          ([{ make, values }, isChecked]): Sample => ({
            make: () => (isChecked ? Schema.Array(make()).check(isLow) : Schema.Array(make())),
            values: fc.array(nearly(values), { maxLength: 3 })
          })
        )
      },
      {
        weight: 2,
        arbitrary: fc.array(inner, { minLength: 1, maxLength: 3 }).map(
          (elements): Sample => ({
            make: () => Schema.Tuple(elements.map(({ make }) => make())),
            values: fc.tuple(...elements.map(({ values }) => nearly(values)))
          })
        )
      },
      {
        weight: 4,
        arbitrary: fc.tuple(fc.array(inner, { minLength: 2, maxLength: 4 }), fc.constantFrom("anyOf", "oneOf")).map(
          ([types, mode]): Sample => ({
            make: () =>
              Schema.Union(
                types.map(({ make }) => make()),
                { mode }
              ),
            values: fc.oneof(...types.map(({ values }) => values))
          })
        )
      },
      {
        weight: 1,
        arbitrary: inner.map(
          ({ make, values }): Sample => ({
            make: () => Schema.Record(Schema.String, make()),
            values: objectOf(["a", "__proto__"].map((key) => [key, nearly(values)] as const))
          })
        )
      },
      {
        weight: 1,
        arbitrary: fc.tuple(members(inner, ["required"]), inner).map(([fields, { make, values }]): Sample => {
          const struct = structOf(fields)
          return {
            make: () => Schema.StructWithRest(Schema.Struct(struct.fields()), [Schema.Record(Schema.String, make())]),
            values: objectOf([...struct.entries, ["more", nearly(values)]])
          }
        })
      }
    )
  }
})

/** A Schema and some values for it. */
export const samples: fc.Arbitrary<readonly [Sample["make"], ReadonlyArray<unknown>]> = sample.chain(
  ({ make, values }) => fc.tuple(fc.constant(make), fc.array(nearly(values), { minLength: 4, maxLength: 8 }))
)
