/**
 * Outlives a benchmark that is ended from outside, and ends what that has left: the supervisors of others let their services live.
 *
 * A program of its own in a session of its own. Its standard input brings lines: first the marker, then for each step of the benchmark how
 * many seconds that may take, or `none`. It sweeps at the end of its input, and when a step takes longer.
 */

import { rmSync } from "node:fs"
import { createInterface } from "node:readline"
import { sweep } from "./marker.ts"

let marker: string | undefined
let timer: NodeJS.Timeout | undefined

const finish = async () => {
  clearTimeout(timer)
  if (marker === undefined) return
  await sweep(marker)
  rmSync(marker, { recursive: true, force: true })
}

for await (const line of createInterface({ input: process.stdin })) {
  if (marker === undefined) marker = line
  else {
    clearTimeout(timer)
    if (line === "none") continue
    timer = setTimeout(() => {
      if (marker !== undefined) void sweep(marker)
    }, Number(line) * 1000)
  }
}
await finish()
