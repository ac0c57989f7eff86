/**
 * P16: what namespaces add to the start of a process, its wait and the close of its scope.
 */
import { atMost, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { median } from "../harness/statistics.ts"
import { Worker } from "../harness/worker.ts"

const modes = {
  level: "Nursery, level pid-namespace",
  set: "Nursery, in a ready set of namespaces",
  pidSet: "Nursery, in a ready set with a pid namespace",
  plain: "Nursery, tree"
} as const

type Mode = keyof typeof modes

const beside = (mode: Exclude<Mode, "plain">, most: number, count: number, workers: ReadonlyMap<Mode, Worker>) => {
  const contender = (which: Mode) => ({
    who: modes[which],
    ours: which !== "plain",
    ...(which === "plain" ? { goal: atMost(most) } : undefined),
    measure: async () => median((await workers.get(which)?.round("single", count)) ?? [])
  })
  return [contender(mode), contender("plain")]
}

export const namespaces = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const count = context.size.quick ? 100 : 500
  const names: ReadonlyArray<Mode> = ["level", "set", "pidSet", "plain"]
  const workers = new Map(names.map((mode) => [mode, Worker.start("namespaces.ts", [mode])]))
  const measure = (mode: Exclude<Mode, "plain">, most: number) =>
    compete(context, {
      id: "P16",
      work: `start /bin/true, wait, close its scope; one at a time, median; ${modes[mode].slice("Nursery, ".length)}`,
      unit: "µs",
      contenders: beside(mode, most, count, workers)
    })
  const measurements = [await measure("level", 1.4), await measure("set", 1.2), await measure("pidSet", 1.2)]
  for (const worker of workers.values()) await worker.close()
  return measurements
}
