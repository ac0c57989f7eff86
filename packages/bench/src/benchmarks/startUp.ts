/**
 * P13: what Nursery adds to the start of a program, from `node` to a keeper that has answered.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { atMost, type Contender, type Context, compete, type Measurement } from "../harness/measurement.ts"

const sources = join(import.meta.dirname, "..", "contenders", "start")

/** Milliseconds from the start of `node` to the first byte that the program writes, and to its end. */
const run = (file: string, env: NodeJS.ProcessEnv): Promise<{ readonly ready: number; readonly over: number }> =>
  new Promise((resolve, reject) => {
    const begin = performance.now()
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"], env })
    let ready: number | undefined
    child.stdout.once("data", () => {
      ready = performance.now() - begin
    })
    child.on("error", reject)
    child.on("close", (code) => {
      if (code === 0 && ready !== undefined) resolve({ ready, over: performance.now() - begin })
      else reject(new Error(`${file} ended with ${code}`))
    })
  })

export const startUp = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const installed = context.installed()
  const plain = { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" }
  const cached = { ...process.env, NODE_COMPILE_CACHE: join(installed.folder, "cache") }
  const repeats = context.size.quick ? 3 : 5
  /** Above a Node that does nothing, which runs right before it. */
  const added = (file: string, env: NodeJS.ProcessEnv, until: "ready" | "over") => async () => {
    let sum = 0
    for (let repeat = 0; repeat < repeats; repeat++) {
      const bare = await run(installed.program("start/bare"), env)
      const whole = await run(file, env)
      sum += whole[until] - bare[until]
    }
    return sum / repeats
  }
  const contenders = (env: NodeJS.ProcessEnv, more: ReadonlyArray<Contender>): ReadonlyArray<Contender> => [
    {
      who: "Nursery, keeper running",
      ours: true,
      goal: atMost(80),
      measure: added(installed.program("start/nursery"), env, "ready")
    },
    {
      who: "Nursery, the whole program to its end",
      ours: true,
      measure: added(installed.program("start/nursery"), env, "over")
    },
    { who: "Effect ChildProcess, layer built", measure: added(installed.program("start/effect"), env, "ready") },
    { who: "effect/Effect and effect/Schema", measure: added(installed.program("start/schema_alone"), env, "ready") },
    { who: "effect/Effect", measure: added(installed.program("start/effect_alone"), env, "ready") },
    { who: "execa", measure: added(installed.program("start/execa"), env, "ready") },
    ...more
  ]
  const options = { id: "P13", unit: "ms", note: `means of ${repeats} a round` }
  return [
    await compete(context, {
      ...options,
      work: "time that importing adds to the start of a bare Node program",
      contenders: contenders(plain, [
        {
          who: "Nursery from its sources, whose types Node strips",
          measure: added(join(sources, "nursery.ts"), plain, "ready")
        }
      ])
    }),
    await compete(context, {
      ...options,
      work: "the same with Node's compile cache",
      contenders: contenders(cached, [])
    })
  ]
}
