/**
 * Has controllers ready for the groups below that of this program, and says why one cannot be had.
 *
 * A group below which controllers are enabled has no processes itself (`cgroups(7)`, "no internal processes"). So the first limit moves
 * this program, and what it has started, into a group of its own below: nothing outside of the program's own group changes.
 *
 * @internal
 */
import * as Fs from "node:fs"
import * as Errno from "../errno.ts"
import { errnoOf } from "../streams/descriptor.ts"
import { type Files, files, programGroup, textOf } from "./files.ts"
import type { Place } from "./place.ts"

const words = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")

/** Whether it is the group at the top of the whole hierarchy, which may have processes too. */
const isTop = (fs: Files, path: string): boolean => typeof fs.read(`${path}/cgroup.type`) !== "string"

const enableInKernel: Readonly<Record<string, string>> = {
  memory: "CONFIG_MEMCG",
  cpu: "CONFIG_CFS_BANDWIDTH",
  io: "CONFIG_BLK_CGROUP",
  pids: "CONFIG_CGROUP_PIDS"
}

/** Why a controller is not among those of a group. */
const missing = (fs: Files, path: string, controller: string): string => {
  const name = controller === "io" ? "blkio" : controller
  const line = textOf(fs, "/proc/cgroups")
    .split("\n")
    .map(words)
    .find(([known]) => known === name)
  if (line !== undefined && line[1] !== "0") {
    return `the ${controller} controller is used by cgroup v1 here (${name} in /proc/cgroups): start the system with systemd.unified_cgroup_hierarchy=1, or unmount the v1 hierarchy`
  }
  if (line === undefined || line[3] === "0") {
    return `this kernel has no ${controller} controller, or it is switched off (${enableInKernel[controller] ?? controller}, cgroup_disable=${name})`
  }
  if (isTop(fs, path)) return `the ${controller} controller is not offered by cgroup v2 here`
  return `the ${controller} controller is not delegated to the group of this program, ${path}: give its service or scope of systemd Delegate=yes (or Delegate=${controller}), or write "+${controller}" to cgroup.subtree_control of the group above`
}

/** Why a controller cannot be had below a group, as far as can be told without trying. */
export const problemOf = ({ path }: Place, controller: string, fs: Files = files): string | undefined => {
  if (words(textOf(fs, `${path}/cgroup.subtree_control`)).includes(controller)) return undefined
  if (!words(textOf(fs, `${path}/cgroup.controllers`)).includes(controller)) return missing(fs, path, controller)
  if (!fs.isWritable(`${path}/cgroup.subtree_control`)) {
    return `the ${controller} controller is not in cgroup.subtree_control of ${path}, and this user may not write it there: have the group delegated as a whole`
  }
  const others = isTop(fs, path) ? [] : strangers(fs, path)
  if (others.length === 0) return undefined
  const shown = others.slice(0, 5).join(", ")
  return `processes that are not of this program are in its group, ${path} (${others.length === 1 ? "pid" : "pids"} ${shown}), which so cannot limit those below it: start the program in a group of its own (systemd-run --scope -p Delegate=yes ...)`
}

const processesOf = (fs: Files, path: string): ReadonlyArray<number> =>
  words(textOf(fs, `${path}/cgroup.procs`)).map(Number)

const parentOf = (fs: Files, pid: number): number => {
  const stat = textOf(fs, `/proc/${pid}/stat`)
  return Number(words(stat.slice(stat.lastIndexOf(")") + 2))[1] ?? 0)
}

/** Who is in a group and does not descend from this program. */
const strangers = (fs: Files, path: string): ReadonlyArray<number> =>
  processesOf(fs, path).filter((pid) => {
    let at = pid
    for (let depth = 0; depth < 1000 && at > 1 && at !== process.pid; depth++) at = parentOf(fs, at)
    // Who has left meanwhile is nobody's.
    return at !== process.pid && textOf(fs, `/proc/${pid}/stat`) !== ""
  })

const roundsMax = 100

/** Moves all processes of a group into one below it, those too that are forked meanwhile. */
const makeWay = (path: string): void => {
  const group = `${path}/${programGroup}`
  try {
    Fs.mkdirSync(group)
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error
  }
  for (let round = 0; round < roundsMax; round++) {
    const present = processesOf(files, path)
    if (present.length === 0) return
    for (const pid of present) {
      try {
        Fs.writeFileSync(`${group}/cgroup.procs`, String(pid))
      } catch (error) {
        if (errnoOf(error) !== "ESRCH") throw error
      }
    }
  }
}

/** Enables controllers for the groups below that of this program; why one cannot be, `undefined` where all are. */
export const enable = (
  place: Place,
  controllers: ReadonlyArray<string>
): { readonly controller: string; readonly problem: string } | undefined => {
  for (const controller of controllers) {
    if (words(textOf(files, `${place.path}/cgroup.subtree_control`)).includes(controller)) continue
    const problem = problemOf(place, controller) ?? tryEnable(place.path, controller)
    if (problem !== undefined) return { controller, problem }
  }
  return undefined
}

const tryEnable = (path: string, controller: string): string | undefined => {
  try {
    if (!isTop(files, path)) makeWay(path)
    Fs.writeFileSync(`${path}/cgroup.subtree_control`, `+${controller}`)
    return undefined
  } catch (error) {
    return `the ${controller} controller cannot be enabled for the groups below ${path}: ${Errno.describe(errnoOf(error))}`
  }
}
