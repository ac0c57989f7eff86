/**
 * Runs an example as a user does, and tells what came of it.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"

export interface Outcome {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

export const source = (name: string): string => join(import.meta.dirname, "../src", name)

const temporary = mkdtempSync(join(tmpdir(), "nursery-examples-"))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

/** Shared by all programs of one test file, or of all tests: most of their time is the reading of the same modules. */
const compileCache = process.env["NODE_COMPILE_CACHE"] ?? temporary

export const run = (
  name: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = {
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...env },
      timeout: 110_000,
      killSignal: "SIGKILL"
    } as const
    const child = execFile(process.execPath, [source(name), ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? null), stdout, stderr })
    )
    child.stdin?.end()
  })
