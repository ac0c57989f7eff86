import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../../..")

const documents = [
  "README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((name) => join("docs", name))
].filter((name) => name.endsWith(".md"))

/** Without code, in which brackets mean something else. */
const textOf = (document: string): string =>
  readFileSync(join(root, document), "utf8")
    .replaceAll(/^```.*?^```$/gms, "")
    .replaceAll(/`[^`]*`/g, "code")

/** As the heading's anchor is made: lower case, hyphens for blanks, no other signs. */
const anchorsOf = (document: string): ReadonlyArray<string> =>
  Array.from(readFileSync(join(root, document), "utf8").matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    (heading ?? "")
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-")
  )

const linksOf = (document: string): ReadonlyArray<string> =>
  Array.from(textOf(document).matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target ?? "").filter(
    (target) => !/^[a-z]+:/.test(target)
  )

const isBroken = (document: string, link: string): boolean => {
  const [file = "", anchor] = link.split("#")
  const target = file === "" ? document : join(dirname(document), file)
  if (!existsSync(join(root, target))) return true
  return anchor !== undefined && !anchorsOf(target).includes(anchor)
}

it("sees links and anchors", () => {
  expect(linksOf("README.md")).toContain("docs/guarantees.md")
  expect(anchorsOf("README.md")).toContain("a-first-program")
  expect(isBroken("README.md", "#a-first-program")).toBe(false)
  expect(isBroken("README.md", "#nowhere")).toBe(true)
  expect(isBroken("README.md", "docs/nowhere.md")).toBe(true)
})

describe.each(documents)("%s", (document) => {
  it("has no link that leads nowhere", () => {
    expect(linksOf(document).filter((link) => isBroken(document, link))).toEqual([])
  })
})

it("lists every page in the README", () => {
  const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"))
  const listed = linksOf("README.md")
  expect(pages.filter((page) => !listed.includes(`docs/${page}`))).toEqual([])
})

it("lists every decision in the index", () => {
  const folder = join(root, "docs/decisions")
  const pages = readdirSync(folder).filter((name) => name.endsWith(".md") && name !== "README.md")
  const listed = linksOf("docs/decisions/README.md")
  expect(pages.filter((page) => !listed.includes(page))).toEqual([])
})
