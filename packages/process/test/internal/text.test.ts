import { expect, it } from "vitest"
import { quoteCommand, showPath, tail } from "../../src/internal/text.ts"

it("shortens a very long command", () => {
  expect(quoteCommand("ls -l")).toBe('"ls -l"')
  expect(quoteCommand("x".repeat(10_000)).length).toBeLessThan(250)
})

it("shows a path as it is, and as a string where it would be misread", () => {
  expect(showPath("/usr/bin/ä")).toBe("/usr/bin/ä")
  expect(showPath("/a b")).toBe('"/a b"')
  expect(showPath("/a\u001b[31m")).toBe('"/a\\u001b[31m"')
  expect(showPath("")).toBe('""')
})

it("takes the last lines of an output, without what a terminal would obey", () => {
  expect(tail("one\ntwo\n\n")).toBe("one\ntwo")
  expect(tail("\u001b[1;31merror:\u001b[0m bad\u0007\r\n")).toBe("error: bad")
  expect(tail("")).toBe("")
  const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`)
  expect(tail(lines.join("\n"))).toBe(lines.slice(-10).join("\n"))
  expect(tail("y".repeat(8192)).length).toBe(200)
})
