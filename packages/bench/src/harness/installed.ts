/**
 * The packages as a user has them: compiled to JavaScript in a `node_modules`, in a folder that is removed at the end.
 */
import { execFileSync } from "node:child_process"
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const bench = join(import.meta.dirname, "..", "..")
const packages = dirname(bench)
const compiler = join(dirname(packages), "node_modules", ".bin", "tsc")

export interface Installed {
  readonly folder: string
  /** A program of `contenders/start`, which are plain JavaScript whatever they are called. */
  readonly program: (name: string) => string
  readonly remove: () => void
}

/** What publishing does to a manifest, as far as Node looks at it. */
const manifest = (name: string): string =>
  JSON.stringify({
    name: `@nursery/${name}`,
    type: "module",
    sideEffects: [],
    exports: { ".": "./dist/index.js", "./*": "./dist/*.js" }
  })

export const install = (): Installed => {
  const folder = mkdtempSync(join(tmpdir(), "nursery-bench-installed-"))
  const modules = join(folder, "node_modules")
  for (const name of ["keeper", "process"]) {
    const target = join(modules, "@nursery", name)
    mkdirSync(target, { recursive: true })
    const project = join(packages, name, "tsconfig.build.json")
    const output = ["--outDir", join(target, "dist"), "--declaration", "false", "--declarationMap", "false"]
    execFileSync(compiler, ["--project", project, ...output, "--sourceMap", "false"])
    writeFileSync(join(target, "package.json"), manifest(name))
  }
  cpSync(join(packages, "keeper", "bin"), join(modules, "@nursery", "keeper", "bin"), { recursive: true })
  mkdirSync(join(modules, "@effect"))
  for (const name of ["effect", "execa", "@effect/platform-node"]) {
    symlinkSync(realpathSync(join(bench, "node_modules", name)), join(modules, name))
  }
  const programs = join(bench, "src", "contenders", "start")
  for (const file of readdirSync(programs))
    copyFileSync(join(programs, file), join(folder, file.replace(".ts", ".mjs")))
  return {
    folder,
    program: (name) => join(folder, `${name}.mjs`),
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
