/**
 * P11: how long it takes to close what many processes are tied to.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { atMost, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { Worker } from "../harness/worker.ts"

/** The C loop's seconds from being asked until all are dead and collected, and it too. */
const loop = async (context: Context, count: number): Promise<number> => {
  const { spawnLoop, sleeper } = context.native
  const holding = spawn(spawnLoop, ["hold", String(count), sleeper], { stdio: ["pipe", "pipe", "inherit"] })
  await once(holding.stdout, "data")
  const over = once(holding, "exit")
  const begin = performance.now()
  holding.stdin.end()
  await over
  return (performance.now() - begin) / 1000
}

export const closing = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { services } = context.size
  const worker = Worker.start("closing.ts", [context.native.sleeper])
  const tree = Worker.start("crowd_tree.ts", [context.native.sleeper])
  const stop = async () => {
    await tree.round("hold", services)
    return (await tree.round("letGo"))[0] ?? Number.NaN
  }
  const inNode = (round: string) => async () => (await worker.round(round, services))[0] ?? Number.NaN
  const measurement = await compete(context, {
    id: "P11",
    work: `closing a scope with ${services} processes that end on SIGTERM`,
    unit: "s",
    contenders: [
      { who: "Nursery, a scope as it is by default", ours: true, goal: atMost(0.2), measure: inNode("sequential") },
      { who: "Nursery, a scope that closes in parallel", ours: true, goal: atMost(0.2), measure: inNode("parallel") },
      { who: "Nursery, the whole nursery", ours: true, measure: inNode("nursery") },
      { who: "Nursery, a supervisor of as many", ours: true, measure: stop },
      { who: "C loop: SIGTERM for all, then wait for all", measure: () => loop(context, services) }
    ]
  })
  await worker.close()
  await tree.close()
  return [measurement]
}
