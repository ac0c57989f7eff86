/**
 * P9: what a supervisor and its helpers need for each service, the service itself not counted.
 */
import { spawnAlone, tree } from "../contenders/peers/nursery.ts"
import { installed as peers } from "../contenders/peers/peers.ts"
import { atMost, type Context, compete, type Goal, type Measurement } from "../harness/measurement.ts"
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

/** What each service costs between two numbers of them, whole and in parts. */
const slope = async (
  context: Context,
  supervisors: ReadonlyArray<Supervisor>,
  low: number,
  high: number,
  goal: Goal | undefined
) => {
  const { quick, rounds } = context.size
  const slopes = new Map<string, Array<Footprint>>()
  const together = await compete(context, {
    id: "P9",
    work: `memory for each service, without its own, slope from ${low} to ${high}, proportional set size`,
    unit: "kB",
    note: isRoot ? "Nursery's and OTP's after a garbage collection" : "only root can measure Nursery's",
    rounds: quick ? 1 : Math.min(rounds, 3),
    contenders: supervisors.map((supervisor) => ({
      who: supervisor.who,
      ours: supervisor.ours === true,
      ...(supervisor.ours === true && goal !== undefined ? { goal } : {}),
      measure: async () => {
        const few = await measure(context, supervisor, low)
        const many = await measure(context, supervisor, high)
        const each = (part: keyof Footprint) => (many[part] - few[part]) / (high - low)
        const footprint = {
          itself: each("itself"),
          helpers: each("helpers"),
          fresh: each("fresh"),
          kernel: each("kernel")
        }
        slopes.set(supervisor.who, [...(slopes.get(supervisor.who) ?? []), footprint])
        return footprint.itself + footprint.helpers
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
  const itself: Measurement = {
    ...together,
    work: "of that, the supervisor's own process",
    note: undefined,
    // Nobody is compared: what is not in this process is in others.
    rows: rowsOf("itself").map((row) => ({ ...row, ours: false }))
  }
  return { together, itself, rowsOf }
}

// Reapers do not let others look into them.
const isRoot = process.geteuid?.() === 0

export const footprint = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { services: high } = context.size
  const low = Math.round(high / 5)
  const installed = context.installed()
  const ours = isRoot ? [tree(installed, { collects: true }), spawnAlone(installed, { collects: true })] : []
  const { itself, rowsOf, together } = await slope(context, [...ours, ...peers], low, high, atMost(32))
  // V8 compiles what is executed a thousand times, and keeps the memory that this took: once, however many services there are.
  const collecting = [...ours, ...peers.filter(({ who }) => who === "OTP")]
  const further = await slope(context, collecting, high, 3 * high, undefined)
  return [
    together,
    itself,
    {
      ...together,
      work: "the same right after the start, with all garbage and what is kept for new objects",
      note: undefined,
      rows: rowsOf("fresh")
    },
    {
      ...together,
      work: `kernel memory (slab, stacks, page tables) for each service, slope from ${low} to ${high}`,
      note: "of the whole machine, the service itself included",
      rows: rowsOf("kernel")
    },
    further.together,
    further.itself
  ]
}
