/**
 * P1: for how long a spawn stops everything else in the program, by the size of its heap.
 */
import { atMost, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { quantile } from "../harness/statistics.ts"
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
    const p99 = (worker: Worker, name: string, spawns: number) => async () =>
      quantile(await worker.round(name, spawns), 0.99)
    measurements.push(
      await compete(context, {
        id: "P1",
        work: `longest stop of the event loop for one spawn, 99th of 100, heap ${heap} GB`,
        unit: "ms",
        note: `${count} spawns a round; of child_process ${few}, and so nearly its longest`,
        contenders: [
          { who: "Nursery, /dev/null", ours: true, goal: atMost(0.1), measure: p99(ours, "stretch", count) },
          { who: "Nursery, three pipes", ours: true, goal: atMost(0.1), measure: p99(ours, "stretchPiped", count) },
          { who: "child_process", measure: p99(theirs, "stretch", few) },
          { who: "no spawn: what the machine adds", measure: p99(ours, "nothing", count) }
        ]
      })
    )
    await ours.close()
    await theirs.close()
  }
  return measurements
}
