/**
 * Runs an example as a user does, and tells what came of it.
 */
import { execFile } from "node:child_process"
import { join } from "node:path"

export interface Outcome {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

export const source = (name: string): string => join(import.meta.dirname, "../src", name)

export const run = (
  name: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 25_000, killSignal: "SIGKILL" } as const
    const child = execFile(process.execPath, [source(name), ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? null), stdout, stderr })
    )
    child.stdin?.end()
  })
