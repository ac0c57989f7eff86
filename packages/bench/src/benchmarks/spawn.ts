/**
 * P2 and P3: how fast processes are started, waited for and collected, several at a time and one at a time.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { atLeast, atMost, type Contender, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { median, quantile } from "../harness/statistics.ts"
import { Worker } from "../harness/worker.ts"

const program = "/bin/true"

/** Seconds for all, and the microseconds of each. */
const loop = async (context: Context, count: number, parallel: number, mode: "run" | "lead" = "run") => {
  const { stdout } = await promisify(execFile)(context.native.spawnLoop, [
    mode,
    String(count),
    String(parallel),
    program
  ])
  const [seconds = 0, ...latencies] = stdout.trim().split("\n").map(Number)
  return { seconds, latencies }
}

/** Starts a Node for each of those that live in one, and ends them whatever happens. */
const withWorkers = async <A>(
  names: ReadonlyArray<string>,
  use: (worker: (name: string) => Worker) => Promise<A>
): Promise<A> => {
  const workers = new Map(names.map((name) => [name, Worker.start(`${name}.ts`, [])]))
  const result = await use((name) => {
    const worker = workers.get(name)
    if (worker === undefined) throw new Error(`no contender ${name}`)
    return worker
  })
  for (const worker of workers.values()) await worker.close()
  return result
}

const nodes = ["nursery", "nursery_spawner", "child_process", "execa", "effect"]

export const parallelSpawns = (context: Context): Promise<ReadonlyArray<Measurement>> =>
  withWorkers(nodes, async (worker) => {
    const { quick } = context.size
    const count = quick ? 400 : 2000
    // The slow ones get fewer, so that a round is short and the machine the same for everybody in it.
    const few = quick ? 150 : 500
    const cpu = new Map<string, Array<number>>()
    const inNode = (who: string, name: string, spawns: number, parallel: number, options: Partial<Contender> = {}) => ({
      who,
      ...options,
      measure: async () => {
        const [seconds = 0, cpuMicros = 0] = await worker(name).round("batch", spawns, parallel)
        const key = `${who}, ${parallel} at a time`
        cpu.set(key, [...(cpu.get(key) ?? []), cpuMicros])
        return spawns / seconds
      }
    })
    const work = (parallel: number) => `start ${program}, wait, close its scope; ${parallel} at a time`
    const eight = await compete(context, {
      id: "P2",
      work: work(8),
      unit: "/s",
      contenders: [
        inNode("Nursery, tree", "nursery", count, 8, { ours: true }),
        {
          who: "C loop of posix_spawn",
          goal: atLeast(1),
          measure: async () => count / (await loop(context, count, 8)).seconds
        },
        {
          who: "C loop, each child with a session of its own",
          measure: async () => count / (await loop(context, count, 8, "lead")).seconds
        },
        inNode("Effect ChildProcess on Nursery's spawner", "nursery_spawner", count, 8),
        inNode("Effect ChildProcess on its own", "effect", few, 8, { goal: atLeast(4) }),
        inNode("execa", "execa", few, 8, { goal: atLeast(4) }),
        inNode("child_process", "child_process", few, 8)
      ]
    })
    const many = await compete(context, {
      id: "P2",
      work: work(32),
      unit: "/s",
      contenders: [
        inNode("Nursery, tree", "nursery", count, 32, { ours: true }),
        { who: "C loop of posix_spawn", measure: async () => count / (await loop(context, count, 32)).seconds }
      ]
    })
    return [eight, many, cpuOf(cpu, ", 8 at a time")]
  })

/** The first of the figures is the one of the round that warmed up. */
const cpuOf = (cpu: ReadonlyMap<string, ReadonlyArray<number>>, suffix: string): Measurement => ({
  id: "P2",
  work: "CPU time of the Node program for each of these spawns, all of its threads",
  unit: "µs",
  note: undefined,
  rows: [...cpu]
    .filter(([who]) => who.endsWith(suffix))
    .map(([who, [, ...figures]]) => ({
      who: who.slice(0, -suffix.length),
      ours: who.startsWith("Nursery"),
      goal: undefined,
      figures
    }))
})

export const singleSpawns = (context: Context): Promise<ReadonlyArray<Measurement>> =>
  withWorkers(nodes, async (worker) => {
    const count = context.size.quick ? 200 : 1000
    const slow = new Map<string, Array<number>>()
    const contender = (
      who: string,
      latencies: () => Promise<ReadonlyArray<number>>,
      options: Partial<Contender> = {}
    ): Contender => ({
      who,
      ...options,
      measure: async () => {
        const round = await latencies()
        slow.set(who, [...(slow.get(who) ?? []), quantile(round, 0.99)])
        return median(round)
      }
    })
    const inNode = (who: string, name: string, options: Partial<Contender> = {}) =>
      contender(who, () => worker(name).round("single", count), options)
    const middle = await compete(context, {
      id: "P3",
      work: `start ${program}, wait, close its scope; one at a time, median`,
      unit: "µs",
      contenders: [
        inNode("Nursery, tree", "nursery", { ours: true }),
        contender("C loop of posix_spawn", async () => (await loop(context, count, 1)).latencies, {
          goal: atMost(1.2)
        }),
        contender(
          "C loop, each child with a session of its own",
          async () => (await loop(context, count, 1, "lead")).latencies
        ),
        inNode("Effect ChildProcess on Nursery's spawner", "nursery_spawner"),
        inNode("Effect ChildProcess on its own", "effect", { goal: atMost(0.35) }),
        inNode("execa", "execa"),
        inNode("child_process", "child_process")
      ]
    })
    return [
      middle,
      {
        ...middle,
        work: `start ${program}, wait, close its scope; one at a time, 99th of 100`,
        rows: middle.rows.map((row) => ({ ...row, goal: undefined, figures: (slow.get(row.who) ?? []).slice(1) }))
      }
    ]
  })
