/**
 * docs/from-the-shell.md: its programs write what the lines of bash above their parts write.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { extract, Playground, root } from "../../process/test/docs.ts"

const page = "docs/from-the-shell.md"
const programs = extract(page, readFileSync(join(root, page), "utf8"))
const linesOf = (code: string): ReadonlyArray<string> =>
  Array.from(code.matchAll(/^\/\/ \$ (.*)$/gm), ([, line = ""]) => line)

const playground = new Playground(programs)
const folder = mkdtempSync(join(tmpdir(), "nursery-shell-"))
afterAll(() => {
  playground.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** Each line in a shell of its own, for it may set options, or leave. */
const byBash = (lines: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve) => {
    const script = lines.map((line) => `(\n${line}\n)\n`).join("")
    execFile("bash", ["-c", script], { cwd: folder, timeout: 100_000, killSignal: "SIGKILL" }, (_, stdout, stderr) =>
      resolve(`${stdout}${stderr}`)
    )
  })

it("has 30 lines or more, none of them twice", () => {
  const lines = programs.flatMap(({ code }) => linesOf(code))
  expect(lines.length).toBeGreaterThanOrEqual(30)
  expect(new Set(lines).size).toBe(lines.length)
})

it("says of each line what it is here, and runs all of them", () => {
  for (const { code } of programs) {
    const names = Array.from(
      code.matchAll(/^\/\/ \$ .*\n(?:.*\n)*?const program = Effect\.all\(\[(.*)\]\)$/gm),
      ([, all = ""]) => all
    )
    expect(names.join("").split(", ")).toHaveLength(linesOf(code).length)
  }
})

for (const program of programs) {
  const lines = linesOf(program.code)
  it(`${page}:${program.line} writes what bash does: ${lines.length} lines`, async () => {
    const [theirs, ours] = await Promise.all([byBash(lines), playground.run(program)])
    expect(ours).toEqual({ ok: true, output: theirs })
  })
}
