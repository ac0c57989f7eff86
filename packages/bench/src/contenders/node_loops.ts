/**
 * What is left of a pool without a pool: `child_process`, 16 records on their way to each worker, and JSON. No Schema, no order of the
 * answers of several workers, no failures.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import type { Readable, Writable } from "node:stream"
import { serve } from "../harness/worker.ts"
import { processorTime } from "./processor.ts"
import { readings } from "./readings.ts"

// Set by the benchmark: the worker's program and its arguments.
const [program = "", ...args] = process.argv.slice(2)

const window = 16

type Answerer = ChildProcessByStdio<Writable, Readable, null>

/** Asks as many messages as `next` gives; `onAnswer` gets what each of them was answered. */
const loop = (worker: Answerer, next: () => unknown, onAnswer: (answer: unknown) => void): Promise<void> =>
  new Promise((resolve) => {
    let held = ""
    let load = 0
    const fill = () => {
      let text = ""
      while (load < window) {
        const message = next()
        if (message === undefined) break
        text += `${JSON.stringify(message)}\n`
        load++
      }
      if (text !== "") worker.stdin.write(text)
    }
    worker.stdout.on("data", (bytes: Buffer) => {
      held += bytes.toString()
      let start = 0
      for (let end = held.indexOf("\n"); end !== -1; end = held.indexOf("\n", start)) {
        const answer: unknown = JSON.parse(held.slice(start, end))
        start = end + 1
        load--
        onAnswer(answer)
      }
      held = held.slice(start)
      fill()
      if (load > 0) return
      worker.stdout.removeAllListeners("data")
      resolve()
    })
    fill()
  })

const round = async (times = 0, batch = 0): Promise<ReadonlyArray<number>> => {
  const workers = Array.from({ length: 4 }, () => spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] }))
  const ask = async (count: number): Promise<number> => {
    let asked = 0
    let answered = 0
    const next = () => {
      if (asked === count) return undefined
      const from = asked % readings.length
      const list = readings.slice(from, from + Math.min(Math.max(batch, 1), count - asked))
      asked += list.length
      return batch === 0 ? list[0] : list
    }
    const onAnswer = (answer: unknown) => {
      answered += Array.isArray(answer) ? answer.length : 1
    }
    await Promise.all(workers.map((worker) => loop(worker, next, onAnswer)))
    return answered
  }
  await ask(readings.length)
  const pids = workers.map(({ pid }) => pid ?? 0)
  const before = processorTime(pids)
  const begin = performance.now()
  const answered = await ask(times * readings.length)
  const seconds = (performance.now() - begin) / 1000
  const processor = processorTime(pids) - before
  const ends = workers.map((worker) => once(worker, "exit"))
  for (const worker of workers) worker.stdin.end()
  await Promise.all(ends)
  return [answered, seconds, processor]
}

serve({ pool: round })
