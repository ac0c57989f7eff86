import { spawnSync } from "node:child_process"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { allExamples, type Example, extract, type Outcome, Playground } from "./docs.ts"

const block = (info: string, ...code: ReadonlyArray<string>) => [`\`\`\`${info}`, ...code, "```"]

const example = (line: number, code: string, marks: Partial<Example> = {}): Example => ({
  file: "Test.md",
  line,
  code,
  run: true,
  check: true,
  needs: [],
  ...marks
})

describe("extraction", () => {
  it("takes the ts blocks of Markdown and no others", () => {
    const text = ["# Title", ...block("ts", "one()", "", "two()"), ...block("sh", "npm test"), ...block("", "plain")]
    expect(extract("Test.md", text.join("\n"))).toEqual([example(2, "one()\n\ntwo()")])
  })

  it("takes the margin of a block in a list away", () => {
    const text = ["- item", ...block("ts", "if (x) {", "  y()", "}").map((line) => `  ${line}`)]
    expect(extract("Test.md", text.join("\n"))).toEqual([example(2, "if (x) {\n  y()\n}")])
  })

  it("reads the marks", () => {
    const text = [...block("ts no-run", "a"), ...block("ts no-check", "b"), ...block("ts needs-zsh", "c")]
    expect(extract("Test.md", text.join("\n"))).toEqual([
      example(1, "a", { run: false }),
      example(4, "b", { run: false, check: false }),
      example(7, "c", { needs: ["zsh"] })
    ])
    expect(() => extract("Test.md", block("ts norun", "a").join("\n"))).toThrow('Test.md:1: unknown mark "norun"')
  })

  it("refuses a block without an end", () => {
    expect(() => extract("Test.md", "\n```ts\na()")).toThrow("Test.md:2")
  })

  it("takes the blocks of doc comments, not of the code", () => {
    const text = [
      "/**",
      " * Text.",
      " *",
      ...block("ts", "a()", "", "  b()").map((line) => ` * ${line}`.trimEnd()),
      " */"
    ]
    const code = ["const text = `", ...block("ts", "no()"), "`"]
    expect(extract("Test.ts", [...text, ...code].join("\n"))).toEqual([
      { file: "Test.ts", line: 4, code: "a()\n\n  b()", run: true, check: true, needs: [] }
    ])
  })
})

describe("playground", () => {
  it("tells a wrong example from a right one, and where it is wrong", async () => {
    const right = example(
      7,
      'import * as Effect from "effect/Effect"\nconsole.log(Effect.runSync(Effect.succeed("fine")))'
    )
    const wrong = example(20, "const a = 1\nconst b: string = a\n")
    const failing = example(30, 'console.log("so far")\nprocess.exitCode = 3')
    const playground = new Playground([right, wrong, failing])
    try {
      const errors = await playground.check()
      expect([...errors.keys()]).toEqual([wrong])
      expect(errors.get(wrong)).toContain("Test.md(22,7): error TS2322")
      expect(await playground.run(right)).toEqual({ ok: true, output: "fine\n" })
      expect(await playground.run(failing)).toEqual({ ok: false, output: "so far\n" })
      const outcomes = await playground.runAll([right, failing])
      expect([outcomes.get(right)?.ok, outcomes.get(failing)?.ok]).toEqual([true, false])
      expect((await playground.runAll([right])).get(right)?.ok).toBe(true)
    } finally {
      playground.remove()
    }
  })
})

const examples = allExamples().filter(({ check }) => check)

const isMissing = (program: string): boolean => spawnSync(program, ["--version"]).status !== 0
const missing = Array.from(new Set(examples.flatMap(({ needs }) => needs))).filter(isMissing)
/** What it needs and is not there. */
const lackOf = ({ needs }: Example): ReadonlyArray<string> => needs.filter((program) => missing.includes(program))
const runs = (example: Example): boolean => example.run && lackOf(example).length === 0

describe.runIf(examples.length > 0)("examples of the documentation", () => {
  let playground: Playground
  let errors: ReadonlyMap<Example, string>
  let outcomes: ReadonlyMap<Example, Outcome>

  beforeAll(async () => {
    playground = new Playground(examples)
    errors = await playground.check()
    outcomes = await playground.runAll(examples.filter((each) => runs(each) && !errors.has(each)))
  }, 600_000)
  afterAll(() => playground.remove())

  for (const each of examples) {
    const place = `${each.file}:${each.line}`
    it(`${place} ${runs(each) ? "compiles and runs" : "compiles"}`, () => {
      expect(errors.get(each)).toBeUndefined()
      if (!runs(each)) return
      const outcome = outcomes.get(each)
      expect(outcome?.ok, outcome?.output).toBe(true)
    })
    if (each.run && !runs(each)) it.skip(`${place} runs (needs ${lackOf(each).join(", ")})`, () => {})
  }
})
