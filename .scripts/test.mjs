// Runs every test of the workspace with vitest; arguments go through to it: `npm test -- packages/process -t "double fork"`.
import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

// Most of a test file's start is the loading of the same modules, and so is that of the programs that tests run: compiled once, they
// are kept for all of them. Where the folder cannot be written to, all starts as slowly as ever.
const compiled = join(root, "node_modules", ".nursery-compiled", "tests")

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
  { cwd: root, stdio: "inherit", env: { NODE_COMPILE_CACHE: compiled, ...process.env } }
)
if (error !== undefined) throw error
if (signal !== null) process.kill(process.pid, signal)
process.exitCode = status ?? 1
