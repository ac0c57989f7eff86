/**
 * The packages as a user has them: as they are published, in a `node_modules`.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"

const bench = join(import.meta.dirname, "..", "..")
const packages = dirname(bench)
const compiler = join(dirname(packages), "node_modules", ".bin", "tsc")

export interface Installed {
  readonly folder: string
  /** A program of `contenders`, compiled: `start/nursery`. */
  readonly program: (name: string) => string
}

/** What `pnpm build` does, elsewhere than in the folder of the package. */
const bundle = (folder: string, to: string): void => {
  const script = pathToFileURL(join(dirname(packages), ".scripts", "bundle.mjs")).href
  const [from, output] = [folder, to].map((path) => JSON.stringify(path))
  const program = `import { bundle } from "${script}"\nawait bundle(${from}, ${output})`
  execFileSync(process.execPath, ["--input-type=module", "--eval", program], { stdio: "inherit" })
}

/** What publishing does to a manifest, as far as Node looks at it. */
const manifest = (name: string): string =>
  JSON.stringify({
    name: `@nursery/${name}`,
    type: "module",
    sideEffects: [],
    exports: { ".": "./dist/index.js", "./*": "./dist/*.js" }
  })

/** Into an empty folder. */
export const install = (folder: string): Installed => {
  const modules = join(folder, "node_modules")
  for (const name of ["keeper", "process", "supervisor"]) {
    const target = join(modules, "@nursery", name)
    mkdirSync(target, { recursive: true })
    bundle(join(packages, name), join(target, "dist"))
    writeFileSync(join(target, "package.json"), manifest(name))
  }
  cpSync(join(packages, "keeper", "bin"), join(modules, "@nursery", "keeper", "bin"), { recursive: true })
  mkdirSync(join(modules, "@effect"))
  for (const name of ["effect", "execa", "@effect/platform-node"]) {
    symlinkSync(realpathSync(join(bench, "node_modules", name)), join(modules, name))
  }
  // The programs are those of this package, without their types.
  const to = ["--noEmit", "false", "--rootDir", bench, "--outDir", join(folder, "bench")]
  const plain = ["--noCheck", "--declaration", "false", "--declarationMap", "false", "--sourceMap", "false"]
  execFileSync(compiler, ["--project", bench, ...to, ...plain], { stdio: "inherit" })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
  return {
    folder,
    program: (name) => join(folder, "bench", "src", "contenders", `${name}.js`)
  }
}
