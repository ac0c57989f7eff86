// Installs the dependencies when the lock file changed since the last time, then builds the keeper when its sources did.
// With nothing to do it takes a few hundredths of a second, so every command of the workspace can begin with it.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "../packages/keeper/build.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stampFile = join(root, "node_modules", ".nursery-setup")

/** @param {string} message @returns {never} */
const fail = (message) => {
  console.error(`nursery: ${message}`)
  process.exit(1)
}

const manifests = [
  "pnpm-lock.yaml",
  "pnpm-workspace.yaml",
  "package.json",
  ...readdirSync(join(root, "packages")).map((name) => join("packages", name, "package.json"))
].filter((file) => existsSync(join(root, file)))

const stamp = () => {
  // Optional native packages differ by platform: a checkout shared between machines is set up on each of them.
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`)
  for (const file of manifests) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest("hex")
}

const install = () => {
  console.error("nursery: installing dependencies")
  const { error, status } = spawnSync("pnpm", ["install", "--frozen-lockfile", "--reporter=append-only"], {
    cwd: root,
    // Progress goes to stderr, for stdout belongs to the command that follows.
    stdio: ["ignore", 2, 2],
    // There may be no terminal to ask at: CI makes pnpm replace a node_modules of another layout without a question.
    env: { ...process.env, CI: "true" }
  })
  if (error !== undefined) fail(`cannot run pnpm: ${error.message}`)
  if (status !== 0) fail("`pnpm install` failed, see above")
}

const wanted = stamp()
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== wanted) {
  install()
  writeFileSync(stampFile, wanted)
}

const keeper = build()
switch (keeper._tag) {
  case "Built":
    console.error(`nursery: built the keeper with ${keeper.compiler} (${keeper.linkage})`)
    break
  case "Failed":
    // On other platforms there is no keeper to build, and the portable layer does without.
    if (keeper.reason !== "platform") fail(keeper.message)
}
