/**
 * P9: what a supervisor and its helpers need for each service, the service itself not counted.
 */
import { spawnAlone, tree } from "../contenders/peers/nursery.ts"
import { installed as peers } from "../contenders/peers/peers.ts"
import { atMost, type Context, compete, type Measurement } from "../harness/measurement.ts"
import * as Memory from "../harness/memory.ts"
import { Stage, type Supervisor } from "../harness/supervised.ts"

interface Footprint {
  /** Kilobytes of proportional set size, of the supervisor's own process and of its helpers. */
  readonly itself: number
  readonly helpers: number
  /** The same together, before anybody was asked to collect garbage. */
  readonly fresh: number
  /** Kilobytes of the kernel's tables, of the whole machine. */
  readonly kernel: number
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

const measure = async (context: Context, supervisor: Supervisor, services: number): Promise<Footprint> => {
  const stage = new Stage(context.arena, supervisor, context.native.service.static, services)
  const before = Memory.kernel()
  const running = await stage.start()
  const kernel = Memory.kernel() - before
  const pids = running.processes().helpers
  const fresh = sum(pids.map(Memory.proportional))
  await running.collect()
  const [itself = 0, ...helpers] = pids.map(Memory.proportional)
  await running.end()
  stage.close()
  if (itself === 0 || helpers.includes(0)) throw new Error("the memory of helpers can be read by root only")
  return { itself, helpers: sum(helpers), fresh, kernel }
}

export const footprint = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { quick, services: high } = context.size
  const low = Math.round(high / 5)
  const installed = context.installed()
  // Reapers do not let others look into them.
  const isRoot = process.geteuid?.() === 0
  const ours = isRoot ? [tree(installed, { collects: true }), spawnAlone(installed, { collects: true })] : []
  const supervisors: ReadonlyArray<Supervisor> = [...ours, ...peers]
  const slopes = new Map<string, Array<Footprint>>()
  const id = "P9"
  const unit = "kB"
  const from = `slope from ${low} to ${high}`
  const together = await compete(context, {
    id,
    work: `memory for each service, without its own, ${from}, proportional set size`,
    unit,
    note: isRoot ? "Nursery's and OTP's after a garbage collection" : "only root can measure Nursery's",
    rounds: quick ? 1 : Math.min(context.size.rounds, 3),
    contenders: supervisors.map((supervisor) => ({
      who: supervisor.who,
      ours: supervisor.ours === true,
      ...(supervisor.ours === true ? { goal: atMost(32) } : {}),
      measure: async () => {
        const few = await measure(context, supervisor, low)
        const many = await measure(context, supervisor, high)
        const slope = (part: keyof Footprint) => (many[part] - few[part]) / (high - low)
        const [itself, helpers, fresh, kernel] = [slope("itself"), slope("helpers"), slope("fresh"), slope("kernel")]
        const known = slopes.get(supervisor.who) ?? []
        slopes.set(supervisor.who, [...known, { itself, helpers, fresh, kernel }])
        return itself + helpers
      }
    }))
  })
  // The first round of everybody does not count.
  const rowsOf = (part: keyof Footprint) =>
    together.rows.map((row) => ({
      ...row,
      goal: undefined,
      figures: (slopes.get(row.who) ?? []).slice(1).map((footprint) => footprint[part])
    }))
  return [
    together,
    {
      ...together,
      work: "of that, the supervisor's own process",
      note: undefined,
      // Nobody is compared: what is not in this process is in others.
      rows: rowsOf("itself").map((row) => ({ ...row, ours: false }))
    },
    {
      ...together,
      work: "the same right after the start, with all garbage and what is kept for new objects",
      note: undefined,
      rows: rowsOf("fresh")
    },
    {
      ...together,
      work: `kernel memory (slab, stacks, page tables) for each service, ${from}`,
      note: "of the whole machine, the service itself included",
      rows: rowsOf("kernel")
    }
  ]
}
