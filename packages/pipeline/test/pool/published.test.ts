/** The package as it is published: its worker sides are where it says that they are. */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, describe, expect, it } from "vitest"

const source = join(import.meta.dirname, "../..")
const target = mkdtempSync(join(tmpdir(), "nursery-published-"))

const run = (program: string): string =>
  execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" })

describe("the published package", () => {
  afterAll(() => rmSync(target, { recursive: true, force: true }))

  it("has the sides of workers", () => {
    const manifest: { readonly files: ReadonlyArray<string> } = JSON.parse(
      readFileSync(join(source, "package.json"), "utf8")
    )
    const bundler = pathToFileURL(join(source, "../../.scripts/bundle.mjs")).href
    const paths = [source, join(target, "dist")].map((path) => JSON.stringify(path))
    run(`import { bundle } from "${bundler}"\nawait bundle(${paths.join(", ")})`)
    for (const file of manifest.files.filter((name) => name !== "dist")) {
      cpSync(join(source, file), join(target, file), { recursive: true })
    }
    symlinkSync(join(source, "node_modules"), join(target, "node_modules"))
    const worker = pathToFileURL(join(target, "dist/Worker.js")).href
    const told = run(
      `import { pythonPath, shellLibrary } from "${worker}"\nconsole.log(pythonPath + "\\n" + shellLibrary)`
    )
    const [pythonPath = "", shellLibrary = ""] = told.split("\n")
    const sideOf = (name: string) => readFileSync(join(source, "workers", name), "utf8")
    expect(readFileSync(join(pythonPath, "nursery_worker.py"), "utf8")).toBe(sideOf("nursery_worker.py"))
    expect(readFileSync(shellLibrary, "utf8")).toBe(sideOf("nursery_worker.sh"))
    expect([pythonPath, shellLibrary].every((path) => path.startsWith(target))).toBe(true)
    // Effect's modules for rpc are loaded by those who use them.
    expect(readFileSync(join(target, "dist/internal/shared.js"), "utf8")).not.toMatch(/^import .* from "effect\/rpc/m)
    expect(run(`import { rpc } from "${worker}"\nconsole.log(typeof rpc)`)).toContain("function")
  })
})
