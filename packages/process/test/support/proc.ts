/** The process table, as `/proc` shows it. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"

export interface Entry {
  readonly pid: number
  readonly name: string
  /** As in `proc_pid_stat(5)`: Z is a zombie, T is stopped. */
  readonly state: string
  readonly parent: number
  /** In ticks since the machine was started. */
  readonly startTime: number
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    // It has ended, or is another user's.
    return undefined
  }
}

export const entryOf = (pid: number): Entry | undefined => {
  const line = read(`/proc/${pid}/stat`)
  if (line === undefined) return undefined
  const close = line.lastIndexOf(")")
  const fields = line.slice(close + 2).split(" ")
  const [state = "", parent = ""] = fields
  const name = line.slice(line.indexOf("(") + 1, close)
  return { pid, name, state, parent: Number(parent), startTime: Number(fields[19]) }
}

export const table = (): ReadonlyArray<Entry> =>
  readdirSync("/proc").flatMap((name) => {
    const entry = /^[0-9]+$/.test(name) ? entryOf(Number(name)) : undefined
    return entry === undefined ? [] : [entry]
  })

/** Everything that descends from a process, parents first. */
export const below = (pid: number, all = table()): ReadonlyArray<Entry> => {
  const children = all.filter((entry) => entry.parent === pid)
  return children.flatMap((child) => [child, ...below(child.pid, all)])
}

/** Whether there is such a process, and it is not a zombie. */
export const isAlive = (pid: number): boolean => {
  const entry = entryOf(pid)
  return entry !== undefined && entry.state !== "Z" && entry.state !== "X"
}

/** SIGKILL, for a process that may have ended by now. */
export const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch (error) {
    if (isAlive(pid)) throw error
  }
}

export const isHelper = ({ name }: Entry): boolean => name.startsWith("nursery-")

/** The helpers of one nursery. */
export interface Family {
  readonly guard: number
  readonly keeper: number
  /** Those of level `tree`, waiting ones too. */
  readonly reapers: ReadonlyArray<number>
  /** Those of level `pid-namespace`. */
  readonly inits: ReadonlyArray<number>
  /** The one of level `group`. */
  readonly groupReaper: number | undefined
}

/** The helpers of all nurseries of a program, oldest first. */
export const families = (owner = process.pid): ReadonlyArray<Family> => {
  const all = table()
  // Not by their pids, which begin again at the end of their range.
  const childrenOf = (pid: number, name: string): ReadonlyArray<number> =>
    all
      .filter((entry) => entry.parent === pid && entry.name === name && entry.state !== "Z")
      .toSorted((one, other) => one.startTime - other.startTime)
      .map((entry) => entry.pid)
  return childrenOf(owner, "nursery-guard").flatMap((guard) =>
    childrenOf(guard, "nursery-keeper").map((keeper) => ({
      guard,
      keeper,
      reapers: childrenOf(keeper, "nursery-reaper"),
      inits: childrenOf(keeper, "nursery-init"),
      groupReaper: childrenOf(keeper, "nursery-group")[0]
    }))
  )
}

/** Everything that bears a mark, in its environment or as its name; the latter also as a zombie. */
export const marked = (mark: string): ReadonlyArray<Entry> =>
  table().filter(
    (entry) => entry.name === mark || read(`/proc/${entry.pid}/environ`)?.includes(`NURSERY_MARK=${mark}\0`) === true
  )

/** What each open descriptor of a process is, by its number. */
export const descriptors = (pid: number | "self" = "self"): ReadonlyMap<number, string> => {
  const open = new Map<number, string>()
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      open.set(Number(name), readlinkSync(`/proc/${pid}/fd/${name}`))
    } catch {
      // The one that the folder itself was read by.
    }
  }
  return open
}

/** How many tasks, threads included, count against a user's limit of processes. */
export const tasksOf = (user: number): number =>
  table()
    .map(({ pid }) => read(`/proc/${pid}/status`) ?? "")
    .filter((status) => Number(/^Uid:\t([0-9]+)/m.exec(status)?.[1]) === user)
    .reduce((sum, status) => sum + Number(/^Threads:\t([0-9]+)/m.exec(status)?.[1] ?? 0), 0)

export const show = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  entries.map(({ name, parent, pid, state }) => `${name} (pid ${pid}, state ${state}, parent ${parent})`)
