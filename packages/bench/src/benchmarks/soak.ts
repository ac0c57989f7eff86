/**
 * P14: whether anything grows with the number of spawns, and what one contained process costs while it lives.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { atMost, type Context, compete, type Measurement, type Row } from "../harness/measurement.ts"
import * as Memory from "../harness/memory.ts"
import { Worker } from "../harness/worker.ts"

interface Sample {
  readonly spawns: number
  readonly heap: number
  readonly node: number
  readonly nodeResident: number
  readonly helpers: number
  readonly descriptors: number
  readonly processes: number
}

const sample = async (worker: Worker, spawns: number): Promise<Sample> => {
  const [heap = 0] = await worker.round("collectGarbage")
  const helpers = Memory.descendants(worker.pid)
  return {
    spawns,
    heap: heap / 1024,
    node: Memory.proportional(worker.pid),
    nodeResident: Memory.resident(worker.pid),
    helpers: helpers.reduce((sum, pid) => sum + Memory.proportional(pid), 0),
    descriptors: [worker.pid, ...helpers].reduce((sum, pid) => sum + Memory.descriptors(pid), 0),
    processes: helpers.length
  }
}

const start = (context: Context): Worker =>
  Worker.start("nursery.ts", ["", "0", context.native.sleeper], ["--expose-gc"])

const growth = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const total = context.size.quick ? 20_000 : 100_000
  const step = total / 10
  const worker = start(context)
  const samples = [await sample(worker, 0)]
  for (let spawns = step; spawns <= total; spawns += step) {
    context.progress(`P14 ${spawns} of ${total} spawns`)
    await worker.round("batch", step, 8)
    samples.push(await sample(worker, spawns))
  }
  await worker.close()
  const young = "V8 keeps room for new objects, and more of it the more are made, up to a bound of its own"
  const reserve = "reapers are kept for the next spawns, as many as ran at once"
  const table = (work: string, unit: string, value: (sample: Sample) => number, note?: string): Measurement => ({
    id: "P14",
    work,
    unit,
    note,
    rows: samples
      .filter(({ spawns }) => [0, step, total / 2, total].includes(spawns))
      .map((sample) => ({
        who: `after ${sample.spawns.toLocaleString("en")} spawns`,
        ours: true,
        goal: undefined,
        figures: [value(sample)]
      }))
  })
  return [
    table("Node after a garbage collection, what all its objects take", "kB", ({ heap }) => heap),
    table("Node after a garbage collection, proportional set size", "kB", ({ node }) => node, young),
    table("Node after a garbage collection, resident set size", "kB", ({ nodeResident }) => nodeResident, young),
    table("guard, keeper and reapers together, proportional set size", "kB", ({ helpers }) => helpers),
    table("open descriptors of Node and all helpers", "", ({ descriptors }) => descriptors, reserve),
    table("processes below Node", "", ({ processes }) => processes, reserve)
  ]
}

interface Slope {
  readonly node: number
  readonly helpers: number
  readonly kernel: number
}

/** For each process between `low` and `high` that live at once. */
const perProcess = async (context: Context, low: number, high: number): Promise<Slope> => {
  const worker = start(context)
  const measure = async () => {
    await worker.round("collectGarbage")
    const helpers = Memory.descendants(worker.pid).filter((pid) => Memory.executable(pid) !== context.native.sleeper)
    return {
      node: Memory.proportional(worker.pid),
      helpers: helpers.reduce((sum, pid) => sum + Memory.proportional(pid), 0),
      kernel: Memory.kernel()
    }
  }
  await worker.round("hold", low)
  const before = await measure()
  await worker.round("hold", high - low)
  const after = await measure()
  const alive = Memory.descendants(worker.pid).filter((pid) => Memory.executable(pid) === context.native.sleeper).length
  if (alive !== high) throw new Error(`${alive} instead of ${high} processes live`)
  await worker.round("letGo")
  await worker.close()
  const slope = (name: keyof Slope) => (after[name] - before[name]) / (high - low)
  return { node: slope("node"), helpers: slope("helpers"), kernel: slope("kernel") }
}

/** Kernel memory of a process that nobody contains. */
const bareKernel = async (context: Context, low: number, high: number): Promise<number> => {
  const hold = async (count: number) => {
    const loop = spawn(context.native.spawnLoop, ["hold", String(count), context.native.sleeper], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    await once(loop.stdout, "data")
    return loop
  }
  const first = await hold(low)
  const before = Memory.kernel()
  const second = await hold(high - low)
  const after = Memory.kernel()
  for (const loop of [first, second]) {
    loop.stdin.end()
    await once(loop, "close")
  }
  return (after - before) / (high - low)
}

const slope = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const [low, high] = context.size.quick ? [50, 250] : [200, 1000]
  const slopes: Array<Slope> = []
  const id = "P14"
  const unit = "kB"
  const kernelMemory = await compete(context, {
    id,
    work: `kernel memory (slab, stacks, page tables) for each living process, slope from ${low} to ${high}`,
    unit,
    note: "of the whole machine, the process itself included",
    rounds: context.size.quick ? 1 : 3,
    contenders: [
      {
        who: "contained by Nursery",
        ours: true,
        measure: async () => {
          const result = await perProcess(context, low, high)
          slopes.push(result)
          return result.kernel
        }
      },
      { who: "started by the C loop", measure: () => bareKernel(context, low, high) }
    ]
  })
  const row = (who: string, figure: (slope: Slope) => number): Row => ({
    who,
    ours: true,
    goal: undefined,
    figures: slopes.slice(1).map(figure)
  })
  const together = row("together", (slope) => slope.node + slope.helpers)
  return [
    {
      id,
      work: `memory for each living process, without its own, slope from ${low} to ${high}, proportional set size`,
      unit,
      note: undefined,
      rows: [
        { ...together, goal: atMost(32) },
        row("Node", (slope) => slope.node),
        row("helpers", (slope) => slope.helpers)
      ]
    },
    kernelMemory
  ]
}

export const soak = async (context: Context): Promise<ReadonlyArray<Measurement>> => [
  ...(await growth(context)),
  ...(await slope(context))
]
