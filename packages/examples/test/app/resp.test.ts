import { describe, expect, it } from "vitest"
import { encode, makeDecoder, type Reply } from "../../src/app/resp.ts"

const values: ReadonlyArray<readonly [wire: string, value: Reply]> = [
  ["$5\r\nh\u00e9ll\r\n", "h\u00e9ll"],
  [":-7\r\n", -7],
  ["$-1\r\n", null],
  ["*2\r\n$3\r\nGET\r\n$1\r\na\r\n", ["GET", "a"]],
  ["*0\r\n", []],
  ["-ERR unknown command\r\n", new Error("unknown command")]
]

describe.each(values)("%j", (wire, value) => {
  it("is written as Redis does", () => {
    expect(encode(value)).toBe(wire)
  })

  it("is read wherever it is cut", () => {
    const bytes = Buffer.from(wire)
    for (let at = 0; at <= bytes.length; at++) {
      const decode = makeDecoder()
      const read = [...decode(bytes.subarray(0, at)), ...decode(bytes.subarray(at))]
      expect(read).toEqual([value instanceof Error ? new Error(`ERR ${value.message}`) : value])
    }
  })
})

it("reads several that come at once", () => {
  expect(makeDecoder()(Buffer.from("+OK\r\n:1\r\n$1\r\nx"))).toEqual(["OK", 1])
})
