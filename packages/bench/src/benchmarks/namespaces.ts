/**
 * P16: what namespaces and cgroups add to the start of a process, its wait and the close of its scope.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { type Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import { program } from "../contenders/rounds.ts"
import { atMost, type Contender, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { median } from "../harness/statistics.ts"
import { Worker } from "../harness/worker.ts"

const modes = {
  level: "Nursery, level pid-namespace",
  set: "Nursery, in a ready set of namespaces",
  pidSet: "Nursery, in a ready set with a pid namespace",
  cgroup: "Nursery, level cgroup",
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

/** What the kernel alone takes, as far as this user may try it. */
const inC = (context: Context, count: number): ReadonlyArray<Contender> => {
  const contender = (who: string, mode: string): Contender => ({
    who,
    measure: async () => {
      const { stdout } = await promisify(execFile)(context.native.namespaces, [mode, String(count), program])
      return median(stdout.trim().split("\n").map(Number))
    }
  })
  if (process.geteuid?.() !== 0) return []
  return [contender("C, namespaces and /proc for each", "isolated"), contender("C, none", "plain")]
}

const kernelsPart = "what the kernel needs for it is the difference of those in C"

const isAvailable = async (level: Command.Containment): Promise<boolean> => {
  const { levels } = await Effect.runPromise(Nursery.guarantees.pipe(Effect.provide(Nursery.layer)))
  return levels.some((known) => known.level === level && known.available)
}

export const namespaces = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const count = context.size.quick ? 100 : 500
  const hasCgroups = await isAvailable("cgroup")
  const names: ReadonlyArray<Mode> = ["level", "set", "pidSet", "plain", ...(hasCgroups ? ["cgroup" as const] : [])]
  const workers = new Map(names.map((mode) => [mode, Worker.start("namespaces.ts", [mode])]))
  const measure = (mode: Exclude<Mode, "plain">, most: number, others: ReadonlyArray<Contender> = []) =>
    compete(context, {
      id: "P16",
      work: `start ${program}, wait, close its scope; one at a time, median; ${modes[mode].slice("Nursery, ".length)}`,
      unit: "µs",
      ...(others.length === 0 ? undefined : { note: kernelsPart }),
      contenders: [...beside(mode, most, count, workers), ...others]
    })
  const measurements = [
    await measure("level", 1.4, inC(context, count)),
    await measure("set", 1.2),
    await measure("pidSet", 1.2)
  ]
  if (hasCgroups) measurements.push(await measure("cgroup", 1.3))
  for (const worker of workers.values()) await worker.close()
  return measurements
}
