/**
 * What is wrong with a tree, before anything of it runs: what types cannot see, and everything in trees that are built at run time.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { InvalidTree } from "../SupervisorError.ts"
import type { ChildSpec, IntensitySpec } from "./spec.ts"

type Path = ReadonlyArray<string>

export const validateTree = (spec: ChildSpec): Result.Result<void, InvalidTree> => {
  const found = invalidIn(spec, [spec.name])
  return found === undefined ? Result.void : Result.fail(found)
}

/** What is wrong with one child that is to be among these siblings. */
export const validateChild = (
  spec: ChildSpec,
  path: Path,
  siblings: ReadonlySet<string>
): Result.Result<void, InvalidTree> => {
  const problem = dependencyProblem(spec, siblings, new Set())
  const found = problem === undefined ? invalidIn(spec, [...path, spec.name]) : invalid([...path, spec.name], problem)
  return found === undefined ? Result.void : Result.fail(found)
}

const invalid = (path: Path, problem: string): InvalidTree => new InvalidTree({ path, problem })

const invalidIn = (spec: ChildSpec, path: Path): InvalidTree | undefined => {
  const problem = ownProblem(spec)
  if (problem !== undefined) return invalid(path, problem)
  return spec.kind === "supervisor" ? invalidBelow(spec.children, path) : undefined
}

const invalidBelow = (children: ReadonlyArray<ChildSpec>, path: Path): InvalidTree | undefined => {
  if (children.length === 0) return invalid(path, "has no children")
  const names = new Set(children.map(({ name }) => name))
  const earlier = new Set<string>()
  for (const child of children) {
    if (earlier.has(child.name)) return invalid(path, `two children are named ${quote(child.name)}`)
    const at = [...path, child.name]
    const problem = dependencyProblem(child, earlier, names)
    if (problem !== undefined) return invalid(at, problem)
    const below = invalidIn(child, at)
    if (below !== undefined) return below
    earlier.add(child.name)
  }
  return undefined
}

const quote = (name: string): string => JSON.stringify(name)

/** `all`: the names of all siblings, to tell a later one from one that does not exist. */
const dependencyProblem = (
  { after, name }: ChildSpec,
  earlier: ReadonlySet<string>,
  all: ReadonlySet<string>
): string | undefined => {
  const seen = new Set<string>()
  for (const { on } of after) {
    if (on === name) return "starts after itself"
    if (!earlier.has(on)) {
      return all.has(on)
        ? `starts after ${quote(on)}, which is given later: give it earlier`
        : `starts after ${quote(on)}, and there is no such sibling`
    }
    if (seen.has(on)) return `starts after ${quote(on)} twice: requires includes after`
    seen.add(on)
  }
  return undefined
}

/** Those that are checked one after the other, until one finds something. */
const ownProblem = (spec: ChildSpec): string | undefined =>
  nameProblem(spec.name) ?? restartProblem(spec) ?? kindProblem(spec)

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
      return spec.ready?.problem ?? spec.liveness?.problem ?? durationProblem("stop.grace", spec.stop?.grace)
    case "effect":
      return spec.ready?.problem ?? durationProblem("stopTimeout", spec.stopTimeout)
    case "supervisor":
    case "dynamic":
      return intensityProblem(spec.intensity)
  }
}

const intensityProblem = (intensity: IntensitySpec | undefined): string | undefined => {
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
