import { readdirSync, readFileSync } from "node:fs"
import { beforeAll, describe, expect, it } from "vitest"
import { variable } from "../src/tour/cast.ts"
import { type Outcome, run } from "./run.ts"

/** What the tours of this test have in their environment, and so has all that they start: others may look at the tour as well. */
const ours = { NURSERY_TOUR_OF: String(process.pid) }

const isOurs = (environment: string): boolean =>
  environment.includes(`${variable}=`) && environment.includes(`NURSERY_TOUR_OF=${process.pid}\0`)

/** Everything that a tour has started and that this user may look at. */
const leftOver = (): ReadonlyArray<string> =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && isOurs(readFileSync(`/proc/${name}/environ`, "latin1"))
    } catch {
      return false
    }
  })

const lines = (outcome: Outcome, start: string) =>
  outcome.stdout.split("\n").filter((line) => line.trim().startsWith(start))

describe("the tour", () => {
  let outcome: Outcome
  beforeAll(async () => {
    outcome = await run("main.ts", [], ours)
  })

  it("exits with 0 when everything held", () => {
    expect(outcome).toMatchObject({ code: 0, stderr: "" })
    expect(outcome.stdout).toContain("Everything held")
    expect(lines(outcome, "ok")).toHaveLength(8)
    expect(lines(outcome, "LEFT")).toEqual([])
  })

  it("shows everything that is alive, and how it ended", () => {
    expect(outcome.stdout).toMatch(/├─ sh worker\.sh +\d+ +\d+\.\d s\n {3}│ {2}├─ sleep +\d+/)
    expect(outcome.stdout).toMatch(/sh daemon\.sh +\d+ +exited/)
    expect(outcome.stdout).toMatch(/sort -rn +\d+ +\d+\.\d s/)
    expect(outcome.stdout).toMatch(/nursery-guard +\d+ +\d+\.\d s\n +└─ nursery-keeper/)
    expect(outcome.stdout).toMatch(/sh stubborn\.sh +was killed by SIGKILL/)
    expect(outcome.stdout).toMatch(/ {3}process +\d+ {2}█+/)
  })

  it("shows how an application starts, recovers from each crash, and ends", () => {
    const parts = outcome.stdout.split(/^\d\. /m)
    const [start = "", server = "", worker = "", store = "", stop = ""] = parts.slice(5)
    const factors = /GET \/1 +600851475143 = 71 \* 839 \* 1471 \* 6857\n/

    expect(start).toMatch(
      /store +started.*\n.* store +ready(.*\n)+.*migrate +done(.*\n)+.*web +ready\n(.*\n)*.*monitor +ready/
    )
    expect(start).toMatch(factors)

    expect(server).toMatch(
      /web +was killed by SIGKILL\n(.*\n)*.*web +starts again in 0\.1 s\n(.*\n)*.*web +ready\n(.*\n)*.*monitor +ready/
    )
    expect(server).toMatch(factors)

    expect(worker.match(/worker-\d +exited with code 1\n/g)).toHaveLength(3)
    expect(worker.match(/starts again in .*/g)).toEqual([0.1, 0.2, 0.4].map((delay) => `starts again in ${delay} s`))
    expect(worker).toMatch(/GET \/2 +0: given up, after it has ended 3 workers\n/)

    expect(store).toMatch(/store +was killed by SIGKILL\n/)
    for (const child of ["web", "worker-1", "worker-2", "monitor"]) {
      expect(store).toMatch(new RegExp(`${child} +is told to end\n(.*\n)*.*${child} +ready\n`))
    }
    expect(store).toMatch(factors)

    const order = Array.from(stop.matchAll(/(\S+) +is told to end/g), ([, child]) => child)
    expect(order).toEqual(["monitor", "worker-2", "worker-1", "web", "store"])
  })

  it("writes plain lines of at most 80 columns where there is no terminal", () => {
    expect(outcome.stdout).not.toContain("\x1b")
    expect(outcome.stdout.split("\n").filter((line) => line.length > 80)).toEqual([])
  })

  it("leaves nothing behind", () => {
    expect(leftOver()).toEqual([])
  })
})

it("fails where something is left, names it, and ends it", async () => {
  // Without the keeper the daemon survives its scope, and everything its owner.
  const outcome = await run("main.ts", ["--portable"], ours)
  expect(outcome.code).toBe(1)
  expect(outcome.stdout).toContain("It did not hold")
  expect(outcome.stdout).not.toContain("Everything held")
  const survivors = lines(outcome, "pid ")
  expect(survivors.some((line) => line.includes("sleep 60"))).toBe(true)
  expect(survivors.some((line) => line.includes("sh stubborn.sh"))).toBe(true)
  expect(leftOver()).toEqual([])
})

it("says what is wrong where it cannot begin", async () => {
  const outcome = await run("main.ts", [], { NURSERY_KEEPER: "/nonexistent" })
  expect(outcome.code).toBe(1)
  expect(outcome.stderr).toContain("The tour failed: there is no keeper at /nonexistent")
})
