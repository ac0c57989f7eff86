/**
 * P13: what Nursery adds to the start of a program, from `node` to a keeper that has answered.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { atMost, type Context, compete, type Measurement } from "../harness/measurement.ts"

const program = (name: string): string => join(import.meta.dirname, "..", "contenders", "start", `${name}.ts`)

/** Milliseconds from the start of `node` to the first byte that it writes, and to its end. */
const run = (name: string, env: NodeJS.ProcessEnv): Promise<{ readonly ready: number; readonly over: number }> =>
  new Promise((resolve, reject) => {
    const begin = performance.now()
    const child = spawn(process.execPath, [program(name)], { stdio: ["ignore", "pipe", "inherit"], env })
    let ready: number | undefined
    child.stdout.once("data", () => {
      ready = performance.now() - begin
    })
    child.on("error", reject)
    child.on("close", (code) => {
      if (code === 0 && ready !== undefined) resolve({ ready, over: performance.now() - begin })
      else reject(new Error(`${name} ended with ${code}`))
    })
  })

export const startUp = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const cache = mkdtempSync(join(tmpdir(), "nursery-bench-cache-"))
  const plain = { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" }
  const cached = { ...process.env, NODE_COMPILE_CACHE: cache }
  const repeats = context.size.quick ? 3 : 5
  /** Above a Node that does nothing, which runs right before it. */
  const added = (name: string, env: NodeJS.ProcessEnv, until: "ready" | "over") => async () => {
    let sum = 0
    for (let repeat = 0; repeat < repeats; repeat++) {
      const bare = await run("bare", env)
      const whole = await run(name, env)
      sum += whole[until] - bare[until]
    }
    return sum / repeats
  }
  try {
    return [
      await compete(context, {
        id: "P13",
        work: "time added to the start of a bare Node program",
        unit: "ms",
        note: "from the sources, whose types Node strips at every start unless the compile cache has them",
        contenders: [
          { who: "Nursery, keeper running", ours: true, goal: atMost(80), measure: added("nursery", plain, "ready") },
          {
            who: "Nursery, keeper running, compile cache",
            ours: true,
            goal: atMost(80),
            measure: added("nursery", cached, "ready")
          },
          { who: "Nursery, whole program to its end", ours: true, measure: added("nursery", plain, "over") },
          { who: "Effect ChildProcess on its own, layer built", measure: added("effect", plain, "ready") },
          { who: "the same, compile cache", measure: added("effect", cached, "ready") },
          { who: "execa, imported", measure: added("execa", plain, "ready") }
        ]
      })
    ]
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
}
