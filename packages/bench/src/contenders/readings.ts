/**
 * Records of 1 kB of JSON that workers are asked with.
 */
import * as Schema from "effect/Schema"

export const Reading = Schema.Struct({
  id: Schema.Int,
  station: Schema.Struct({ name: Schema.String, latitude: Schema.Finite, longitude: Schema.Finite }),
  kind: Schema.Literals(["hourly", "daily", "monthly"]),
  celsius: Schema.Array(Schema.Finite),
  flags: Schema.Array(Schema.String),
  remark: Schema.optionalKey(Schema.String),
  report: Schema.String
})

const kinds = ["hourly", "daily", "monthly"] as const
const report = "fair in the morning, clouds from the west at noon, light rain towards the evening; ".repeat(9)

const readingOf = (id: number): typeof Reading.Type => ({
  id,
  station: { name: `station ${id % 1000}`, latitude: (id % 1800) / 10 - 90, longitude: (id % 3600) / 10 - 180 },
  kind: kinds[id % 3] ?? "daily",
  celsius: Array.from({ length: 24 }, (_, hour) => ((id + hour * 7) % 400) / 10),
  flags: [`f${id % 10}`, `f${id % 7}`],
  ...(id % 4 === 0 ? { remark: "seen before, and seen again" } : {}),
  report
})

/** All that there are: they are asked again and again. */
export const readings: ReadonlyArray<typeof Reading.Type> = Array.from({ length: 1000 }, (_, id) => readingOf(id))
