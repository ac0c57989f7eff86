/**
 * Pipelines of any shape, whose stages fail in any way, are killed and interrupted at any time: each ends, leaves nothing behind, tells of
 * every stage, and fails with what can have been the first cause.
 */
import { readdirSync } from "node:fs"
import { expect } from "@effect/vitest"
import { Pipeline, type Report, StageFailed } from "@nursery/pipeline"
import { Fd, Nursery } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { isCampaign, make as makeRandom } from "../../../process/test/support/random.ts"
import { type AnyPipeline, anyPipeline } from "../support/anyPipeline.ts"
import { onKeeper } from "../support/setup.ts"

const rounds = isCampaign ? 5000 : 60
/** What takes longer hangs, on a slow machine too. */
const patience = "100 seconds"
const random = makeRandom("pipelines at random")
const size = Sink.fold(
  () => 0,
  () => true,
  (sum: number, chunk: Uint8Array) => Effect.succeed(sum + chunk.length)
)

type Ran = Pipeline.RunSink<number, Readonly<Record<string, "process" | "typed">>>

/** Kills one of the processes, and tells which. */
const kill = Effect.gen(function* () {
  const [first, ...others] = yield* Nursery.processes
  if (first === undefined) return undefined
  const { pid } = random.pick([first, ...others])
  yield* Effect.ignore(Effect.try(() => process.kill(pid, "SIGKILL")))
  return pid
})

/** What is the matter with a report, whatever became of the pipeline. */
const checkReport = ({ names }: AnyPipeline, { firstCause, stages }: Report): void => {
  expect(Object.keys(stages)).toEqual(names)
  for (const stage of Object.values(stages)) {
    if (stage.outcome === "failed") expect(stage.name).toBe(firstCause)
    if (stage.started === undefined) expect(stage.outcome, stage.name).toMatch(/^(failed|followed|unstarted)$/)
    else if (stage.kind === "process") expect(stage.exit, stage.name).toBeDefined()
    if (stage.cause !== undefined) expect(names).toContain(stage.cause)
  }
}

interface Chaos {
  /** The pid of the process that was killed. */
  readonly killed: number | undefined
  readonly isInterrupted: boolean
}

/** What is the matter with the end of a pipeline. */
const checkEnd = (of: AnyPipeline, { isInterrupted, killed }: Chaos, exit: Exit.Exit<Ran, unknown>): void => {
  if (Exit.isSuccess(exit)) {
    const { report, value } = exit.value
    checkReport(of, report)
    expect(of.fails).toBe(false)
    if (of.size !== undefined) expect(value).toBe(of.size)
    for (const { name, outcome } of Object.values(report.stages))
      expect(outcome, name).toMatch(/^(succeeded|followed)$/)
    return
  }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    expect(isInterrupted).toBe(true)
    return
  }
  expect(Cause.hasDies(exit.cause)).toBe(false)
  const error = Cause.squash(exit.cause)
  if (!(error instanceof StageFailed)) {
    expect([of.sourceFails, error]).toEqual([true, "source"])
    return
  }
  checkReport(of, error.report)
  expect(error.stage).toBe(error.report.firstCause)
  const stage = error.report.stages[error.stage]
  const isKilled = killed !== undefined && stage?.kind === "process" && stage.pid === killed
  expect(isKilled || of.failing.has(error.stage), error.stage).toBe(true)
}

onKeeper("pipelines at random", (it) => {
  it.effect(`end as they may, ${rounds} of them`, () =>
    Effect.gen(function* () {
      const { read, write } = yield* Fd.pipe()
      const descriptors = readdirSync("/proc/self/fd").length
      for (let round = 0; round < rounds; round++) {
        const of = anyPipeline(random, write)
        const fiber = yield* Effect.forkChild(Pipeline.toSink(size)(of.pipeline), { startImmediately: true })
        const chaos = random.below(4)
        let killed: number | undefined
        if (chaos > 0) yield* Effect.sleep(random.below(25))
        if (chaos === 1) killed = yield* kill
        if (!of.ends || chaos === 2) yield* Fiber.interrupt(fiber)
        const exit = yield* Effect.raceFirst(Fiber.await(fiber), Effect.as(Effect.sleep(patience), undefined))
        const end = exit === undefined ? "it hangs" : Exit.isSuccess(exit) ? "success" : Cause.pretty(exit.cause)
        const told = `round ${round}, ${of.text}${killed === undefined ? "" : `, killed ${killed}`}: ${end}`
        if (exit === undefined) throw new Error(told)
        try {
          checkEnd(of, { killed, isInterrupted: !of.ends || chaos === 2 }, exit)
        } catch (error) {
          throw new Error(told, { cause: error })
        }
        expect(yield* Nursery.processes, told).toEqual([])
      }
      // The end of file proves that no process is left.
      yield* Fd.close(write)
      yield* Stream.runDrain(Fd.readable(read))
      expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(descriptors)
    })
  )
})
