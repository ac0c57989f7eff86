import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { run, source } from "./run.ts"

/** What each example writes. */
const outputs: Readonly<Record<string, RegExp>> = {
  "dropInSpawner.ts": /^ +1 apple\n +2 pear\n/,
  "errorsByReason.ts":
    /^v\d+\.\d+\.\d+\nno-such-program is not installed\nfalse exited with code 1\n"sort --field-separator" exited with code 2\n/,
  "firstProgram.ts": /^started pid \d+; leaving the scope\nall gone\n$/,
  "serverInTest.ts": /^the server says hello\n$/,
  "streamLines.ts": /^request 7 took 9 ms\nrequest 17 took 9 ms\nrequest 27 took 9 ms\n$/,
  "timeLimit.ts": /^encoding\nclosing the file\ntook too long, and is gone\n$/
}

const root = join(import.meta.dirname, "../../..")

const documents = ["README.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))]
  .filter((name) => name.endsWith(".md"))
  .map((name) => readFileSync(join(root, name), "utf8"))

/** The program without the comment that says what the file is. */
const programOf = (name: string): string => readFileSync(source(name), "utf8").replace(/^\/\*\*.*?\*\/\n/s, "")

it("knows every example", () => {
  const examples = readdirSync(source("")).filter((name) => name.endsWith(".ts") && name !== "main.ts")
  expect(Object.keys(outputs)).toEqual(examples.sort())
})

describe.each(Object.entries(outputs))("%s", (name, output) => {
  it("does what it says, and leaves by itself", async () => {
    expect(await run(name)).toEqual({ code: 0, stdout: expect.stringMatching(output), stderr: "" })
  })

  it("is quoted by the documentation as it is", () => {
    const block = `\`\`\`ts\n${programOf(name)}\`\`\`\n`
    expect(documents.some((text) => text.includes(block))).toBe(true)
  })
})
