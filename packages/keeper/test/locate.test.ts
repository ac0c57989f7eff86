import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type LocateOptions, locate } from "../src/index.ts"

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nursery-locate-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A package folder with nothing but what the test puts there, on a machine with nothing but what the test says. */
const look = (options: LocateOptions = {}) =>
  locate({ platform: "linux", arch: "x64", env: {}, packageFolder: folder, ...options })

const place = (path: string, mode = 0o755): string => {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, "#!/bin/sh\n")
  chmodSync(file, mode)
  return file
}

const placePackage = (name: string): string => {
  place(`node_modules/@nursery/${name}/package.json`, 0o644)
  writeFileSync(
    join(folder, "node_modules/@nursery", name, "package.json"),
    JSON.stringify({ name: `@nursery/${name}` })
  )
  return place(`node_modules/@nursery/${name}/bin/nursery-${name}`)
}

it("finds the keeper that the workspace built", () => {
  const path = place("bin/nursery-keeper-linux-x64")
  expect(look()).toEqual({ _tag: "KeeperBinary", path, source: "workspace" })
})

it("prefers an installed package to the workspace, and NURSERY_KEEPER to both", () => {
  place("bin/nursery-keeper-linux-x64")
  const packaged = placePackage("keeper-linux-x64")
  expect(look()).toEqual({ _tag: "KeeperBinary", path: packaged, source: "package" })
  const named = place("elsewhere/keeper")
  expect(look({ env: { NURSERY_KEEPER: named } })).toEqual({ _tag: "KeeperBinary", path: named, source: "environment" })
})

it("takes the binary of its own architecture only", () => {
  place("bin/nursery-keeper-linux-x64")
  placePackage("keeper-linux-x64")
  expect(look({ arch: "arm64" })).toMatchObject({ _tag: "KeeperMissing", reason: "notFound" })
  const path = placePackage("keeper-linux-arm64")
  expect(look({ arch: "arm64" })).toMatchObject({ _tag: "KeeperBinary", path })
})

it("reads NURSERY_KEEPER as a path against the working directory, and an empty one as none", () => {
  expect(look({ env: { NURSERY_KEEPER: "nowhere/keeper" } })).toMatchObject({
    reason: "notFound",
    message: expect.stringContaining(resolve("nowhere/keeper"))
  })
  const path = place("bin/nursery-keeper-linux-x64")
  expect(look({ env: { NURSERY_KEEPER: "" } })).toMatchObject({ path, source: "workspace" })
})

it("does not fall back from a NURSERY_KEEPER that is not there", () => {
  place("bin/nursery-keeper-linux-x64")
  expect(look({ env: { NURSERY_KEEPER: join(folder, "gone") } })).toMatchObject({
    _tag: "KeeperMissing",
    reason: "notFound",
    message: expect.stringContaining("NURSERY_KEEPER")
  })
})

it("says so when the file may not be executed", () => {
  const path = place("bin/nursery-keeper-linux-x64", 0o644)
  expect(look()).toMatchObject({
    _tag: "KeeperMissing",
    reason: "notExecutable",
    message: expect.stringContaining(`chmod 755 ${path}`)
  })
})

it("says so when the name is a directory", () => {
  mkdirSync(join(folder, "bin/nursery-keeper-linux-x64"), { recursive: true })
  expect(look()).toMatchObject({ _tag: "KeeperMissing", reason: "notExecutable" })
})

it("names the command and the Debian packages when only the sources are there", () => {
  copyFileSync(join(import.meta.dirname, "../build.mjs"), join(folder, "build.mjs"))
  expect(look()).toMatchObject({
    _tag: "KeeperMissing",
    reason: "notBuilt",
    message: expect.stringMatching(/node .*build\.mjs.*musl-tools.*gcc/)
  })
})

it("names the package to install when there is nothing at all", () => {
  expect(look({ arch: "arm64" })).toMatchObject({
    _tag: "KeeperMissing",
    reason: "notFound",
    message: expect.stringContaining("@nursery/keeper-linux-arm64")
  })
})

it.each([
  ["darwin", "arm64"],
  ["win32", "x64"],
  ["linux", "riscv64"]
])("is for Linux on x64 and arm64, not for %s on %s", (platform, arch) => {
  place("bin/nursery-keeper-linux-x64")
  expect(look({ platform, arch, env: { NURSERY_KEEPER: "/bin/true" } })).toMatchObject({
    _tag: "KeeperMissing",
    reason: "platform",
    message: expect.stringContaining(`${platform} on ${arch}`)
  })
})
