import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { afterEach, describe, expect, it } from "vitest"
import { activity } from "../src/harness/activity.ts"

let child: ChildProcess | undefined

afterEach(() => {
  child?.kill("SIGKILL")
  child = undefined
})

const isAsleep = (pid: number): boolean => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2] === "S"

/** Answers each line, and counts before it does so. */
const start = async () => {
  const script = "echo; while read line; do i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo; done"
  const started = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] })
  child = started
  await once(started.stdout, "data")
  const pid = started.pid ?? 0
  return {
    pid,
    /** Wakes it up, and returns when it sleeps again. */
    ask: async () => {
      const answer = once(started.stdout, "data")
      started.stdin.write("line\n")
      await answer
      while (!isAsleep(pid)) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

describe("activity", () => {
  it("counts wake-ups and processor time of what is done", async () => {
    const { ask, pid } = await start()
    await ask()
    const before = activity([pid])
    for (let question = 0; question < 5; question++) await ask()
    const after = activity([pid])
    expect(after.wakeUps - before.wakeUps).toBeGreaterThanOrEqual(5)
    expect(after.cpu).toBeGreaterThan(before.cpu)
  })

  it("adds up what several do, threads too", async () => {
    const { pid } = await start()
    const both = activity([pid, process.pid])
    // This program has threads beside the one that runs this.
    expect(both.cpu).toBeGreaterThan(activity([pid]).cpu)
    expect(activity([process.pid]).wakeUps).toBeGreaterThan(0)
  })

  it("does not count what has ended", async () => {
    const { pid } = await start()
    const ended = child === undefined ? undefined : once(child, "exit")
    child?.kill("SIGKILL")
    await ended
    expect(activity([pid])).toEqual({ wakeUps: 0, cpu: 0 })
  })
})
