/** The sources under every compiler that there is, and under its critic. */
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { build } from "../build.mjs"
import { start } from "./suite.ts"
import * as Tools from "./tools.ts"

const packageFolder = join(import.meta.dirname, "..")

const needs = (program: string): Tools.Missing | undefined =>
  Tools.which(program) === undefined ? new Tools.Missing(`no ${program} here`) : undefined

describe("the keeper is built, and works, with", () => {
  for (const compiler of ["gcc", "clang", "musl-gcc"]) {
    const missing = needs(compiler)
    it.skipIf(missing !== undefined)(`${compiler}${Tools.because(missing)}`, { timeout: 120_000 }, async () => {
      const out = join(Tools.temporaryFolder(), compiler)
      const result = build({ out, env: { ...process.env, CC: compiler } })
      expect(result).toMatchObject({ _tag: "Built" })
      if (result._tag !== "Built") return
      const family = await start({ keeper: result.path })
      expect(await family.output(["echo", compiler])).toBe(`${compiler}\n`)
      expect(await family.close()).toMatchObject({ collected: [], left: [] })
    })
  }
})

describe("the sources", () => {
  // The clock of the machine cannot be stepped, nor the machine suspended, for a test: that the right clock is used has to do.
  it("take the time from the monotonic clock alone, which stands still in a suspended machine (trap 38)", () => {
    const sources = Tools.keeperSources().map((file) => readFileSync(file, "utf8"))
    const clocks = sources.flatMap((text) => text.match(/CLOCK_\w+|\bgettimeofday|\btime\(NULL/g) ?? [])
    expect(new Set(clocks)).toEqual(new Set(["CLOCK_MONOTONIC"]))
  })
})

describe("clang-tidy finds nothing", () => {
  const missing = needs("clang-tidy")
  // The analyzer follows every path, for most of a minute: part of the campaigns.
  const groups = Tools.campaign ? ["bugprone", "cert", "clang-analyzer"] : ["bugprone", "cert"]
  it.skipIf(missing !== undefined)(`of ${groups.join(", ")}${Tools.because(missing)}`, { timeout: 300_000 }, () => {
    const wanted = Tools.campaign ? [] : ["--checks=-clang-analyzer-*"]
    const args = [...wanted, "--quiet", ...Tools.keeperSources(), "--", "-std=c11"]
    const { status, stdout } = spawnSync("clang-tidy", args, { cwd: packageFolder, encoding: "utf8" })
    expect(stdout).toBe("")
    expect(status).toBe(0)
    const enabled = execFileSync("clang-tidy", [...wanted, "--list-checks", "--"], {
      cwd: packageFolder,
      encoding: "utf8"
    })
    for (const group of groups) expect(enabled).toContain(`\n    ${group}-`)
  })
})
