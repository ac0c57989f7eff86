import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { isAlive, text } from "./support.ts"

const fixture = join(import.meta.dirname, "fixtures/owner.ts")

const start = (scenario: string, prefix: ReadonlyArray<string> = []): ChildProcess => {
  const [program = process.execPath, ...args] = [...prefix, process.execPath, fixture, scenario]
  const owner = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] })
  onTestFinished(() => void owner.kill("SIGKILL"))
  return owner
}

const outputOf = async (owner: ChildProcess): Promise<ReadonlyArray<string>> => {
  const exit = new Promise((resolve) => owner.once("exit", (code, signal) => resolve(signal ?? code)))
  const lines = owner.stdout === null ? "" : await text(owner.stdout)
  expect(await exit).toBe(0)
  return lines.split("\n").slice(0, -1)
}

const gone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve))
}

describe("a program with a nursery", () => {
  it("ends by itself when nothing was ever started", async () => {
    expect(await outputOf(start("idle"))).toEqual([])
  })

  it("ends by itself when nothing runs any more", async () => {
    expect(await outputOf(start("sequence"))).toEqual(["done"])
  })

  it("goes on while a process runs", async () => {
    const owner = start("holds")
    const output = outputOf(owner)
    owner.stdout?.once("data", () => owner.stdin?.end("line\n"))
    expect(await output).toEqual(["running", "ended"])
  })

  it("goes on while a process runs that was unreferenced and referenced again", async () => {
    const owner = start("referencedAgain")
    const output = outputOf(owner)
    owner.stdout?.once("data", () => owner.stdin?.end("line\n"))
    expect(await output).toEqual(["running", "ended"])
  })

  it("ends in spite of an unreferenced process, which ends with it", async () => {
    // The pid is not always written in time: the program does not wait for it.
    const [pid = "0"] = await outputOf(start("unreferenced"))
    if (pid !== "0") await gone(Number(pid))
  })

  it("goes on until a stop that was asked for is done", async () => {
    expect(await outputOf(start("stops"))).toEqual(["ended"])
  })

  it("goes on until the processes of a lost keeper are dead", async () => {
    expect(await outputOf(start("lossHolds"))).toEqual(["lost", "ended"])
  })

  it("runs out of descriptors: a typed failure, nothing leaks, and later spawns work", async () => {
    const lines = await outputOf(start("exhausted", ["/bin/sh", "-c", 'ulimit -S -n 64; exec "$@"', "sh"]))
    expect(lines).toEqual([
      "failed descriptor 24",
      "failed descriptor 24",
      "as before",
      "pipe,pipe",
      `${process.getuid?.()}`,
      "word"
    ])
  })

  it.runIf(process.getuid?.() === 0)("may become another user, and so do its processes", async () => {
    expect(await outputOf(start("otherUser"))).toEqual(["socket,socket", "65534", "word", "65534"])
  })

  it("may have closed its stdin", async () => {
    expect(await outputOf(start("closedStreams"))).toEqual(["fine"])
  })

  it("may use it in a worker thread, whose end is the end of its processes", async () => {
    const [where, pid, last] = await outputOf(start("worker"))
    expect([where, last]).toEqual(["in a worker", "terminated"])
    await gone(Number(pid))
  })
})
