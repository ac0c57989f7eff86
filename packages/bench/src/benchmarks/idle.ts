/**
 * P12: what supervisors do while nothing happens.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { spawnAlone, tree } from "../contenders/peers/nursery.ts"
import { installed as peers } from "../contenders/peers/peers.ts"
import { type Activity, activity } from "../harness/activity.ts"
import { atMost, type Context, type Goal, type Measurement, type Row } from "../harness/measurement.ts"
import { Stage, type Supervisor } from "../harness/supervised.ts"

/** Some of a supervisor's processes. */
interface Watched {
  readonly who: string
  readonly goal: Goal | undefined
  readonly pids: ReadonlyArray<number>
}

export const idle = async (context: Context): Promise<ReadonlyArray<Measurement>> => {
  const { arena } = context
  const { quick, services } = context.size
  const seconds = quick ? 10 : 60
  // V8 looks every 8 seconds whether it could do with less memory, until it has collected garbage twice, 100 seconds apart.
  const settling = quick ? 20 : 240
  const installed = context.installed()
  const supervisors: ReadonlyArray<Supervisor> = [tree(installed), spawnAlone(installed), ...peers]
  const standing = []
  const watched: Array<Watched> = []
  for (const supervisor of supervisors) {
    context.progress(`P12: start of ${supervisor.who}`)
    const running = await new Stage(arena, supervisor, context.native.service.static, services).start()
    standing.push(running)
    const [itself = 0, ...helpers] = running.processes().helpers
    if (supervisor.ours === true) {
      watched.push({ who: `${supervisor.who}: guard, keeper, reapers`, goal: atMost(0), pids: helpers })
      watched.push({ who: `${supervisor.who}: Node`, goal: quick ? undefined : atMost(0), pids: [itself] })
    } else watched.push({ who: supervisor.who, goal: undefined, pids: [itself, ...helpers] })
  }
  const activities = () => watched.map(({ pids }) => activity(pids))
  // All at the same time: what one does is not counted for another. What goes on after a start is none of it.
  arena.step(10 * (settling + seconds))
  context.progress(`P12: all idle, ${settling + seconds} seconds`)
  await sleep(settling * 1000)
  const before = activities()
  await sleep(seconds * 1000)
  const after = activities()
  for (const running of standing) await running.end()
  const table = (work: string, unit: string, part: keyof Activity): Measurement => ({
    id: "P12",
    work: `${work} in ${seconds} seconds with ${services} services that do nothing`,
    unit,
    note: `from ${settling} seconds after the last start`,
    // None of them is ours to the table: a ratio to nothing would say nothing.
    rows: watched.map(
      ({ goal, who }, index): Row => ({
        who,
        ours: false,
        goal,
        figures: [(after[index]?.[part] ?? Number.NaN) - (before[index]?.[part] ?? Number.NaN)]
      })
    )
  })
  return [table("wake-ups", "", "wakeUps"), table("processor time", "ms", "cpu")]
}
