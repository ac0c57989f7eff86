/**
 * The C programs of the benchmarks, compiled into a folder that is removed at the end.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const sources = join(import.meta.dirname, "..", "native")

export interface Native {
  readonly compiler: string
  readonly spawnLoop: string
  readonly namespaces: string
  readonly produce: string
  readonly answerer: string
  readonly bareLoops: string
  readonly sleeper: string
  readonly service: { readonly static: string; readonly dynamic: string }
  readonly remove: () => void
}

export const compile = (parent = tmpdir()): Native => {
  const folder = mkdtempSync(join(parent, "nursery-bench-"))
  const build = (name: string, options: ReadonlyArray<string>, suffix = ""): string => {
    const target = join(folder, `${name}${suffix}`)
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", ...options, "-o", target, join(sources, `${name}.c`)])
    return target
  }
  return {
    compiler: execFileSync("cc", ["--version"], { encoding: "utf8" }).split("\n")[0] ?? "cc",
    spawnLoop: build("spawn_loop", []),
    namespaces: build("namespaces", []),
    produce: build("produce", []),
    answerer: build("answerer", []),
    bareLoops: build("bare_loops", []),
    // A process without a dynamic loader: what is measured beside it should not drown in its own pages.
    sleeper: build("sleeper", ["-static"]),
    service: { static: build("service", ["-static"], "-static"), dynamic: build("service", [], "-dynamic") },
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
