/**
 * Second part: a whole program is killed, in the one way that no program can react to.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Cast from "./cast.ts"
import * as Proc from "./proc.ts"
import * as Proof from "./proof.ts"
import { heading, seconds, watch } from "./screen.ts"
import { draw, type Row } from "./tree.ts"

/** Until everything has to be gone: the grace period, and plenty for a slow machine. */
const limit = 5_000

/** Started by Node itself: a nursery of ours would end whatever the nursery of that program missed. */
const startOwner = (args: ReadonlyArray<string>, marker: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "owner.ts"), ...args], {
        env: { ...process.env, [Cast.variable]: marker },
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (owner) => Effect.sync(() => owner.kill("SIGKILL"))
  )

const isReady = (owner: ChildProcess): Effect.Effect<void, string> =>
  Effect.callback((resume) => {
    owner.once("error", (error) => resume(Effect.fail(`cannot start the second owner: ${error.message}`)))
    owner.once("exit", (code) => resume(Effect.fail(`the second owner ended by itself, with code ${code}`)))
    if (owner.stdout !== null) createInterface(owner.stdout).once("line", () => resume(Effect.void))
  })

const kill = (owner: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    owner.removeAllListeners("exit")
    owner.once("exit", () => resume(Effect.void))
    owner.kill("SIGKILL")
  })

/** Start times have the resolution of the kernel's clock for user programs, 100 ticks a second. */
const rows = (owner: number): ReadonlyArray<Row> => {
  const uptime = Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1000
  return Proc.below(owner).map(({ line, parent, pid, startTime }) => ({
    pid,
    parent,
    name: line,
    age: Math.max(0, uptime - startTime * 10)
  }))
}

export const ownerDies = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const mark = randomUUID()
    const owner = yield* startOwner(args, mark)
    yield* isReady(owner)
    const pid = owner.pid ?? 0

    yield* heading(`3. A second program, pid ${pid}, with the same processes and its helpers`)
    yield* watch(Effect.sync(() => draw(pid, rows(pid))))
    const { marker, seen } = yield* Proof.collect(`${Cast.variable}=${mark}`, [pid])
    // Reapers let nobody look at their environment, but at their place in the tree.
    const unmarked = Proc.below(pid).filter((entry) => seen.every((known) => known.pid !== entry.pid))
    const evidence = { marker, seen: [...seen, ...unmarked], victim: pid }

    yield* kill(owner)
    const took = yield* Proof.untilGone(evidence, limit)
    yield* heading(`4. The second program is killed by SIGKILL. ${seconds(took)} later`)
    return yield* Proof.nothingIsLeft(evidence)
  }).pipe(Effect.scoped)
