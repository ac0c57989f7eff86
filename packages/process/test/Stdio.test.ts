import * as Equal from "effect/Equal"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Stdio from "../src/Stdio.ts"

const files = [Stdio.read("/a"), Stdio.append("/b"), Stdio.truncate("/c")]

it("is data that compares by what it says", () => {
  expect(Equal.equals(Stdio.append("/a"), Stdio.append("/a"))).toBe(true)
  expect(Equal.equals(Stdio.append("/a"), Stdio.append("/b"))).toBe(false)
  expect(Equal.equals(Stdio.append("/a"), Stdio.truncate("/a"))).toBe(false)
})

it("knows a file from what looks like one", () => {
  expect(files.map(Stdio.isFile)).toEqual([true, true, true])
  for (const value of [{ _tag: "Append", path: "/b" }, "/b", "pipe", null]) expect(Stdio.isFile(value)).toBe(false)
})

it("goes through JSON", () => {
  const codec = Schema.fromJsonString(Schema.Array(Stdio.File))
  const json = Schema.encodeSync(codec)(files)
  expect(JSON.parse(json)).toEqual([
    { _tag: "Read", path: "/a" },
    { _tag: "Append", path: "/b" },
    { _tag: "Truncate", path: "/c" }
  ])
  expect(Schema.decodeSync(codec)(json)).toEqual(files)
})
