/**
 * P1: for how long a spawn stops everything else in the program, by the size of its heap.
 */
import { atMost, type Contender, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { median, quantile } from "../harness/statistics.ts"
import { Worker } from "../harness/worker.ts"

const GB = 1e9

export const stretch = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { quick } = context.size
  const measurements: Array<Measurement> = []
  for (const heap of quick ? [0.1, 1] : [0.1, 1, 4]) {
    const start = (file: string) =>
      Worker.start(file, ["", String(heap * GB)], ["--expose-gc", `--max-old-space-size=${heap * 1000 + 2000}`])
    const ours = start("nursery.ts")
    const theirs = start("child_process.ts")
    const count = quick ? 200 : 1000
    // A fork of a large heap takes so long that many of them would only heat the machine.
    const few = heap < 1 ? 100 : heap < 4 ? 40 : 15
    const rest = new Map<string, ReadonlyArray<number>>()
    const contender = (
      who: string,
      worker: Worker,
      round: string,
      spawns: number,
      options: Partial<Contender> = {}
    ) => ({
      who,
      ...options,
      measure: async () => {
        const stretches = await worker.round(round, spawns)
        // The first round warms up.
        const known = rest.get(who)
        rest.set(who, known === undefined ? [] : [...known, median(stretches)])
        return quantile(stretches, 0.99)
      }
    })
    const longest = await compete(context, {
      id: "P1",
      work: `longest stop of the event loop for one spawn, 99th of 100, heap ${heap} GB`,
      unit: "ms",
      note: `${count} spawns a round; of child_process ${few}, and so nearly its longest`,
      contenders: [
        contender("Nursery, /dev/null", ours, "stretch", count, { ours: true, goal: atMost(0.1) }),
        contender("Nursery, three pipes", ours, "stretchPiped", count, { ours: true, goal: atMost(0.1) }),
        contender("child_process, /dev/null", theirs, "stretch", few),
        contender("no spawn: what the machine adds", ours, "nothing", count)
      ]
    })
    measurements.push(longest, {
      ...longest,
      work: `longest stop of the event loop for one spawn, median, heap ${heap} GB`,
      rows: longest.rows.map((row) => ({ ...row, goal: undefined, figures: rest.get(row.who) ?? [] }))
    })
    await ours.close()
    await theirs.close()
  }
  return measurements
}
