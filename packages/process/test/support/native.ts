/** The two native programs of these tests, compiled once in each test file's process. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

let folder: string | undefined

/** A folder for this process, which other users can enter. */
export const temporary = (): string => {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "nursery-test-"))
    chmodSync(made, 0o755)
    folder = made
  }
  return folder
}

const compiled = new Map<string, string>()

export const removeTemporary = (): void => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  // The process may be that of other test files, too.
  folder = undefined
  compiled.clear()
}

const compile = (name: string): string => {
  const known = compiled.get(name)
  if (known !== undefined) return known
  const binary = join(temporary(), name)
  execFileSync("cc", ["-std=c11", "-O1", "-o", binary, join(import.meta.dirname, `${name}.c`)])
  compiled.set(name, binary)
  return binary
}

/** Does what its arguments say: see `actor.c`. A program that a test has started is told where it is. */
export const actor = (): string => process.env["NURSERY_ACTOR"] ?? compile("actor")

/** Reports what a program leaves behind: see `init.c`. */
export const init = (): string => compile("init")
