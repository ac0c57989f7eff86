import { readdirSync, readFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { join, relative, sep } from "node:path"
import { describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../../..")

/** What the sources of each package may import from the others, and from outside. Arrows point one way only. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  keeper: [],
  process: ["effect", "@nursery/keeper"],
  supervisor: ["effect", "@nursery/process"],
  pipeline: ["effect", "@nursery/process", "@nursery/supervisor"],
  testing: ["effect", "@nursery/process"],
  cli: [
    "effect",
    "@effect/platform-node",
    "@nursery/keeper",
    "@nursery/process",
    "@nursery/supervisor",
    "@nursery/pipeline",
    "@nursery/testing"
  ]
}

/** Private packages show and measure the others, and may use anything that they declare. */
const privatePackages = ["bench", "examples"]

const topLevel = [
  "packages",
  "docs",
  "vitest.workspace.ts",
  "package.json",
  "pnpm-workspace.yaml",
  "pnpm-lock.yaml",
  "tsconfig.base.json",
  "README.md",
  "LICENSE"
]

interface Manifest {
  readonly private?: boolean
  readonly sideEffects?: ReadonlyArray<string>
  readonly exports?: Readonly<Record<string, unknown>>
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

// The one place that trusts the shape of a file: a manifest that lies fails the assertions below.
const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")) as Manifest

const sourcesOf = (name: string): ReadonlyArray<string> =>
  readdirSync(join(root, "packages", name, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.[cm]?ts$/.test(file))
    .map((file) => join(root, "packages", name, "src", file))

/** Statements at the start of a line and `import(...)` of a literal anywhere; an example in a doc comment begins with an asterisk. */
const importPattern =
  /^(?:import|export)\s(?:[^"'`;]*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|\brequire\(\s*["']([^"']+)["']\s*\)/gm

const importsOf = (source: string): ReadonlyArray<string> =>
  Array.from(
    source.matchAll(importPattern),
    ([, statement, dynamic, required]) => statement ?? dynamic ?? required ?? ""
  )

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

const isBuiltin = (specifier: string): boolean => specifier.startsWith("node:") || builtinModules.includes(specifier)

const violations = (name: string, allowedPackages: ReadonlyArray<string>): ReadonlyArray<string> =>
  sourcesOf(name).flatMap((file) =>
    importsOf(readFileSync(file, "utf8"))
      .filter((specifier) =>
        specifier.startsWith(".")
          ? !join(file, "..", specifier).startsWith(join(root, "packages", name, "src") + sep)
          : !isBuiltin(specifier) && !allowedPackages.includes(packageOf(specifier))
      )
      .map((specifier) => `${relative(root, file)} imports ${specifier}`)
  )

const packages = readdirSync(join(root, "packages"))
const published = packages.filter((name) => !privatePackages.includes(name))

it("sees every form of import", () => {
  const source = [
    'import * as Effect from "effect/Effect"',
    'import type { A } from "./A.ts"',
    'import "side-effect"',
    'export * as Command from "./Command.ts"',
    "import {\n  a,\n  b\n} from 'many'",
    'const late = await import("late")',
    'const old = require("old")',
    ' * import { inAnExample } from "example"',
    'export const notAnImport = "text"'
  ].join("\n")
  expect(importsOf(source)).toEqual(["effect/Effect", "./A.ts", "side-effect", "./Command.ts", "many", "late", "old"])
})

it("has a rule for every package", () => {
  expect(published.filter((name) => allowed[name] === undefined)).toEqual([])
})

describe.each(published)("@nursery/%s", (name) => {
  const manifest = manifestOf(name)

  it("imports only the packages below it", () => {
    expect(sourcesOf(name)).not.toEqual([])
    expect(violations(name, allowed[name] ?? [])).toEqual([])
  })

  it("declares only the packages below it, with effect as a peer", () => {
    const { effect, ...others } = manifest.peerDependencies ?? {}
    const declared = [...Object.keys(manifest.dependencies ?? {}), ...Object.keys(others)]
    expect(declared.filter((dependency) => !(allowed[name] ?? []).includes(dependency))).toEqual([])
    expect(manifest.dependencies?.["effect"]).toBeUndefined()
    expect(effect !== undefined).toBe((allowed[name] ?? []).includes("effect"))
  })

  it("exports sources here, compiled files when published, and nothing internal", () => {
    const compiled = manifest.publishConfig?.exports
    expect(manifest.sideEffects).toEqual([])
    expect(manifest.exports).toMatchObject({ ".": "./src/index.ts", "./internal/*": null })
    expect(compiled).toMatchObject({ ".": { default: "./dist/index.js" }, "./internal/*": null })
    expect(Object.keys(compiled ?? {})).toEqual(Object.keys(manifest.exports ?? {}))
  })
})

describe.each(privatePackages)("@nursery/%s", (name) => {
  it("is private and imports only what it declares", () => {
    const manifest = manifestOf(name)
    expect(manifest.private).toBe(true)
    expect(violations(name, Object.keys(manifest.dependencies ?? {}))).toEqual([])
  })
})

it("keeps the top level of the repository short", () => {
  const entries = readdirSync(root).filter((name) => !name.startsWith(".") && name !== "node_modules")
  expect(entries.filter((name) => !topLevel.includes(name))).toEqual([])
})
