/**
 * Where supervisors compete: a folder for what they need, whose path marks all that they start, and somebody who ends all of it, whatever
 * happens to this program.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sweep } from "./marker.ts"

export interface Arena {
  /** The marker: a prefix of every path in here. */
  readonly folder: string
  /** A new folder in it. */
  readonly subfolder: (name: string) => string
  /** Announces a step: if it takes more than so many seconds, everything is ended. None: nothing goes on. */
  readonly step: (seconds: number | "none") => void
}

export const withArena = async <A>(use: (arena: Arena) => Promise<A>): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "nursery-bench-"))
  // In a session of its own: what a terminal does to this program must not reach it.
  const sweeper = spawn(process.execPath, [join(import.meta.dirname, "sweeper.ts")], {
    stdio: ["pipe", "inherit", "inherit"],
    detached: true
  })
  const over = once(sweeper, "exit")
  sweeper.stdin.write(`${folder}\n`)
  let subfolders = 0
  try {
    return await use({
      folder,
      subfolder: (name) => {
        const path = join(folder, `${subfolders++}-${name}`)
        mkdirSync(path)
        return path
      },
      step: (seconds) => {
        sweeper.stdin.write(`${seconds}\n`)
      }
    })
  } finally {
    await sweep(folder)
    rmSync(folder, { recursive: true, force: true })
    sweeper.stdin.end()
    await over
  }
}
