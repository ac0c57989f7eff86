/**
 * One run of a pipeline: its stages, what has happened to them, and how all of it ends.
 *
 * A failure does not travel along the Streams of a pipeline, where stages could catch it and readers could take it for the end of their
 * input. It is told here; what has failed stays where it is, without an end, until the run is over and everything is stopped.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { StageFailed, TimeLimit } from "../PipelineError.ts"
import type { Report } from "../Report.ts"
import { isDying } from "./dying.ts"
import { tell } from "./sight.ts"
import { allStages, type Spec } from "./spec.ts"
import { Stage } from "./stage.ts"
import { blame, type End, firstCause, judge } from "./verdict.ts"

/** Why a run does not go on to its natural end. */
type Failure =
  /** A stage has failed in a way that nothing can go on after. */
  | { readonly _tag: "Stage"; readonly name: string; readonly cause: Cause.Cause<unknown> | undefined }
  /** Something that is no stage: the source, or where the output goes to. */
  | { readonly _tag: "Other"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "TimeLimit"; readonly after: Duration.Duration }

export class Run {
  readonly spec: Spec
  readonly context: Context.Context<never>
  readonly stages: ReadonlyMap<string, Stage>
  /** Something went wrong that nothing can go on after. */
  readonly failed = Deferred.makeUnsafe<void>()
  /** The fibers. They live longer than the processes: a pipe that one of them holds open has no end before its reader is gone. */
  readonly fibers = Scope.makeUnsafe("parallel")
  /** The processes, in a scope of their own for each part of the pipeline. */
  readonly processes = Scope.makeUnsafe("parallel")
  /** Its processes are those of this machine, so that the kernel can be asked about them. */
  isReal = true
  readonly #clock: Clock.Clock
  readonly #begun: number
  readonly #tasks: Array<Fiber.Fiber<void>> = []
  readonly #running = new Set<Stage>()
  /** Of each process whether it runs, and when its exit has been noted. */
  readonly #exits: Array<readonly [isRunning: Effect.Effect<boolean>, isNoted: Deferred.Deferred<void>]> = []
  #failure: Failure | undefined
  #ended = 0
  /** What ends from now on may have been ended. */
  #stopping = false

  constructor(spec: Spec, context: Context.Context<never>, clock: Clock.Clock) {
    this.spec = spec
    this.context = context
    this.#clock = clock
    this.#begun = clock.currentTimeMillisUnsafe()
    this.stages = new Map(allStages(spec).map((each) => [each.name, new Stage(each)] as const))
  }

  stage(name: string): Stage {
    const stage = this.stages.get(name)
    if (stage === undefined) throw new Error(`there is no stage ${name}`)
    return stage
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#clock.currentTimeMillisUnsafe()
  }

  get begun(): number {
    return this.#begun
  }

  started(stage: Stage): void {
    stage.started = this.now
    this.#running.add(stage)
  }

  /** A stage has ended: by itself, unless everything is being stopped and it was not dying before. */
  ended(stage: Stage, end: End): void {
    if (stage.ended !== undefined) return
    stage.ended = this.#clock.currentTimeMillisUnsafe()
    this.#running.delete(stage)
    if (this.#stopping && stage.rank === Number.POSITIVE_INFINITY) return
    if (end === "failed" && !this.#stopping) this.#overtaken(stage)
    stage.end = end
    if (stage.rank === Number.POSITIVE_INFINITY) stage.rank = this.#ended++
  }

  /**
   * Those before it that have ended, but are not heard of yet: it may have failed for the end of its input. Of those after it that are
   * dead by now as well, the end came later: it is rare that who has lost its reader is not killed by SIGPIPE, but fails.
   */
  #overtaken(failed: Stage): void {
    if (!this.isReal) return
    for (const stage of this.stages.values()) {
      if (stage === failed) return
      if (!this.#running.has(stage) || stage.pid === undefined || stage.rank !== Number.POSITIVE_INFINITY) continue
      if (isDying(stage.pid)) stage.rank = this.#ended++
    }
  }

  /** A stage has failed in a way that nothing can go on after. It waits here for the end of everything. */
  failStage(stage: Stage, cause: Cause.Cause<unknown>): Effect.Effect<never> {
    return Effect.suspend(() => {
      if (Cause.hasInterruptsOnly(cause)) return this.failOther(cause)
      // What it is stopped by is no error of its own.
      stage.error ??= Cause.squash(cause)
      this.ended(stage, "failed")
      // A process that has ended well all the same.
      if (stage.end === "good" && !this.#stopping) stage.end = "failed"
      return this.#fail({ _tag: "Stage", name: stage.name, cause })
    })
  }

  /** Something that is no stage has failed, or anything has interrupted itself: that is no end either. */
  failOther(cause: Cause.Cause<unknown>): Effect.Effect<never> {
    return Effect.suspend(() => this.#fail({ _tag: "Other", cause }))
  }

  #fail(failure: Failure): Effect.Effect<never> {
    this.#failNow(failure)
    return Effect.never
  }

  #failNow(failure: Failure): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#failure = failure
    Deferred.doneUnsafe(this.failed, Exit.void)
  }

  /** A process has ended: where that is a failure of the pipeline already, nothing is waited for that was asked for. */
  checkEnd(): void {
    const { endsOnFailure, policy, stages } = this.spec
    if (!endsOnFailure || typeof policy === "function") return
    const ends = Array.from(this.stages.values(), (stage) => stage.asEnded)
    // Of one that ended before it is not known yet how: it is asked again then.
    if (ends.some(({ end, rank }) => end === undefined && rank !== Number.POSITIVE_INFINITY)) return
    const name = blame(ends, policy, stages.at(-1)?.name)
    if (name !== undefined) this.#failNow({ _tag: "Stage", name, cause: undefined })
  }

  /**
   * Whether what these stages have written is all that they should have: asked when it has been read to its end. If not, the run ends
   * here, for nobody may take it for the whole.
   */
  checkPart(stages: ReadonlyArray<Stage>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { policy } = this.spec
      // A function decides at the end, and the last one is none of these.
      if (typeof policy === "function" || policy === "last") return Effect.void
      const name = blame(
        stages.map((each) => each.asEnded),
        policy,
        undefined
      )
      return name === undefined ? Effect.void : this.#fail({ _tag: "Stage", name, cause: undefined })
    })
  }

