/**
 * What a program and its descendants take, as the kernel counts it.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"

/** Undefined where the process has just ended, or is a zombie. */
const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const kilobytes = (text: string, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0)

/** Proportional set size: pages that several processes share count by their share. */
export const proportional = (pid: number): number =>
  kilobytes(attempt(() => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? "", "Pss")

export const resident = (pid: number): number =>
  kilobytes(attempt(() => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? "", "Rss")

export const descriptors = (pid: number): number => attempt(() => readdirSync(`/proc/${pid}/fd`).length) ?? 0

export const executable = (pid: number): string => attempt(() => readlinkSync(`/proc/${pid}/exe`)) ?? ""

/** All descendants, zombies too. */
export const descendants = (root: number): ReadonlyArray<number> => {
  const children = new Map<number, Array<number>>()
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue
    // The name of the program is in parentheses and may hold anything, parentheses too.
    const stat = attempt(() => readFileSync(`/proc/${name}/stat`, "latin1"))
    const parent = Number(stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0)
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [Number(name)])
    else siblings.push(Number(name))
  }
  const found: Array<number> = []
  const visit = (pid: number) => {
    for (const child of children.get(pid) ?? []) {
      found.push(child)
      visit(child)
    }
  }
  visit(root)
  return found
}

/** Kilobytes that the kernel of this machine uses for its own tables. */
export const kernel = (): number => {
  const text = readFileSync("/proc/meminfo", "utf8")
  return kilobytes(text, "Slab") + kilobytes(text, "KernelStack") + kilobytes(text, "PageTables")
}
