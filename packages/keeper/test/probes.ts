/** What tests of ends share: probes that have begun, and how they end. */
import { expect } from "vitest"
import type { Family, Spawned } from "./driver.ts"
import * as F from "./frames.ts"

export const output: ReadonlyArray<F.Fd> = [{ target: 1, kind: F.Kind.pipeOut }]

/** Only an end that does not come would wait for these. */
export const never = { grace: 25_000, linger: 25_000 }

/** A probe that has said `ready`, and the end of its output: then nobody is left who holds it. */
export const ready = async (family: Family, words: ReadonlyArray<string>, spawn: Partial<F.Spawn> = {}) => {
  const child = family.probe(words, { fds: output, ...spawn })
  const started = await child.started()
  const lines = family.lines(started)
  await lines.find("ready")
  return { child, started, lines }
}

/** One that has left everything that it was started with, and ignores what can be ignored. */
export const daemon = ["fork", "{", "setsid", "fork", "{", "ignore", "pid", "daemon", "pause", "}", "}", "wait"]

export const endedBy = async (child: Spawned, signal: number): Promise<void> => {
  expect((await child.exited()).status & 0x7f).toBe(signal)
  await child.ended()
}
