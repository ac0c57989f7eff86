/**
 * How far a run has come, and which of its stages holds the others back.
 *
 * A place where this program waits has something slower before it, and one where it does not has something slower after it. So the stage
 * that holds the others back is the one with the least waiting at its input and the most at its output. Of processes that the
 * kernel joins, it is the one that uses the processor most.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Run } from "./run.ts"
import type { Stage } from "./stage.ts"

/**
 * How far a stage has come. Where bytes go from one process to the next through the kernel, their counts and rates are `undefined`.
 *
 * @category models
 */
export interface StageProgress {
  readonly name: string
  readonly state: "waiting" | "running" | "ended"
  readonly bytesIn: number | undefined
  readonly bytesOut: number | undefined
  readonly recordsIn: number | undefined
  readonly recordsOut: number | undefined
  /** Out of it, in the time since the last look. */
  readonly bytesPerSecond: number | undefined
  readonly recordsPerSecond: number | undefined
  /** Of a process: how much of one processor it has used since the last look, from 0 on. */
  readonly processor: number | undefined
}

/**
 * How far a pipeline has come.
 *
 * @category models
 */
export interface Progress<out Stages = { readonly [name: string]: unknown }> {
  readonly stages: { readonly [Name in keyof Stages]: StageProgress }
  /** The stage that the others wait for, as far as that can be told. */
  readonly bottleneck: string | undefined
  readonly elapsed: Duration.Duration
  /** Whether the pipeline has ended, and this is the last look. */
  readonly isOver: boolean
}

/** What is remembered of a stage from one look to the next. */
interface Look {
  readonly bytes: number | undefined
  readonly records: number | undefined
  readonly waitedIn: number
  readonly waitedOut: number
  /** Milliseconds of processor time. */
  readonly used: number | undefined
}

interface Looks {
  readonly at: number
  readonly stages: ReadonlyMap<Stage, Look>
}

const look = (run: Run): Effect.Effect<Looks> =>
  Effect.map(
    Effect.forEach(run.stages.values(), (stage) =>
      Effect.map(used(stage), (time) => [stage, lookAt(stage, time)] as const)
    ),
    (all): Looks => ({ at: performance.now(), stages: new Map(all) })
  )

const used = (stage: Stage): Effect.Effect<number | undefined> =>
  stage.usage === undefined
    ? Effect.undefined
    : Effect.map(Effect.exit(stage.usage), (exit) =>
        Exit.isSuccess(exit)
          ? Duration.toMillis(exit.value.userTime) + Duration.toMillis(exit.value.systemTime)
          : undefined
      )

const lookAt = (stage: Stage, used: number | undefined): Look => ({
  bytes: stage.out.bytes,
  records: stage.out.records,
  waitedIn: stage.in.waited,
  waitedOut: stage.out.waited,
  used
})

/** One look after the other, every so often and at the end. */
export const progress = (run: Run, every: Duration.Input): Stream.Stream<Progress> =>
  Stream.unwrap(
    Effect.map(look(run), (first) =>
      Stream.unfold<Looks | undefined, Progress, never, never>(first, (before) => {
        if (before === undefined) return Effect.undefined
        const pause = Effect.raceFirst(Effect.sleep(every), Deferred.await(run.over))
        return Effect.map(Effect.andThen(pause, look(run)), (now) => {
          const isOver = Deferred.isDoneUnsafe(run.over)
          return [between(run, before, now, isOver), isOver ? undefined : now] as const
        })
      })
    )
  )

const between = (run: Run, before: Looks, now: Looks, isOver: boolean): Progress => {
  const milliseconds = Math.max(now.at - before.at, 1)
  const rate = (stage: Stage, key: "bytes" | "records" | "used"): number | undefined => {
    const value = now.stages.get(stage)?.[key]
    return value === undefined ? undefined : (value - (before.stages.get(stage)?.[key] ?? 0)) / milliseconds
  }
  const perSecond = (value: number | undefined) => (value === undefined ? undefined : value * 1000)
  const stages = Array.from(
    run.stages.values(),
    (stage): StageProgress => ({
      name: stage.name,
      state: stage.started === undefined ? "waiting" : stage.ended === undefined ? "running" : "ended",
      bytesIn: stage.in.bytes,
      bytesOut: stage.out.bytes,
      recordsIn: stage.in.records,
      recordsOut: stage.out.records,
      bytesPerSecond: perSecond(rate(stage, "bytes")),
      recordsPerSecond: perSecond(rate(stage, "records")),
      processor: rate(stage, "used")
    })
  )
  const waited = (stage: Stage, key: "waitedIn" | "waitedOut") =>
    ((now.stages.get(stage)?.[key] ?? 0) - (before.stages.get(stage)?.[key] ?? 0)) / milliseconds
  return {
    stages: Object.fromEntries(stages.map((stage) => [stage.name, stage])),
    bottleneck: isOver ? undefined : bottleneck(run, waited, (stage) => rate(stage, "used") ?? 0),
    elapsed: Duration.millis(Math.max(run.now - run.begun, 0)),
    isOver
  }
}

/** Neighbours that the kernel joins are one here. */
const units = (run: Run): ReadonlyArray<readonly [Stage, ...Array<Stage>]> => {
  const all: Array<[Stage, ...Array<Stage>]> = []
  for (const { _tag, name } of run.spec.stages) {
    const stage = run.stage(name)
    const last = all.at(-1)
    if (last !== undefined && last[0].kind === "process" && _tag === "Process") last.push(stage)
    else all.push([stage])
  }
  return all
}

const bottleneck = (
  run: Run,
  waited: (stage: Stage, key: "waitedIn" | "waitedOut") => number,
  processorOf: (stage: Stage) => number
): string | undefined => {
  let found: readonly [Stage, ...Array<Stage>] | undefined
  let most = Number.NEGATIVE_INFINITY
  const all = units(run)
  for (const [index, unit] of all.entries()) {
    if (unit.every(({ ended }) => ended !== undefined)) continue
    const [first] = unit
    const last = unit.at(-1) ?? first
    const score = (index === all.length - 1 ? 1 : waited(last, "waitedOut")) - waited(first, "waitedIn")
    if (score > most) {
      most = score
      found = unit
    }
  }
  let busiest = found?.[0]
  for (const stage of found ?? []) {
    if (busiest !== undefined && processorOf(stage) > processorOf(busiest)) busiest = stage
  }
  return busiest?.name
}
