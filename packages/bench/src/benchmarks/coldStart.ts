/**
 * P7: from the start of a supervisor's program until all of its services run.
 */
import { spawnAlone, tree } from "../contenders/peers/nursery.ts"
import { installed as peers } from "../contenders/peers/peers.ts"
import { atMost, type Contender, type Context, compete, type Measurement } from "../harness/measurement.ts"
import { Stage, type Supervisor } from "../harness/supervised.ts"

export const coldStart = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { arena } = context
  const { services } = context.size
  const installed = context.installed()
  const supervisors: ReadonlyArray<Supervisor> = [
    tree(installed),
    { ...tree(installed, { cached: true }), who: "the same with Node's compile cache" },
    spawnAlone(installed),
    ...peers
  ]
  const measurements: Array<Measurement> = []
  for (const linkage of ["static", "dynamic"] as const) {
    const contender = (supervisor: Supervisor): Contender => {
      const stage = new Stage(arena, supervisor, context.native.service[linkage], services)
      return {
        who: supervisor.who,
        ours: supervisor.ours === true,
        ...(supervisor.who === "OTP" ? { goal: atMost(0.7) } : {}),
        measure: async () => {
          const running = await stage.start()
          await running.end()
          return running.took / 1000
        }
      }
    }
    measurements.push(
      await compete(context, {
        id: "P7",
        work: `${services} services, from the start of the supervisor's program until all run; a ${linkage} program`,
        unit: "s",
        rounds: Math.min(context.size.rounds, 5),
        contenders: supervisors.map(contender)
      })
    )
  }
  return measurements
}
