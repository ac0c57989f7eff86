import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { gone, marked, sweep } from "../src/harness/marker.ts"

let marker: string
let started: Array<ChildProcess> = []

beforeEach(() => {
  marker = mkdtempSync(join(tmpdir(), "nursery-bench-"))
})

afterEach(async () => {
  await sweep(marker)
  for (const child of started) child.kill("SIGKILL")
  started = []
  rmSync(marker, { recursive: true })
})

/** A shell that stays until its standard input ends; it has begun when this returns. */
const stay = async (options: {
  readonly script?: string
  readonly args?: ReadonlyArray<string>
  readonly env?: string
}) => {
  const { args = [], env = "", script = "echo; read line" } = options
  const child = spawn("/bin/sh", ["-c", script, "sh", ...args], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { PATH: "/usr/bin:/bin", SOMETHING: env }
  })
  started.push(child)
  await once(child.stdout, "data")
  return child
}

/** Until nobody holds the other end of its standard output any more. */
const everybodyIsDead = async (child: ChildProcess) => {
  child.stdout?.resume()
  await once(child, "close")
}

describe("marker", () => {
  it("finds who has it in the environment or in the command line, and nobody else", async () => {
    const byEnvironment = await stay({ env: `${marker}/feed` })
    const byArgument = await stay({ args: [marker] })
    const stranger = await stay({ env: marker.slice(0, -1) })
    const found = marked(marker)
    expect(found).toContain(byEnvironment.pid)
    expect(found).toContain(byArgument.pid)
    expect(found).not.toContain(stranger.pid)
    expect(found).toHaveLength(2)
  })

  it("ends those whose parents have died, wherever they have gone", async () => {
    const parent = await stay({ env: marker, script: "setsid sh -c 'echo; exec sleep 600' & exec sleep 600" })
    const grandchildren = () => marked(marker).filter((pid) => pid !== parent.pid)
    // In the middle of its exec it has no environment that others could look at.
    await vi.waitUntil(() => grandchildren().length === 1, { timeout: 60_000, interval: 5 })
    const death = once(parent, "exit")
    parent.kill("SIGKILL")
    await death
    expect(grandchildren()).toHaveLength(1)
    const all = everybodyIsDead(parent)
    expect(await sweep(marker)).toBe(1)
    await all
    expect(marked(marker)).toEqual([])
  })

  it("ends those too that are started while it ends others", async () => {
    // Whoever is first, there is a next one.
    const child = await stay({ env: marker, script: "echo; while :; do sh -c 'read line'; done" })
    const all = everybodyIsDead(child)
    expect(await sweep(marker)).toBeGreaterThan(0)
    await all
    expect(marked(marker)).toEqual([])
  })

  it("lets strangers live", async () => {
    const stranger = await stay({})
    await stay({ env: marker })
    await sweep(marker)
    expect(stranger.exitCode).toBeNull()
    expect(stranger.signalCode).toBeNull()
    stranger.stdin?.end("line\n")
    expect(await once(stranger, "exit")).toEqual([0, null])
  })

  it("waits for those that end by themselves, and names those that do not", async () => {
    const child = await stay({ env: marker })
    expect(await gone(marker, 1)).toEqual([child.pid])
    child.stdin?.end("line\n")
    expect(await gone(marker, 60_000)).toEqual([])
  })

  it.each(["/tmp", "/", "", "nursery", "/tmp/nursery-bench-"])(
    "refuses %j, which others may have too",
    async (name) => {
      await expect(sweep(name)).rejects.toThrow("is no marker")
    }
  )
})
