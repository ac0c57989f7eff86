import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const page = fileURLToPath(new URL("../../../docs/guarantees.md", import.meta.url))

/** Each test that the page names: a link to its file, and the titles that follow in quotes, up to the next link or cell. */
const named = [
  ...readFileSync(page, "utf8").matchAll(/\]\(\.\.\/(packages\/[^)]+\.test\.ts)\)((?:[,;]?\s+"[^"]+")*)/g)
].map(([, file = "", titles = ""]) => ({
  file,
  titles: [...titles.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title)
}))

describe("the page of guarantees", () => {
  it("names tests for its promises", () => {
    expect(named.length).toBeGreaterThan(20)
  })

  it.each(named)("names tests that are in $file", ({ file, titles }) => {
    const source = readFileSync(fileURLToPath(new URL(`../../../${file}`, import.meta.url)), "utf8")
    expect(titles.filter((title) => !source.includes(title))).toEqual([])
  })
})
