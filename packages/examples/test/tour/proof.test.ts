import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import * as Proc from "../../src/tour/proc.ts"
import * as Proof from "../../src/tour/proof.ts"

const marker = `NURSERY_PROOF=${process.pid}`
const children: Array<ChildProcess> = []

/** A process that lives until its stdin ends. Once it answers, it has become `cat` and stays that. */
const start = async (env: NodeJS.ProcessEnv, program = "exec cat") => {
  const child = spawn("sh", ["-c", program], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit", "pipe"]
  })
  children.push(child)
  if (child.stdin === null || child.stdout === null) throw new Error("no pipes")
  child.stdin.write("hello\n")
  await once(child.stdout, "data")
  return child.pid ?? 0
}

const startMarked = (program?: string) => start({ NURSERY_PROOF: String(process.pid) }, program)

const entryOf = (pid: number): Proc.Entry => {
  const entry = Proc.lookUp(pid)
  if (entry === undefined) throw new Error(`there is no process ${pid}`)
  return entry
}

const judge = async (evidence: Proof.Evidence) => {
  const output: Array<string> = []
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => output.push(String(text)) > 0)
  try {
    return { verdict: await Effect.runPromise(Proof.nothingIsLeft(evidence)), output: output.join("") }
  } finally {
    write.mockRestore()
  }
}

afterEach(async () => {
  await Promise.all(
    children.splice(0).map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, "exit")
      child.stdin?.end()
      await exit
    })
  )
})

describe("nothingIsLeft", () => {
  it("finds a process that was seen and is still there, and ends it", async () => {
    const pid = await start({})
    const [child] = children
    if (child === undefined) throw new Error("no child")
    const exit = once(child, "exit")
    const { output, verdict } = await judge({ marker, seen: [entryOf(pid)] })
    expect(verdict).toBe("broken")
    expect(output).toContain(`pid ${pid}  cat`)
    expect((await exit)[1]).toBe("SIGKILL")
  })

  it("finds a process that nobody saw by the mark in its environment", async () => {
    const pid = await startMarked()
    const { output, verdict } = await judge({ marker, seen: [] })
    expect(verdict).toBe("broken")
    expect(output).toContain(`pid ${pid}  cat`)
  })

  it("finds a zombie", async () => {
    const parent = await start({}, "read line <&3 & exec cat")
    const [child] = children
    const [background] = Proc.below(parent)
    if (child === undefined || background === undefined) throw new Error("no children")
    // Nobody is there any more who would wait for what the shell had started.
    const gate = child.stdio[3]
    if (gate instanceof Writable) gate.end("\n")
    await vi.waitUntil(() => Proc.lookUp(background.pid)?.state === "Z", { timeout: 60_000, interval: 5 })
    const { output, verdict } = await judge({ marker, seen: [background] })
    expect(verdict).toBe("broken")
    expect(output).toContain(`pid ${background.pid}  sh, a zombie`)
  })

  it("is not deceived by a pid that was given to another process", async () => {
    const entry = entryOf(await start({}))
    const { verdict } = await judge({ marker, seen: [{ ...entry, startTime: entry.startTime - 1 }] })
    expect(verdict).toBe("held")
  })
})

describe("collect", () => {
  it("takes what carries the mark", async () => {
    const pid = await startMarked()
    const { seen } = await Effect.runPromise(Proof.collect(marker, [pid]))
    expect(seen).toEqual([entryOf(pid)])
  })

  it("refuses to prove anything about a process that could get away unseen", async () => {
    const pid = await start({})
    const refusal = await Effect.runPromise(Effect.flip(Proof.collect(marker, [pid])))
    expect(refusal).toContain(`pid ${pid}`)
  })
})
