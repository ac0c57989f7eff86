/**
 * How far a run has come, and which of its stages holds the others back.
 *
 * A place where somebody waits for what comes has something slower before it, and one where nobody does has something slower after it. So
 * the stage that holds the others back is the one with the least waiting at its input and the most at its output. Where the kernel
 * joins processes it tells whether the reader waits; where it does not tell, it is the one of them that uses the processor most.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Outcome } from "../Report.ts"
import type { Run } from "./run.ts"
import { Samples } from "./sampling.ts"
import type { Stage } from "./stage.ts"

/**
 * What a process has read and written by system calls, from and to anything: files of its own and its libraries too, what it writes to
 * stderr, and what the processes have that it has waited for. What `splice(2)` moves is not in it.
 *
 * @category models
 */
export interface TransferProgress {
  /** Bytes. */
  readonly read: number
  readonly written: number
  readonly readPerSecond: number
  readonly writtenPerSecond: number
}

/**
 * How far a stage has come. Where bytes go from one process to the next through the kernel, nobody counts them: their counts and rates are
 * `undefined`, and `transferred` says about how many they are.
 *
 * @category models
 */
export interface StageProgress {
  readonly name: string
  readonly state: "waiting" | "running" | "ended"
  /** How it ended: with the last look. */
  readonly outcome: Outcome | undefined
  readonly bytesIn: number | undefined
  readonly bytesOut: number | undefined
  readonly recordsIn: number | undefined
  readonly recordsOut: number | undefined
  /** Out of it, in the time since the last look. */
  readonly bytesPerSecond: number | undefined
  readonly recordsPerSecond: number | undefined
  /** Of a process: how much of one processor it has used since the last look, from 0 on. */
  readonly processor: number | undefined
  /** Of a process: how much of all processors it has used in all, and those that it has waited for. */
  readonly processorTime: Duration.Duration | undefined
  /** Of a process that runs, where `/proc` tells it. */
  readonly transferred: TransferProgress | undefined
}

/**
 * How far a pipeline has come.
 *
 * @category models
 */
export interface Progress<out Stages = { readonly [name: string]: unknown }> {
  readonly stages: { readonly [Name in keyof Stages]: StageProgress }
  /** The stage that the others wait for, as far as that can be told; `undefined` where that is a source which is no stage, such as a Stream. */
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
  readonly read: number | undefined
  readonly written: number | undefined
}

interface Looks {
  readonly at: number
  readonly stages: ReadonlyMap<Stage, Look>
}

