/**
 * P4 to P6 and P18: bytes out of a child into Node, bytes through a pipeline of processes, records from one process to another, and the
 * memory that it takes when there are many of them.
 */
import { execFile } from "node:child_process"
import { statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { eventOf } from "../contenders/records.ts"
import { atLeast, atMost, type Context, compete, type Measurement, type Row } from "../harness/measurement.ts"
import { Worker } from "../harness/worker.ts"

const GB = 1e9

/** A file of records, and its size. */
const eventsFile = (context: Context, count: number): readonly [path: string, bytes: number] => {
  const path = join(context.arena.subfolder("records"), `${count}.ndjson`)
  writeFileSync(path, Array.from({ length: count }, (_, id) => `${JSON.stringify(eventOf(id))}\n`).join(""))
  return [path, statSync(path).size]
}

const gigabytesASecond = (worker: Worker, name: string, bytes: number, block: number) => async () => {
  const [seconds = 0] = await worker.round(name, bytes, block)
  return bytes / GB / seconds
}

const blocks = [
  { block: 65_536, name: "64 KiB" },
  { block: 1_048_576, name: "1 MiB" }
]

export const read = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const bytes = context.size.quick ? GB / 2 : 4 * GB
  const start = (file: string) => Worker.start(file, [context.native.produce])
  const nursery = start("nursery.ts")
  const raw = start("child_process.ts")
  const rawBesideEffect = start("child_process_beside_effect.ts")
  const spawner = start("nursery_spawner.ts")
  const effect = start("effect.ts")
  const measurements: Array<Measurement> = []
  for (const { block, name } of blocks) {
    measurements.push(
      await compete(context, {
        id: "P4",
        work: `${bytes / GB} GB of a child's stdout, written in blocks of ${name}, read in Node`,
        unit: "GB/s",
        rounds: Math.min(context.size.rounds, 5),
        note: "every 64 MB of buffers make V8 mark its whole heap, and so whatever a program has imported",
        contenders: [
          {
            who: "Nursery, process.stdout as a Stream",
            ours: true,
            measure: gigabytesASecond(nursery, "read", bytes, block)
          },
          {
            who: 'child_process, raw "data" events',
            goal: atLeast(1.5),
            measure: gigabytesASecond(raw, "read", bytes, block)
          },
          {
            who: "the same, in a program that has imported Effect",
            measure: gigabytesASecond(rawBesideEffect, "read", bytes, block)
          },
          {
            who: "Effect ChildProcess on Nursery's spawner",
            measure: gigabytesASecond(spawner, "read", bytes, block)
          },
          { who: "Effect ChildProcess on its own", measure: gigabytesASecond(effect, "read", bytes, block) }
        ]
      })
    )
  }
  for (const worker of [nursery, raw, rawBesideEffect, spawner, effect]) await worker.close()
  return measurements
}

export const pipeline = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const bytes = context.size.quick ? GB / 2 : 4 * GB
  const { produce } = context.native
  const start = (file: string) => Worker.start(file, [produce])
  const ours = start("pipeline.ts")
  const spawner = start("nursery_spawner.ts")
  const effect = start("effect.ts")
  const measurements: Array<Measurement> = []
  for (const { block, name } of blocks) {
    const shell = async () => {
      const begin = performance.now()
      const { stdout } = await promisify(execFile)("/bin/sh", ["-c", `${produce} ${bytes} ${block} | cat | wc -c`])
      const seconds = (performance.now() - begin) / 1000
      if (Number(stdout) !== bytes) throw new Error(`wc counted ${stdout}`)
      return bytes / GB / seconds
    }
    measurements.push(
      await compete(context, {
        id: "P5",
        work: `${bytes / GB} GB through a producer (blocks of ${name}), cat and wc -c`,
        unit: "GB/s",
        rounds: Math.min(context.size.rounds, 5),
        note: "with autogroups the kernel gives processor time to sessions, and each process of Nursery leads one",
        contenders: [
          { who: "Nursery, Pipeline", ours: true, measure: gigabytesASecond(ours, "pipeline", bytes, block) },
          { who: "sh", goal: atLeast(0.95), measure: shell },
          {
            who: "Nursery, Pipeline, in one session",
            measure: gigabytesASecond(ours, "pipelineInSession", bytes, block)
          },
          {
            who: "Effect pipeTo on Nursery's spawner",
            measure: gigabytesASecond(spawner, "pipeline", bytes, block)
          },
          { who: "Effect pipeTo on its own", measure: gigabytesASecond(effect, "pipeline", bytes, block) }
        ]
      })
    )
  }
  for (const worker of [ours, spawner, effect]) await worker.close()
  return measurements
}

export const records = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const count = context.size.quick ? 100_000 : 500_000
  const [file, bytes] = eventsFile(context, count)
  const start = (name: string) => Worker.start(name, [context.native.produce, file])
  const ours = start("pipeline.ts")
  const spawner = start("nursery_spawner.ts")
  const effect = start("effect.ts")
  const recordsASecond = (worker: Worker) => async () => {
    const [seconds = 0, lines, size] = await worker.round("records")
    if (lines !== count || size !== bytes) throw new Error(`wc counted ${lines} lines of ${size} bytes`)
    return count / seconds
  }
  const measurement = await compete(context, {
    id: "P6",
    work: `${count} records of ${Math.round(bytes / count)} bytes of NDJSON from one process to another, by a Schema both ways`,
    unit: "/s",
    rounds: Math.min(context.size.rounds, 5),
    contenders: [
      { who: "Nursery, Pipeline and Codec", ours: true, measure: recordsASecond(ours) },
      { who: "Effect ChildProcess and Ndjson", goal: atLeast(2), measure: recordsASecond(effect) },
      { who: "the same on Nursery's spawner", measure: recordsASecond(spawner) }
    ]
  })
  for (const worker of [ours, spawner, effect]) await worker.close()
  return [measurement]
}

/** The most that Node has taken while records go through it, after few of them and after many. */
export const flatness = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const [few, some, many] = context.size.quick ? [0.1, 0.5, 1] : [1, 5, 10]
  const count = 100_000
  const [file, bytes] = eventsFile(context, count)
  const records = (gigabytes: number) => Math.round((gigabytes * GB * count) / bytes)
  const worker = Worker.start("pipeline.ts", [context.native.produce, file])
  context.progress(`P18 ${many} GB of records`)
  const [first = 0, second = 0, third = 0] = await worker.round(
    "peaks",
    count,
    records(few),
    records(some),
    records(many)
  )
  await worker.close()
  const row = (from: number, to: number, figure: number): Row => ({
    who: `from ${from} to ${to} GB`,
    ours: false,
    goal: undefined,
    figures: [figure]
  })
  return [
    {
      id: "P18",
      work: `Node's resident set size at its most, while ${many} GB of records go from one process to another, by a Schema both ways`,
      unit: "kB",
      note: undefined,
      rows: [
        { ...row(some, many, third), ours: true },
        { ...row(0, few, first), goal: atMost(1.1) },
        row(few, some, second)
      ]
    }
  ]
}
