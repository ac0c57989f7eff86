import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { build } from "../build.mjs"

let folder: string
let tools: string

const hello = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n'

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nursery-build-"))
  tools = join(folder, "tools")
  mkdirSync(join(folder, "src"))
  mkdirSync(tools)
  writeFileSync(join(folder, "src/main.c"), hello)
})
afterEach(() => rmSync(folder, { recursive: true }))

const make = (env: NodeJS.ProcessEnv = process.env) =>
  build({ sources: join(folder, "src"), out: join(folder, "bin"), env })

const output = (path: string) => spawnSync(path, { encoding: "utf8" }).stdout

/** A compiler of this name for PATH, which notes that it was called. */
const tool = (name: string, script: string) => {
  const path = join(tools, name)
  writeFileSync(path, `#!/bin/sh\necho "$*" >> ${join(folder, name)}.calls\n${script}\n`)
  chmodSync(path, 0o755)
}

const works = 'while [ "$1" != -o ]; do shift || exit 0; done; echo "#!/bin/sh" > "$2"'
const onlyTools = () => ({ PATH: tools })

it("builds a program that runs and that everybody may read", () => {
  const result = make()
  expect(result).toMatchObject({ _tag: "Built", path: join(folder, `bin/nursery-keeper-linux-${process.arch}`) })
  if (result._tag !== "Built") return
  expect(output(result.path)).toBe("hello\n")
  expect(statSync(result.path).mode & 0o777).toBe(0o755)
})

it("makes it readable whatever the umask", () => {
  const script = `process.umask(0o077); const { build } = await import(${JSON.stringify(join(import.meta.dirname, "../build.mjs"))})
    console.log(build(${JSON.stringify({ sources: join(folder, "src"), out: join(folder, "bin") })}).path)`
  const path = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }).stdout.trim()
  expect(statSync(path).mode & 0o777).toBe(0o755)
  expect(statSync(join(folder, "bin")).mode & 0o777).toBe(0o755)
})

it("leaves nothing but the binary and its stamp", () => {
  make()
  const name = `nursery-keeper-linux-${process.arch}`
  expect(readdirSync(join(folder, "bin")).sort()).toEqual([name, `${name}.stamp`])
})

describe("up to date", () => {
  it("does nothing the second time", () => {
    make()
    expect(make()._tag).toBe("UpToDate")
  })

  it("builds again when a source, a header or the compiler changed, or the binary is gone", () => {
    const first = make()
    writeFileSync(join(folder, "src/main.c"), hello.replace("hello", "hallo"))
    const second = make()
    expect(second._tag).toBe("Built")
    writeFileSync(join(folder, "src/main.h"), "")
    expect(make()._tag).toBe("Built")
    expect(make({ ...process.env, CC: "cc -DOTHER" })._tag).toBe("Built")
    if (first._tag !== "Built") return expect.unreachable()
    rmSync(first.path)
    expect(make()._tag).toBe("Built")
    expect(output(first.path)).toBe("hallo\n")
  })

  it("needs no compiler as long as the sources are the same", () => {
    make()
    expect(make(onlyTools())._tag).toBe("UpToDate")
    writeFileSync(join(folder, "src/main.c"), `${hello}\n`)
    expect(make(onlyTools())).toMatchObject({ _tag: "Failed", reason: "noCompiler" })
  })
})

describe("compilers", () => {
  it("prefers musl-gcc to cc, and cc to clang", () => {
    tool("clang", works)
    expect(make(onlyTools())).toMatchObject({ compiler: join(tools, "clang") })
    tool("cc", works)
    expect(make(onlyTools())).toMatchObject({ compiler: join(tools, "cc") })
    tool("musl-gcc", works)
    expect(make(onlyTools())).toMatchObject({ compiler: join(tools, "musl-gcc") })
  })

  it("takes the one that CC names, with its arguments, and no other", () => {
    tool("musl-gcc", works)
    tool("mycc", works)
    expect(make({ ...onlyTools(), CC: "mycc -DX=1" })).toMatchObject({ compiler: `${join(tools, "mycc")} -DX=1` })
    writeFileSync(join(folder, "src/main.c"), `${hello}\n`)
    expect(make({ ...onlyTools(), CC: "gone" })).toMatchObject({
      reason: "noCompiler",
      message: expect.stringContaining("looked for gone")
    })
  })

  it("passes over one that cannot build for the next one", () => {
    tool("musl-gcc", "echo no kernel headers >&2; exit 1")
    tool("cc", works)
    expect(make(onlyTools())).toMatchObject({ _tag: "Built", compiler: join(tools, "cc") })
  })

  it("links dynamically where the static libc is missing", () => {
    tool("cc", `case "$*" in *-static*) echo "ld: cannot find -lc" >&2; exit 1;; esac; ${works}`)
    expect(make(onlyTools())).toMatchObject({ _tag: "Built", linkage: "dynamic" })
  })

  it("says by name what to install when there is none", () => {
    expect(make(onlyTools())).toMatchObject({
      reason: "noCompiler",
      message: expect.stringMatching(/musl-gcc, cc, clang.*apt install musl-tools.*apt install gcc/)
    })
  })
})

describe("failures leave nothing behind", () => {
  it("shows what each compiler said about a source that does not compile", () => {
    writeFileSync(join(folder, "src/main.c"), "int main(void) { return nothing; }\n")
    const result = make()
    expect(result).toMatchObject({ reason: "compile", message: expect.stringContaining("nothing") })
    expect(readdirSync(join(folder, "bin"))).toEqual([])
  })

  it("takes warnings for errors", () => {
    writeFileSync(join(folder, "src/main.c"), "int main(void) { int unused; return 0; }\n")
    expect(make()).toMatchObject({ reason: "compile", message: expect.stringContaining("unused") })
  })

  it("keeps the last good binary", () => {
    const first = make()
    writeFileSync(join(folder, "src/main.c"), "int main(void) {")
    expect(make()._tag).toBe("Failed")
    if (first._tag !== "Built") return expect.unreachable()
    expect(output(first.path)).toBe("hello\n")
  })

  it("says so when there are no sources or no place to write to", () => {
    writeFileSync(join(folder, "bin"), "")
    expect(make()).toMatchObject({ reason: "write", message: expect.stringContaining(join(folder, "bin")) })
    rmSync(join(folder, "src/main.c"))
    expect(make()).toMatchObject({ reason: "noSources" })
  })
})