const look = (run: Run, samples: Samples): Effect.Effect<Looks> =>
  Effect.map(
    Effect.forEach(run.stages.values(), (stage) =>
      Effect.map(used(stage), (time) => [stage, lookAt(stage, time, samples)] as const)
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

const nothing = { read: undefined, written: undefined }

const lookAt = (stage: Stage, used: number | undefined, samples: Samples): Look => ({
  bytes: stage.out.bytes,
  records: stage.out.records,
  waitedIn: stage.in.waited,
  waitedOut: stage.out.waited,
  used,
  ...((stage.ended === undefined ? samples.transferred.get(stage) : undefined) ?? nothing)
})

/** What the kernel does is looked at up to so many times for each look, and not more often than every 10 milliseconds. */
const mostSamples = 10
const leastPause = 10

const sampled = (samples: Samples, every: Duration.Input): Effect.Effect<void> => {
  const length = Duration.toMillis(Duration.fromInputUnsafe(every))
  const count = Math.max(1, Math.min(mostSamples, Math.floor(length / leastPause)))
  const next = Effect.andThen(
    Effect.sleep(length / count),
    Effect.sync(() => samples.take())
  )
  return Effect.andThen(
    Effect.sync(() => samples.begin()),
    Effect.repeat(next, { times: count - 1 })
  )
}

/** One look after the other, every so often and at the end. */
export const progress = (run: Run, every: Duration.Input): Stream.Stream<Progress> =>
  Stream.suspend(() => {
    const samples = new Samples(run)
    samples.take()
    return Stream.unwrap(
      Effect.map(look(run, samples), (first) =>
        Stream.unfold<Looks | undefined, Progress, never, never>(first, (before) => {
          if (before === undefined) return Effect.undefined
          const pause = Effect.raceFirst(sampled(samples, every), Deferred.await(run.over))
          return Effect.map(Effect.andThen(pause, look(run, samples)), (now) => {
            const isOver = Deferred.isDoneUnsafe(run.over)
            return [between(run, samples, before, now, isOver), isOver ? undefined : now] as const
          })
        })
      )
    )
  })

const between = (run: Run, samples: Samples, before: Looks, now: Looks, isOver: boolean): Progress => {
  const milliseconds = Math.max(now.at - before.at, 1)
  const rate = (stage: Stage, key: "bytes" | "records" | "used" | "read" | "written"): number | undefined => {
    const value = now.stages.get(stage)?.[key]
    return value === undefined ? undefined : (value - (before.stages.get(stage)?.[key] ?? 0)) / milliseconds
  }
  const perSecond = (value: number | undefined) => (value === undefined ? undefined : value * 1000)
  const outcomes = isOver ? run.report().stages : {}
  const stages = Array.from(
    run.stages.values(),
    (stage): StageProgress => ({
      name: stage.name,
      outcome: outcomes[stage.name]?.outcome,
      state: stage.started === undefined ? "waiting" : stage.ended === undefined ? "running" : "ended",
      bytesIn: stage.in.bytes,
      bytesOut: stage.out.bytes,
      recordsIn: stage.in.records,
      recordsOut: stage.out.records,
      bytesPerSecond: perSecond(rate(stage, "bytes")),
      recordsPerSecond: perSecond(rate(stage, "records")),
      processor: rate(stage, "used"),
      processorTime: timeOf(now.stages.get(stage)),
      transferred: transferOf(now.stages.get(stage), (key) => (rate(stage, key) ?? 0) * 1000)
    })
  )
  const waited = (stage: Stage, key: "waitedIn" | "waitedOut") =>
    ((now.stages.get(stage)?.[key] ?? 0) - (before.stages.get(stage)?.[key] ?? 0)) / milliseconds
  return {
    stages: Object.fromEntries(stages.map((stage) => [stage.name, stage])),
    bottleneck: isOver ? undefined : bottleneck(run, samples, waited, (stage) => rate(stage, "used") ?? 0),
    elapsed: Duration.millis(Math.max(run.now - run.begun, 0)),
    isOver
  }
}

const timeOf = (look: Look | undefined): Duration.Duration | undefined =>
  look?.used === undefined ? undefined : Duration.millis(look.used)

const transferOf = (
  look: Look | undefined,
  perSecond: (key: "read" | "written") => number
): TransferProgress | undefined =>
  look?.read === undefined || look.written === undefined
    ? undefined
    : {
        read: look.read,
        written: look.written,
        readPerSecond: perSecond("read"),
        writtenPerSecond: perSecond("written")
      }

/** Processes of which nobody knows who waits for whom are one here. */
const units = (run: Run, samples: Samples): ReadonlyArray<readonly [Stage, ...Array<Stage>]> => {
  const all: Array<[Stage, ...Array<Stage>]> = []
  for (const { _tag, name } of run.spec.stages) {
    const stage = run.stage(name)
    const last = all.at(-1)
    const isJoined = last !== undefined && last[0].kind === "process" && _tag === "Process"
    if (isJoined && !stage.in.isRead && samples.waitedFor(stage) === undefined) last.push(stage)
    else all.push([stage])
  }
  return all
}

const bottleneck = (
  run: Run,
  samples: Samples,
  waited: (stage: Stage, key: "waitedIn" | "waitedOut") => number,
  processorOf: (stage: Stage) => number
): string | undefined => {
  const all = units(run, samples)
  // The source is before all of them: as slow as it is waited for.
  const source = all[0]?.[0]
  let found: readonly [Stage, ...Array<Stage>] | undefined
  let most = source === undefined || source.ended !== undefined ? Number.NEGATIVE_INFINITY : waited(source, "waitedIn")
  for (const [index, unit] of all.entries()) {
    if (unit.every(({ ended }) => ended !== undefined)) continue
    const [first] = unit
    const last = unit.at(-1) ?? first
    const next = all[index + 1]?.[0]
    const out = next === undefined ? 1 : (samples.waitedFor(next) ?? waited(last, "waitedOut"))
    const score = out - (samples.waitedFor(first) ?? waited(first, "waitedIn"))
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
