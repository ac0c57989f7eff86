// Compiles every package that is published into its `dist`: JavaScript, declarations and source maps.
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

for (const name of readdirSync(join(root, "packages"))) {
  const folder = join(root, "packages", name)
  const project = join(folder, "tsconfig.build.json")
  if (!existsSync(project)) continue
  // What a renamed module left behind would be published too.
  rmSync(join(folder, "dist"), { recursive: true, force: true })
  const { error, status } = spawnSync(join(root, "node_modules/.bin/tsc"), ["--pretty", "--project", project], {
    stdio: "inherit"
  })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(1)
  console.log(`packages/${name}/dist`)
}
