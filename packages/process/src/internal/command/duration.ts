/**
 * What is wrong with a duration that was given as an option.
 *
 * @internal
 */
import * as Duration from "effect/Duration"

// Duration reads NaN as zero, which would mean SIGKILL at once, or no time at all.
const hasNaN = (input: unknown): boolean =>
  typeof input === "object" && input !== null && !Duration.isDuration(input)
    ? Object.values(input).some(Number.isNaN)
    : Number.isNaN(input)

export const durationProblem = (input: Duration.Input): string | undefined => {
  const duration = Duration.fromInput(input)
  if (hasNaN(input) || duration._tag === "None") return "is not a duration"
  return Duration.isNegative(duration.value) ? "is negative" : undefined
}
