// Runs every test of the workspace with vitest; arguments go through to it: `npm test -- packages/process -t "double fork"`.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const { error, signal, status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "--config", "vitest.workspace.ts", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" }
)
if (error !== undefined) throw error
if (signal !== null) process.kill(process.pid, signal)
process.exitCode = status ?? 1
