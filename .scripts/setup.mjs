// Installs the dependencies when the lock file changed since the last time, then builds the keeper when its sources did.
// With nothing to do it takes a few hundredths of a second, so every command of the workspace can begin with it.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, "node_modules", ".nursery-setup")

const read = (file) => {
  try {
    return readFileSync(file)
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined
    throw error
  }
}

const manifests = () => [
  "pnpm-lock.yaml",
  "pnpm-workspace.yaml",
  "package.json",
  ...readdirSync(join(root, "packages")).map((name) => join("packages", name, "package.json"))
]

const stamp = () => {
  // Optional native packages differ by platform: a checkout shared between machines is set up on each of them.
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\0`)
  for (const file of manifests())
    hash
      .update(`${file}\0`)
      .update(read(join(root, file)) ?? "")
      .update("\0")
  return hash.digest("hex")
}

const install = () => {
  console.error("nursery: installing dependencies")
  const { error, status } = spawnSync("pnpm", ["install", "--frozen-lockfile", "--reporter=append-only"], {
    cwd: root,
    // No terminal to ask at: CI makes pnpm replace a node_modules of another layout without a question.
    // Its progress goes to stderr, for stdout belongs to the command that follows.
    stdio: ["ignore", 2, 2],
    env: { ...process.env, CI: "true" }
  })
  if (error !== undefined) throw error
  if (status !== 0) {
    console.error("nursery: `pnpm install` failed, see above")
    process.exit(1)
  }
}

const wanted = stamp()
if (read(stampFile)?.toString() !== wanted) {
  install()
  writeFileSync(stampFile, wanted)
}

const { build } = await import("../packages/keeper/build.mjs")
await build()
