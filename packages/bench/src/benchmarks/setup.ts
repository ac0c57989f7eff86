/**
 * P15: what it costs to arrange something before a start, against a start without it.
 */
import { atLeast, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { Worker } from "../harness/worker.ts"

const parallel = 8

export const setup = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const worker = Worker.start("setup.ts", [])
  const count = context.size.quick ? 400 : 2000
  const rate = (round: string) => async () => {
    const [seconds = 0] = await worker.round(round, count, parallel)
    return count / seconds
  }
  const arranged = await compete(context, {
    id: "P15",
    work: `start /bin/true, wait, close its scope; ${parallel} at a time`,
    unit: "/s",
    contenders: [
      { who: "with two descriptors, four limits and credentials", ours: true, measure: rate("arranged") },
      { who: "without", goal: atLeast(0.9), measure: rate("plain") },
      { who: "in a sandbox of files", measure: rate("sandboxed") }
    ]
  })
  await worker.close()
  return [arranged]
}
