// The JavaScript of a package as it is published: few files, for finding and reading each one takes Node longer than compiling it.
// There is one for each public module, which only exports, one with everything that they share, and those that few programs load.
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { rolldown } from "rolldown"

/** What is imported when it is used for the first time, for what it imports itself takes long. */
const notLoadedLater = /^(?!.*\/src\/internal\/rpc\/)/

/** @param {string} folder of the package @param {string} output */
export const bundle = async (folder, output) => {
  const sources = join(folder, "src")
  const modules = readdirSync(sources).filter((name) => name.endsWith(".ts"))
  const build = await rolldown({
    input: Object.fromEntries(modules.map((name) => [name.slice(0, -".ts".length), join(sources, name)])),
    // Whatever is not a file of this package is a dependency of it.
    external: (id) => !id.startsWith(".") && !id.startsWith("/"),
    platform: "node",
    preserveEntrySignatures: "strict"
  })
  await build.write({
    dir: output,
    format: "esm",
    sourcemap: true,
    entryFileNames: "[name].js",
    chunkFileNames: "internal/[name].js",
    // The only module of a package keeps its place: `@nursery/keeper` finds its binary from there.
    ...(modules.length > 1 ? { codeSplitting: { groups: [{ name: "shared", test: notLoadedLater }] } } : {})
  })
  await build.close()
}
