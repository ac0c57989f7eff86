/** Groups of cgroup v2 for tests: made by root and given to whoever is to use them, as a delegated subtree is. */
import { chownSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Tools from "./tools.ts"

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

/** The directory of the group that the tests are in. */
const find = (): string | Tools.Missing => {
  const group = /^0::(.*)$/m.exec(read("/proc/self/cgroup"))?.[1]
  const mounts = read("/proc/self/mountinfo")
    .split("\n")
    .filter((line) => line.includes(" - cgroup2 "))
    .map((line) => line.split(" "))
  for (const [, , , root = "", point = ""] of mounts) {
    if (group === undefined || !group.startsWith(root)) continue
    const directory = join(point, group.slice(root === "/" ? 0 : root.length))
    if (!read(`${directory}/cgroup.procs`).split("\n").includes(String(process.pid))) continue
    try {
      const trial = join(directory, `nursery-trial-${process.pid}`)
      mkdirSync(trial)
      rmdirSync(trial)
      return directory
    } catch {
      return new Tools.Missing(`no groups can be made in ${directory}: it is not delegated to this user, or read-only`)
    }
  }
  return new Tools.Missing("cgroup v2 is not mounted")
}

const own = find()

/** Why there are no groups for tests. */
export const missing = own instanceof Tools.Missing ? own : undefined

let made = 0

/** A new group that belongs to a user. */
export const make = (uid: number, parent?: string): string => {
  if (own instanceof Tools.Missing) throw new Error(own.reason)
  const group = join(parent ?? own, `nursery-test-${process.pid}-${made++}`)
  mkdirSync(group)
  if (Tools.isRoot) {
    for (const name of ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"])
      chownSync(join(group, name), uid, uid)
  }
  return group
}

/** The groups below one. */
export const below = (group: string): ReadonlyArray<string> => {
  try {
    return readdirSync(group, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

export const processesOf = (group: string): ReadonlyArray<number> =>
  read(`${group}/cgroup.procs`).split("\n").filter(Boolean).map(Number)

/** Moves a process. */
export const move = (pid: number, group: string): void => writeFileSync(`${group}/cgroup.procs`, String(pid))

/** Which controllers can be had below a group. */
export const controllersOf = (group: string): ReadonlyArray<string> =>
  read(`${group}/cgroup.controllers`).trim().split(" ").filter(Boolean)
