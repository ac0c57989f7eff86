// Checks the whole workspace without running it: format and lint, then the types of sources and tests of every package.
// `--report file.json` leaves the names and results for those who count them.
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** @param {string} program @param {ReadonlyArray<string>} args */
const passes = (program, args) => {
  const { error, status } = spawnSync(join(root, "node_modules/.bin", program), args, { cwd: root, stdio: "inherit" })
  if (error !== undefined) throw error
  return status === 0
}

const projects = readdirSync(join(root, "packages"))
  .map((name) => join("packages", name))
  .concat(".scripts")
  .filter((folder) => existsSync(join(root, folder, "tsconfig.json")))

/** @type {ReadonlyArray<readonly [name: string, run: () => boolean]>} */
const checks = [
  ["format and lint", () => passes("biome", ["check", "--error-on-warnings", "."])],
  ...projects.map(
    (folder) => /** @type {const} */ ([`types of ${folder}`, () => passes("tsc", ["--pretty", "--project", folder])])
  )
]

const results = checks.map(([name, run]) => ({ name, passed: run() }))
for (const { name, passed } of results) console.log(`${passed ? "ok    " : "FAILED"} ${name}`)

const at = process.argv.indexOf("--report")
const report = process.argv[at + 1]
if (at !== -1 && report !== undefined) writeFileSync(report, JSON.stringify(results, null, 2))
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1
