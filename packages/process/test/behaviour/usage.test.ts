/** What a process uses while it runs, and all that it has started with it. */
import { spawnSync } from "node:child_process"
import { chmodSync, copyFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Process from "../../src/Process.ts"
import { actor, temporary } from "../support/native.ts"
import * as Owner from "../support/owner.ts"
import * as Stage from "../support/stage.ts"
import { onEveryWay, sh } from "./setup.ts"

const cpuOf = ({ systemTime, userTime }: Pick<Process.TreeUsage, "systemTime" | "userTime">): number =>
  Duration.toMillis(systemTime) + Duration.toMillis(userTime)

onEveryWay("the usage of a tree", (it, way) => {
  it.effect("is that of all that descends from the process, orphans too", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const words = "fork { say up sleep } fork { setsid fork { say up sleep } exit 0 } say up sleep"
      const process = yield* Process.spawn(stage.play(words))
      yield* stage.hears("up", "up", "up")
      const all = way.lacks.has("orphansInDescendants") ? 2 : 3
      // The one between may not have gone yet.
      const usage = yield* Effect.repeat(process.treeUsage, { until: ({ processes }) => processes === all })
      expect(usage).toMatchObject({ source: "proc", processes: all, threads: all, hidden: 0 })
      // A page or more of each.
      expect(usage.memory).toBeGreaterThanOrEqual(BigInt(all) * 4096n)
      expect(usage.memory).toBeLessThan(BigInt(all) * 50_000_000n)
    })
  )

  it.effect("has the processor time of a child that the process has not waited for yet, and of one that it has", () =>
    Effect.gen(function* () {
      const busy = "while :; do :; done"
      const process = yield* Process.spawn(sh(`(${busy}) & wait`))
      const shown = Effect.all([process.treeUsage, process.usage])
      // However slow the machine is: some time it gets.
      const [tree, own] = yield* Effect.repeat(shown, { until: ([tree]) => cpuOf(tree) >= 50 })
      expect(tree.processes).toBe(2)
      expect(cpuOf(own)).toBeLessThan(cpuOf(tree))
      const waited = yield* Process.spawn(
        sh(`i=0; (while [ $i -lt 100000 ]; do i=$((i+1)); done); echo; sleep 1000`).pipe(Command.stdout("pipe"))
      )
      yield* Stream.runHead(waited.stdout)
      expect(cpuOf(yield* waited.usage)).toBeGreaterThan(0)
      expect(cpuOf(yield* waited.treeUsage)).toBeGreaterThan(0)
    })
  )

  it.effect("has the memory that is resident now", () =>
    Effect.gen(function* () {
      const command = Command.make("sh", [
        "-c",
        "x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo; read line; unset x"
      ])
      const process = yield* Process.spawn(command.pipe(Command.stdin("pipe"), Command.stdout("pipe")))
      yield* Stream.runHead(process.stdout)
      const { memory } = yield* process.treeUsage
      expect(memory).toBeGreaterThan(20_000_000n)
    })
  )

  it.effect("is what the process has used, and no memory, once it has exited", () =>
    Effect.gen(function* () {
      const process = yield* Process.spawn(sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"))
      const { usage } = yield* process.exit
      const tree = yield* process.treeUsage
      expect(tree).toMatchObject({ source: "exit", processes: 0, threads: 0, memory: 0n, hidden: 0 })
      expect(cpuOf(tree)).toBe(cpuOf(usage))
    })
  )
})

/** An actor that may become root, or why there is none. */
const privilegedActor = (): { readonly path: string } | { readonly problem: string } => {
  if (!Owner.isPrivileged) return { problem: "it needs root" }
  const problem = Owner.ordinaryProblem()
  if (problem !== undefined) return { problem }
  const path = join(temporary(), "privileged-actor")
  copyFileSync(actor(), path)
  chmodSync(path, 0o4755)
  const { status } = spawnSync(path, ["become", "exit", "0"], { uid: 65534, gid: 65534 })
  return status === 0 ? { path } : { problem: "no program can become root here" }
}

/** What an ordinary user sees of a process that has become root, with `/proc` mounted so. */
const asOrdinary = (mount: string, path: string): ReadonlyArray<string> => {
  const script = `${mount} && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`
  const program = join(import.meta.dirname, "../support/programs/usage.ts")
  const args = ["--mount", "--propagation", "private", "sh", "-c", script, "sh", Owner.nodeForOrdinary(), program, path]
  const { error, status, stderr, stdout } = spawnSync("unshare", args, { encoding: "utf8", cwd: "/" })
  if (status !== 0) throw error ?? new Error(stderr)
  return stdout.trimEnd().split("\n")
}

const hiding = "mount -t proc -o hidepid=invisible proc /proc"
const canHide =
  Owner.isPrivileged && spawnSync("unshare", ["--mount", "--propagation", "private", "sh", "-c", hiding]).status === 0

describe("a process that has become another user", () => {
  const found = privilegedActor()
  const missing = "problem" in found ? ` (${found.problem})` : ""

  it.skipIf("problem" in found)(`shows its times, and of its bytes says that they are hidden${missing}`, () => {
    if ("problem" in found) return
    expect(asOrdinary("true", found.path)).toEqual(["shown, and blocks 0", "proc: 1, hidden 1", "exit: 0, memory 0"])
  })

  it.skipIf("problem" in found || !canHide)(
    `is UsageHidden where /proc is mounted with hidepid, until it has ended${missing || (canHide ? "" : " (no /proc can be mounted here)")}`,
    () => {
      if ("problem" in found) return
      const [own, tree, end] = asOrdinary(hiding, found.path)
      expect(own).toMatch(
        /^cannot tell what process \d+ uses while it runs: \/proc\/\d+ is hidden from this program .*hidepid/
      )
      expect(tree).toBe(own)
      expect(end).toBe("exit: 0, memory 0")
    }
  )
})
