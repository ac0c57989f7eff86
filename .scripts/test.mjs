// Runs every test of the workspace with vitest; arguments go through to it: `npm test -- packages/process -t "double fork"`.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

// The native loader leaves no compiled copy of the configuration, so that a checkout of somebody else's can be tested.
const { error, signal, status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--config",
    "vitest.workspace.ts",
    "--configLoader",
    "native",
    ...process.argv.slice(2)
  ],
  { cwd: root, stdio: "inherit" }
)
if (error !== undefined) throw error
if (signal !== null) process.kill(process.pid, signal)
process.exitCode = status ?? 1