  /** Has something done that the run is not over without. */
  task(effect: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.map(this.background(effect), (fiber) => {
      this.#tasks.push(fiber)
    })
  }

  /** Has the exit of a process noted, so that it is in the report also where the run is ended. */
  notes(isRunning: Effect.Effect<boolean>, isNoted: Deferred.Deferred<void>): void {
    this.#exits.push([isRunning, isNoted])
  }

  /** The exits of all processes that are not there any more; one that could not be killed is. */
  readonly #noted: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      this.#exits,
      ([isRunning, isNoted]) => Effect.flatMap(isRunning, (runs) => (runs ? Effect.void : Deferred.await(isNoted))),
      { discard: true }
    )
  )

  /** Has something done for as long as the run lasts. */
  background(effect: Effect.Effect<void>): Effect.Effect<Fiber.Fiber<void>> {
    return Effect.forkIn(
      Effect.catchCause(effect, (cause) => this.failOther(cause)),
      this.fibers,
      { startImmediately: true }
    )
  }

  /** Ends all of it when a part is not done in time. */
  limit(after: Duration.Duration, isDone: () => boolean): Effect.Effect<void> {
    return Effect.asVoid(
      this.background(
        Effect.andThen(
          Effect.sleep(after),
          Effect.suspend(() => (isDone() ? Effect.void : this.#fail({ _tag: "TimeLimit", after })))
        )
      )
    )
  }

  /** Waits until everything has been done, or cannot be. */
  readonly done: Effect.Effect<void> = Effect.suspend(() =>
    Effect.raceFirst(this.#awaitTasks, Deferred.await(this.failed))
  )

  /** Of those that are begun meanwhile too. */
  readonly #awaitTasks: Effect.Effect<void> = Effect.suspend(() => {
    const task = this.#tasks.pop()
    return task === undefined ? Effect.void : Effect.andThen(Fiber.await(task), this.#awaitTasks)
  })

  /** Nothing of it is left. */
  readonly over = Deferred.makeUnsafe<void>()

  /** Ends everything that is left, readers before writers, so that nobody takes it for the end of its input. */
  readonly shutdown: Effect.Effect<void> = Effect.uninterruptible(
    Effect.suspend(() => {
      if (Deferred.isDoneUnsafe(this.over)) return Effect.void
      this.#stopping = true
      const exit = this.#failure === undefined ? Exit.void : Exit.fail(this.#failure)
      return Scope.close(this.processes, exit).pipe(
        Effect.andThen(this.#noted),
        Effect.andThen(Scope.close(this.fibers, exit)),
        Effect.andThen(Effect.suspend(() => tell(this.report(), this.stages))),
        Effect.andThen(Deferred.succeed(this.over, undefined))
      )
    })
  )

  report(): Report {
    const now = this.#clock.currentTimeMillisUnsafe()
    const all = Array.from(this.stages.values())
    const ends = all.map((stage) => stage.asEnded)
    const judged = judge(ends)
    return {
      stages: Object.fromEntries(
        all.map((stage) => [
          stage.name,
          stage.report(judged.get(stage.name) ?? { outcome: "unstarted", cause: undefined }, now)
        ])
      ),
      firstCause: firstCause(ends),
      duration: Duration.millis(now - this.#begun)
    }
  }

  /** After {@link done} and {@link shutdown}: what the pipeline has come to. */
  readonly result: Effect.Effect<Report, unknown> = Effect.suspend(() => {
    const report = this.report()
    const failure = this.#failure
    switch (failure?._tag) {
      case "Other":
        return Effect.failCause(failure.cause)
      case "TimeLimit":
        return Effect.fail(new TimeLimit({ after: failure.after, report }))
      case "Stage": {
        // A defect stays one.
        if (failure.cause !== undefined && Cause.hasDies(failure.cause)) return Effect.failCause(failure.cause)
        // What failed before it may be what the policy lets pass.
        const { policy } = this.spec
        const counts = policy === "pipefail" || policy === "all"
        return this.#stageFailed(report, (counts ? report.firstCause : undefined) ?? failure.name)
      }
      case undefined: {
        const name = this.#blamed(report)
        return name === undefined ? Effect.succeed(report) : this.#stageFailed(report, name)
      }
    }
  })

  #blamed(report: Report): string | undefined {
    const { policy } = this.spec
    if (typeof policy === "function") return policy(report)
    return blame(
      Array.from(this.stages.values(), (stage) => stage.asEnded),
      policy,
      this.spec.stages.at(-1)?.name
    )
  }

  #stageFailed(report: Report, name: string): Effect.Effect<never, StageFailed> {
    const { end, error } = this.stage(name)
    const hasFailed = end === "failed" || end === "brokenPipe" || error !== undefined
    return Effect.suspend(() =>
      !hasFailed
        ? Effect.die(new Error(`the policy of the pipeline blames ${JSON.stringify(name)}, which has not failed`))
        : Effect.fail(new StageFailed({ stage: name, error, report }))
    )
  }
}
