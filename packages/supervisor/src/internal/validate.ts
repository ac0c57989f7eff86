/**
 * What is wrong with a tree, before anything of it runs: what types cannot see, and everything in trees that are built at run time.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { InvalidTree } from "../SupervisorError.ts"
import * as Options from "./ready/options.ts"
import type { ChildSpec, EffectSpec } from "./spec.ts"
import type { Intensity } from "./supervisorOptions.ts"

type Path = ReadonlyArray<string>

/** `above`: the names of the supervisors above it. What it starts after is not looked at: its siblings are not known here. */
export const validateTree = (spec: ChildSpec, above: Path = []): Result.Result<void, InvalidTree> => {
  const found = invalidIn(spec, [...above, spec.name])
  return found === undefined ? Result.void : Result.fail(found)
}

const invalid = (path: Path, problem: string): InvalidTree =>
  // A name may be anything where a tree comes from untyped code.
  new InvalidTree({ path: path.map(String), problem })

const invalidIn = (spec: ChildSpec, path: Path): InvalidTree | undefined => {
  const problem = ownProblem(spec)
  if (problem !== undefined) return invalid(path, problem)
  return spec.kind === "supervisor" ? invalidBelow(spec.children, path) : undefined
}

const invalidBelow = (children: ReadonlyArray<ChildSpec>, path: Path): InvalidTree | undefined => {
  if (children.length === 0) return invalid(path, "has no children")
  const siblings = new Map(children.map((child) => [child.name, child]))
  const earlier = new Set<string>()
  for (const child of children) {
    if (earlier.has(child.name)) return invalid(path, `two children are named ${quote(child.name)}`)
    const at = [...path, child.name]
    const problem = dependencyProblem(child, earlier, siblings)
    if (problem !== undefined) return invalid(at, problem)
    const below = invalidIn(child, at)
    if (below !== undefined) return below
    earlier.add(child.name)
  }
  return undefined
}

const quote = (name: string): string => JSON.stringify(name)

type Siblings = ReadonlyMap<string, ChildSpec>

const dependencyProblem = (child: ChildSpec, earlier: ReadonlySet<string>, all: Siblings): string | undefined => {
  if (child.after.length === 0) return undefined
  const seen = new Set<string>()
  for (const { on } of child.after) {
    if (on === child.name) return "starts after itself"
    if (!earlier.has(on)) return laterProblem(child, on, all)
    if (seen.has(on)) return `starts after ${quote(on)} twice: requires includes after`
    seen.add(on)
  }
  return undefined
}

const laterProblem = (child: ChildSpec, on: string, all: Siblings): string => {
  if (!all.has(on)) return `starts after ${quote(on)}, and there is no such sibling`
  const way = wayTo(child.name, [on], all, new Set())
  return way === undefined
    ? `starts after ${quote(on)}, which is given later: give it earlier`
    : `starts after ${way.map(quote).join(", which starts after ")}`
}

/** How the last one of `way` depends on `goal`, if it does: the children in between, and the goal. */
const wayTo = (goal: string, way: Path, all: Siblings, tried: Set<string>): Path | undefined => {
  const last = way.at(-1) ?? goal
  tried.add(last)
  for (const { on } of all.get(last)?.after ?? []) {
    if (on === goal) return [...way, on]
    const found = tried.has(on) ? undefined : wayTo(goal, [...way, on], all, tried)
    if (found !== undefined) return found
  }
  return undefined
}

/** Those that are checked one after the other, until one finds something. */
const ownProblem = (spec: ChildSpec): string | undefined =>
  nameProblem(spec.name) ?? restartProblem(spec) ?? limitsProblem(spec) ?? kindProblem(spec)

const limitsProblem = ({ hooks, startTimeout }: ChildSpec): string | undefined =>
  Options.duration("startTimeout", startTimeout, Duration.zero).problem ??
  durationProblem("hooks.afterStopTimeout", hooks.afterStopTimeout)

const nameProblem = (name: unknown): string | undefined => {
  if (typeof name !== "string") return "has a name that is not a string"
  return name === "" ? "has an empty name" : undefined
}

const restartProblem = ({ restart, significant }: ChildSpec): string | undefined => {
  const { healthyAfter, retryPermanent, rule, schedule } = restart
  // OTP: a permanent child never ends for good, so nothing could be significant about its end.
  if (significant && rule === "always") return "is significant and restarted always, so it would never end for good"
  if (retryPermanent && schedule === undefined) {
    return "restart.retryPermanent is given without a schedule, so nothing would come between its attempts"
  }
  return durationProblem("restart.healthyAfter", healthyAfter)
}

const kindProblem = (spec: ChildSpec): string | undefined => {
  switch (spec.kind) {
    case "process":
      return (
        spec.ready?.problem ??
        spec.liveness?.problem ??
        durationProblem("stop.grace", spec.stop?.grace) ??
        storeProblem(spec.fdStoreMax)
      )
    case "effect":
      return spec.ready?.problem ?? livenessProblem(spec) ?? durationProblem("stopTimeout", spec.stopTimeout)
    case "supervisor":
    case "dynamic":
      return intensityProblem(spec.intensity)
  }
}

const storeProblem = (max: number | undefined): string | undefined =>
  max === undefined || (Number.isSafeInteger(max) && max > 0)
    ? undefined
    : `fdStoreMax is no number of descriptors from 1 on: ${String(max)}`

const livenessProblem = ({ liveness, ready }: EffectSpec): string | undefined => {
  if (liveness === undefined || ready !== undefined) return liveness?.problem
  return "has liveness without ready, so it would never be looked at: it is ready when it has ended"
}

const intensityProblem = (intensity: Intensity | undefined): string | undefined => {
  if (intensity === undefined) return undefined
  const { restarts, within } = intensity
  if (!Number.isSafeInteger(restarts) || restarts < 0) {
    return `intensity.restarts is no number from 0 on: ${String(restarts)}`
  }
  return durationProblem("intensity.within", within)
}

/** The types of durations are checked too: a tree may come from untyped code. */
const durationProblem = (option: string, input: Duration.Input | undefined): string | undefined => {
  if (input === undefined) return undefined
  // Effect takes NaN for zero.
  if (typeof input === "number" && Number.isNaN(input)) return `${option} is no duration: NaN`
  const duration = Duration.fromInput(input)
  if (Option.isNone(duration)) return `${option} is no duration: ${String(input)}`
  return Duration.isNegative(duration.value) ? `${option} is negative: ${String(input)}` : undefined
}
