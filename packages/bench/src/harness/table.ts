/**
 * The table that a run ends with.
 */
import type { Goal, Measurement, Row } from "./measurement.ts"
import { type Spread, spread } from "./statistics.ts"

const digits = (value: number): string =>
  value === 0 || Math.abs(value) >= 100
    ? value.toFixed(0)
    : value.toPrecision(Math.abs(value) < 0.01 ? 2 : 3).replace(/e[-+]\d+$/, "")

const showSpread = ({ max, median, min }: Spread, unit: string): readonly [string, string] => [
  `${digits(median)}${unit}`,
  `${digits(min)} .. ${digits(max)}`
]

const verdict = (goal: Goal, value: number): string => {
  const reached = goal.at === "least" ? value >= goal.value : value <= goal.value
  return `${goal.at === "least" ? ">=" : "<="} ${goal.value} ${reached ? "reached" : "MISSED"}`
}

/** Round by round, so that what disturbed both of a round does not count. */
const ratios = (ours: Row, theirs: Row): Spread =>
  spread(ours.figures.map((figure, round) => figure / (theirs.figures[round] ?? Number.NaN)))

const header = ["", "median", "min .. max", "Nursery / it", "min .. max", "goal"]

const cells = (measurement: Measurement, row: Row): ReadonlyArray<string> => {
  const own = spread(row.figures)
  const figures = [`  ${row.who}`, ...showSpread(own, ` ${measurement.unit}`)]
  const ours = measurement.rows.find((other) => other.ours)
  if (row.ours || ours === undefined) {
    return [...figures, "", "", row.goal === undefined ? "" : verdict(row.goal, own.median)]
  }
  if (ours.figures.length !== row.figures.length) return [...figures, "", "", ""]
  const ratio = ratios(ours, row)
  return [...figures, ...showSpread(ratio, "x"), row.goal === undefined ? "" : verdict(row.goal, ratio.median)]
}

const heading = ({ id, note, rows, work }: Measurement): string => {
  const rounds = Math.max(...rows.map((row) => row.figures.length))
  return `${id}  ${work} (${rounds === 1 ? "1 round" : `${rounds} rounds`}${note === undefined ? "" : `; ${note}`})`
}

export const showTable = (measurements: ReadonlyArray<Measurement>): string => {
  const blocks = measurements.map((measurement) => ({
    heading: heading(measurement),
    lines: measurement.rows.map((row) => cells(measurement, row))
  }))
  const lines = [header, ...blocks.flatMap((block) => block.lines)]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const show = (line: ReadonlyArray<string>): string =>
    line
      .map((cell, column) =>
        column === 0 || column === 5 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
      )
      .join("  ")
      .trimEnd()
  return [show(header), ...blocks.flatMap((block) => ["", block.heading, ...block.lines.map(show)])].join("\n")
}
