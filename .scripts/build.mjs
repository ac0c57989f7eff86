// Makes the `dist` of every package that is published: JavaScript, declarations and source maps.
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundle } from "./bundle.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

for (const name of readdirSync(join(root, "packages"))) {
  const folder = join(root, "packages", name)
  const project = join(folder, "tsconfig.build.json")
  if (!existsSync(project)) continue
  const output = join(folder, "dist")
  // What a renamed module left behind would be published too.
  rmSync(output, { recursive: true, force: true })
  const types = ["--pretty", "--project", project, "--emitDeclarationOnly"]
  const { error, status } = spawnSync(join(root, "node_modules/.bin/tsc"), types, { stdio: "inherit" })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(1)
  await bundle(folder, output)
  console.log(`packages/${name}/dist`)
}
