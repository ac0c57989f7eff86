/**
 * P8: from SIGKILL for a service until another runs in its place.
 */
import { spawnAlone, tree } from "../contenders/peers/nursery.ts"
import { installed as peers } from "../contenders/peers/peers.ts"
import { atMost, type Contender, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { median, quantile } from "../harness/statistics.ts"
import { Stage, type Supervised, type Supervisor } from "../harness/supervised.ts"

/** Milliseconds: a service that ends in its first second is started anew only later by most. */
const leastAge = 1500

/** Those that let a second pass before each restart. */
const slow = ["s6", "supervisord"]

export const restart = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { arena } = context
  const { quick, services } = context.size
  const count = quick ? Math.min(services, 200) : 1000
  const few = quick ? 2 : 5
  const installed = context.installed()
  const supervisors: ReadonlyArray<Supervisor> = [tree(installed), spawnAlone(installed), ...peers]
  // All stand side by side from the first round to the last.
  const standing: Array<Supervised> = []
  const longest = new Map<string, Array<number>>()
  const contenders: Array<Contender> = []
  for (const supervisor of supervisors) {
    const { who } = supervisor
    context.progress(`P8: start of ${who}`)
    const running = await new Stage(arena, supervisor, context.native.service.static, services).start()
    standing.push(running)
    contenders.push({
      who,
      ours: supervisor.ours === true,
      ...(who === "OTP" ? { goal: atMost(1) } : {}),
      measure: async () => {
        arena.step(600)
        const latencies: Array<number> = []
        for (let kills = slow.includes(who) ? few : count; kills > 0; kills--) {
          latencies.push(await running.killOne(leastAge))
        }
        longest.set(who, [...(longest.get(who) ?? []), quantile(latencies, 0.99)])
        return median(latencies)
      }
    })
  }
  const work = `SIGKILL for one of ${services} services until another runs`
  const middle = await compete(context, {
    id: "P8",
    work: `${work}, median`,
    unit: "ms",
    rounds: Math.min(context.size.rounds, 5),
    note: `${count} a round, of ${slow.join(" and ")} ${few}`,
    contenders
  })
  for (const running of standing) await running.end()
  const rows = middle.rows.map((row) => ({ ...row, figures: (longest.get(row.who) ?? []).slice(1) }))
  return [middle, { ...middle, work: `${work}, 99th of 100`, rows }]
}
