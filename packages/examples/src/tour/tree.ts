/**
 * Draws processes as a tree, as `pstree` does, with a column for the pid and one for the age.
 */
import { seconds, style } from "./screen.ts"

export interface Row {
  readonly pid: number
  readonly parent: number
  readonly name: string
  /** Milliseconds, or what to say instead. */
  readonly age: number | string
}

const nameWidth = 50

const line = (name: string, pid: string, age: string): string =>
  `   ${name.length > nameWidth ? `${name.slice(0, nameWidth - 1)}…` : name.padEnd(nameWidth)}${pid.padStart(9)}${age.padStart(10)}`

/** All rows below `root`. A row whose parent is not among them stands directly below `root`. */
export const draw = (root: number, rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const known = new Set(rows.map(({ pid }) => pid))
  const childrenOf = (pid: number) =>
    rows.filter(({ parent }) => parent === pid || (pid === root && !known.has(parent)))
  const below = (pid: number, margin: string): ReadonlyArray<string> =>
    childrenOf(pid).flatMap((row, index, siblings) => {
      const isLast = index === siblings.length - 1
      const age = typeof row.age === "number" ? seconds(row.age) : row.age
      return [
        line(`${margin}${isLast ? "└─ " : "├─ "}${row.name}`, String(row.pid), age),
        ...below(row.pid, `${margin}${isLast ? "   " : "│  "}`)
      ]
    })
  return [style("dim", line("", "pid", "age")), ...below(root, "")]
}
