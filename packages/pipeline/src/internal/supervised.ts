/**
 * Pipelines as children of a supervisor, as `Pipeline` gives them to users.
 *
 * @internal
 */
import { Ready } from "@nursery/supervisor"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Pipeline } from "../Pipeline.ts"
import type { Report } from "../Report.ts"
import { endOnFailure, type Refusal, reportOf, typed } from "./running.ts"
import * as terminal from "./terminal.ts"
import { specOf } from "./value.ts"

/**
 * What `Child.effect` is made of for a pipeline.
 *
 * @category models
 */
export interface Supervised<out E, out R, out Stages> {
  /** Runs the pipeline as {@link run} does, with {@link endOnFailure}. */
  readonly run: Effect.Effect<Report<Stages>, E, R>
  /** Ready when all of its stages have been started. */
  readonly ready: Ready.Ready<void>
}

/**
 * A pipeline that goes on, as a child of a supervisor, which starts it again as a whole: as soon as a stage fails, all others are ended.
 *
 * **Details**
 *
 * The child fails with what the pipeline fails with, so that restart rules, schedules and `GaveUp` have the stage and its error in their
 * types. Without `ready` a child that is an Effect is ready when it has succeeded: `Child.effect(name, Pipeline.run(pipeline))` is a step
 * that others wait for.
 *
 * **Gotchas**
 *
 * Each of these is for one child: two that run at the same time would take the start of the other one for theirs.
 *
 * **Example** (A child after it)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import { Child, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const follow = Pipeline.from("source", Command.make("sleep", ["600"])).pipe(Pipeline.process("load", Command.make("cat")))
 * const { ready, run } = Pipeline.supervised(follow)
 * const load = Child.effect("load", run, { ready })
 * const count = Effect.map(Nursery.processes, (all) => all.length)
 * const after = Child.effect("after", count, { after: [load], significant: true })
 *
 * const app = Supervisor.run(Supervisor.make("app", [load, after]))
 * const outcome = await Effect.runPromise(Effect.provide(app, Nursery.layer))
 * assert.deepEqual(outcome, { _tag: "Significant", child: "after", value: 2 })
 * ```
 *
 * @category running
 */
export const supervised = <A, E, R, Stages>(
  self: Pipeline<A, E, R, Stages>
): Supervised<E | Refusal<Stages>, R, Stages> => {
  // Of the life that there is now.
  const isStarted = Latch.makeUnsafe()
  const spec = specOf(endOnFailure(self))
  const life = Effect.suspend(() => {
    isStarted.closeUnsafe()
    return Effect.scoped(
      Effect.flatMap(terminal.start(spec), ({ result, run }) => {
        if (!Deferred.isDoneUnsafe(run.failed)) isStarted.openUnsafe()
        return result
      })
    )
  })
  return {
    run: typed<E | Refusal<Stages>, R>()(Effect.map(life, (report) => reportOf<Stages>(report))),
    ready: Ready.effect(isStarted.await)
  }
}
