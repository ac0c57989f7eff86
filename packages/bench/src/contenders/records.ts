/**
 * NDJSON from one process to another, read and written by a Schema: the same records and the same checks for everybody.
 */
import * as Schema from "effect/Schema"

export const Event = Schema.Struct({
  id: Schema.Int,
  kind: Schema.Literals(["view", "click", "order"]),
  user: Schema.Struct({ name: Schema.String, age: Schema.Number }),
  tags: Schema.Array(Schema.String),
  note: Schema.optionalKey(Schema.String)
})

const kinds = ["view", "click", "order"] as const

/** The records of the file that is read, by their numbers. */
export const eventOf = (id: number): typeof Event.Type => ({
  id,
  kind: kinds[id % 3] ?? "view",
  user: { name: `user ${id % 1000}`, age: (id * 7) % 90 },
  tags: [`t${id % 10}`, `t${id % 7}`],
  ...(id % 4 === 0 ? { note: "seen before, and seen again" } : {})
})

/** Set by the benchmark: the file with the records. */
export const file = process.argv[3] ?? ""

/** What `wc -lc` has counted. */
export const countsOf = (text: string): ReadonlyArray<number> => text.trim().split(/\s+/).map(Number)
