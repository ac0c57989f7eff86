/**
 * P17: pools of workers, beside as many bare loops that feed the same workers the same requests and look at no answer.
 */
import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { Worker as Sides } from "@nursery/pipeline"
import { readings } from "../contenders/readings.ts"
import { atLeast, type Context, compete, type Measurement, type Row } from "../harness/measurement.ts"
import { Worker } from "../harness/worker.ts"

const workers = 4

interface Kind {
  readonly name: string
  readonly command: ReadonlyArray<string>
  /** About how many records four of them answer in a second, on two cores. */
  readonly pace: number
  readonly goal: boolean
}

// What an answer costs the worker decides what is to be seen. Where that is next to nothing it is Node's JSON and Schema that are
// measured, and on a machine with less cores than workers and one for Node that takes from the workers what it takes.
const kindsOf = (answerer: string): ReadonlyArray<Kind> => [
  { name: "C that does nothing", command: [answerer, "0", "0"], pace: 40_000, goal: false },
  {
    name: "Python that parses and prints",
    command: [
      "env",
      `PYTHONPATH=${Sides.pythonPath}`,
      "python3",
      "-c",
      "from nursery_worker import serve; serve(lambda it: it)"
    ],
    pace: 24_000,
    goal: false
  },
  { name: "C with 0.2 ms of work a record", command: [answerer, "125", "0"], pace: 8000, goal: true },
  { name: "C with 1 ms of work a record", command: [answerer, "625", "0"], pace: 2000, goal: true },
  { name: "C that waits 1 ms for a record", command: [answerer, "0", "1000"], pace: 4000, goal: true }
]

const forms = [
  { name: "one by one", batch: 0 },
  { name: "in lists of 16", batch: 16 }
]

/** A file of requests as the pool sends them. */
const requestsOf = (batch: number, times: number): { readonly text: string; readonly lines: number } => {
  const size = Math.max(batch, 1)
  const all = Array.from({ length: times }, () => readings).flat()
  const lines = Array.from({ length: Math.ceil(all.length / size) }, (_, index) => {
    const some = all.slice(index * size, (index + 1) * size)
    return `${JSON.stringify(batch === 0 ? some[0] : some)}\n`
  })
  return { text: lines.join(""), lines: lines.length }
}

export const pools = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { answerer, bareLoops } = context.native
  const folder = context.arena.subfolder("pools")
  const measurements: Array<Measurement> = []
  for (const kind of kindsOf(answerer)) {
    const [program = "", ...args] = kind.command
    const ours = Worker.start("pool.ts", [program, ...args])
    const node = Worker.start("node_loops.ts", [program, ...args])
    // Each loop asks all of the records, so many times over.
    const each = Math.ceil(((context.size.quick ? 0.5 : 2) * kind.pace) / workers / readings.length)
    const count = workers * each * readings.length
    for (const { batch, name } of forms) {
      const file = join(folder, "requests")
      const { lines, text } = requestsOf(batch, each)
      writeFileSync(file, text)
      const spent: Record<"pool" | "node" | "bare", Array<number>> = { pool: [], node: [], bare: [] }
      const rateOf = (who: keyof typeof spent, seconds: number, processor: number): number => {
        spent[who].push((processor / count) * 1e6)
        return count / seconds
      }
      const inNode = (who: "pool" | "node", worker: Worker) => async () => {
        const [right, seconds = 0, processor = 0] = await worker.round("pool", workers * each, batch)
        if (right !== count) throw new Error(`${right} instead of ${count} answers were right`)
        return rateOf(who, seconds, processor)
      }
      const bare = async () => {
        const { stdout } = await promisify(execFile)(bareLoops, [`${workers}`, file, `${lines}`, ...kind.command])
        const [seconds = 0, bytes, processor = 0] = stdout.split(" ").map(Number)
        if (bytes === 0) throw new Error("the loops got no answers")
        return rateOf("bare", seconds, processor)
      }
      const work = `${count} records of 1 kB through ${workers} workers, ${kind.name}, ${name}`
      const rates = await compete(context, {
        id: "P17",
        work,
        unit: "/s",
        rounds: Math.min(context.size.rounds, 5),
        contenders: [
          { who: "Nursery, WorkerPool", ours: true, measure: inNode("pool", ours) },
          { who: "bare loops", ...(kind.goal ? { goal: atLeast(0.9) } : {}), measure: bare },
          { who: "loops in Node, JSON and nothing else", measure: inNode("node", node) }
        ]
      })
      // Without the round that warms up.
      const row = (who: string, figures: ReadonlyArray<number>, ours: boolean): Row => ({
        who,
        figures: figures.slice(1),
        ours,
        goal: undefined
      })
      measurements.push(rates, {
        id: "P17",
        work,
        unit: "µs",
        note: "processor time of all processes for a record, which other programs of the machine change less",
        rows: [
          row("Nursery, WorkerPool", spent.pool, true),
          row("bare loops", spent.bare, false),
          row("loops in Node, JSON and nothing else", spent.node, false)
        ]
      })
    }
    await ours.close()
    await node.close()
  }
  return measurements
}
