import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { Feed, now, variable } from "../src/harness/feed.ts"
import { compile, type Native } from "../src/harness/native.ts"

let native: Native
let folder: string
let feed: Feed
let services: Array<ChildProcess> = []

beforeAll(() => {
  native = compile()
})

afterAll(() => native.remove())

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nursery-bench-"))
  feed = new Feed(join(folder, "feed"))
})

afterEach(async () => {
  const ends = services.map((service) => once(service, "exit"))
  for (const service of services) service.kill("SIGKILL")
  await Promise.all(ends)
  services = []
  feed.close()
  rmSync(folder, { recursive: true })
})

const start = (program: string): number => {
  const service = spawn(program, { stdio: "ignore", env: { [variable]: feed.path } })
  services.push(service)
  return service.pid ?? 0
}

const minute = 60_000

describe("feed", () => {
  it.each(["static", "dynamic"] as const)(
    "knows each service by its pid and the time when it ran, %s",
    async (linkage) => {
      const before = now()
      const pids = Array.from({ length: 20 }, () => start(native.service[linkage]))
      const arrived = await feed.next(20, minute)
      const after = now()
      expect(arrived.map(({ pid }) => pid).sort()).toEqual(pids.sort())
      for (const { at } of arrived) {
        expect(at).toBeGreaterThan(before)
        expect(at).toBeLessThan(after)
      }
    }
  )

  it("gives only as many as are wanted, and keeps the others", async () => {
    const pids = [1, 2, 3].map(() => start(native.service.static))
    const two = await feed.next(2, minute)
    const [third] = await feed.next(1, minute)
    expect([...two, third].map((arrival) => arrival?.pid).sort()).toEqual(pids.sort())
    expect(feed.take()).toEqual([])
  })

  it("tells how many run when there will be no more", async () => {
    start(native.service.static)
    const [first] = await feed.next(1, minute)
    expect(first).toBeDefined()
    await expect(feed.next(2, minute, () => "it has ended")).rejects.toThrow(
      "0 instead of 2 services run: it has ended"
    )
    await expect(feed.next(2, 1)).rejects.toThrow("0 instead of 2 services run: 1 ms are over")
  })
})
