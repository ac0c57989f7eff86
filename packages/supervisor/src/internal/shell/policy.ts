/**
 * What becomes of a child that has ended: its own policy is asked first, then its restart rule, then its schedule.
 *
 * @internal
 */
import { SpawnError } from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { ChildExit } from "../../ChildExit.ts"
import type { Verdict } from "../core/model.ts"
import { ruleOf } from "../core/rule.ts"
import type { Decision } from "../spec.ts"
import type { Entry } from "./entry.ts"

/** Reasons of a spawn that will not go away by trying again. */
const permanent: ReadonlySet<string> = new Set([
  "ProgramNotFound",
  "NotExecutable",
  "InterpreterNotFound",
  "PermissionDenied",
  "WorkingDirectory",
  "InvalidArgument",
  "Credentials",
  "Unsupported",
  "Containment"
])

const isPermanent = (exit: ChildExit): boolean => {
  if (exit._tag !== "Failed") return false
  const error = ofStage(exit.error)
  return error instanceof SpawnError && permanent.has(error.reason._tag)
}

/** What a stage has failed with, of a pipeline that is the child; its package depends on this one. */
const ofStage = (error: unknown): unknown =>
  Predicate.isTagged(error, "StageFailed") && Predicate.hasProperty(error, "error") ? error.error : error

/** How a life ended, for the policy. */
export const exitOf = (exit: Exit.Exit<unknown, unknown>): ChildExit => {
  if (Exit.isSuccess(exit)) return { _tag: "Completed", value: exit.value }
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "Some") return { _tag: "Failed", error: error.value }
  // Without an error there are defects and interruptions only.
  return { _tag: "Died", cause: exit.cause as Cause.Cause<never> }
}

const how = { Completed: "completed", Failed: "failed", Died: "died" } as const

const verdictOf = (decision: Decision, entry: Entry): Verdict | "restart" => {
  switch (decision._tag) {
    case "restart":
      return "restart"
    case "restartGroup":
      return { _tag: "RestartGroup", delay: 0 }
    case "replace":
      entry.command = decision.command
      return "restart"
    case "pause":
      return { _tag: "Rest", rest: "paused" }
    case "stop":
      return { _tag: "Rest", rest: "stopped" }
    case "ignore":
      return { _tag: "Rest", rest: "failed" }
    case "escalate":
      return { _tag: "GiveUp" }
  }
}

const ofRule = (entry: Entry, exit: ChildExit, wasReady: boolean): Verdict | "restart" => {
  const { retryPermanent, rule } = entry.spec.restart
  switch (
    ruleOf(rule, {
      how: entry.culprit === undefined ? how[exit._tag] : "failed",
      wasReady,
      isPermanent: !retryPermanent && isPermanent(exit)
    })
  ) {
    case "restart":
      return "restart"
    case "complete":
      return { _tag: "Complete" }
    case "failed":
      return { _tag: "Rest", rest: "failed" }
    case "giveUp":
      return { _tag: "GiveUp" }
  }
}

/** The verdict where no Effect has to be run for it. */
export const decideNow = (entry: Entry, exit: ChildExit, wasReady: boolean): Verdict | undefined => {
  if (entry.spec.policy !== undefined) return undefined
  const verdict = ofRule(entry, exit, wasReady)
  if (verdict !== "restart") return verdict
  return entry.spec.restart.schedule === undefined ? { _tag: "Restart", delay: 0 } : undefined
}

/** Of a child without a policy. */
const undecided = Effect.succeed(undefined)

/** The verdict; fails with what a policy or the schedule fails with. */
export const decide = (entry: Entry, exit: ChildExit, wasReady: boolean): Effect.Effect<Verdict, unknown, unknown> =>
  Effect.gen(function* () {
    const decision = yield* entry.spec.policy?.(exit) ?? undecided
    const verdict = decision === undefined ? ofRule(entry, exit, wasReady) : verdictOf(decision, entry)
    if (verdict !== "restart") return verdict
    return yield* backOff(entry, exit)
  })

const backOff = (entry: Entry, exit: ChildExit): Effect.Effect<Verdict, unknown, unknown> =>
  Effect.gen(function* () {
    const { schedule } = entry.spec.restart
    if (schedule === undefined) return { _tag: "Restart", delay: 0 } as const
    entry.schedule ??= yield* Schedule.toStep(schedule)
    const step = entry.schedule(yield* Clock.currentTimeMillis, exit)
    return yield* step.pipe(
      Effect.map(([, delay]): Verdict => ({ _tag: "Restart", delay: Duration.toMillis(delay) })),
      // A schedule that is done has no time left for another attempt.
      Effect.catchIf(Cause.isDone, () => Effect.succeed<Verdict>({ _tag: "GiveUp" }))
    )
  })
