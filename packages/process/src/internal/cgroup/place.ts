/**
 * Where this program is among the cgroups: found out from what the kernel tells of it, never from where things usually are.
 *
 * @internal
 */
import { type Files, files, programGroup, textOf } from "./files.ts"

/** The directory of this program's own group, below which it may make others. */
export interface Place {
  readonly _tag: "Place"
  readonly path: string
}

/** Why there is none. */
export interface NoPlace {
  readonly _tag: "NoPlace"
  readonly problem: string
}

const noPlace = (problem: string): NoPlace => ({ _tag: "NoPlace", problem })

interface Mount {
  /** Which group of the hierarchy it shows at its mount point. */
  readonly root: string
  readonly point: string
  readonly readOnly: boolean
}

/** Spaces and the like are written as octal numbers, proc_pid_mountinfo(5). */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

/** Those of cgroup v2, the last first: it may hide what was mounted there before. */
const mountsOf = (mountinfo: string): ReadonlyArray<Mount> =>
  mountinfo
    .split("\n")
    .flatMap((line) => {
      const [front = "", back = ""] = line.split(" - ")
      const [, , , root = "", point = "", options = ""] = front.split(" ")
      const [type, , superOptions = ""] = back.split(" ")
      if (type !== "cgroup2") return []
      const readOnly = [options, superOptions].some((list) => list.split(",").includes("ro"))
      return [{ root: unescaped(root), point: unescaped(point), readOnly }]
    })
    .reverse()

/** The directory of a group below a mount, `undefined` where the mount does not show it. */
const directoryOf = ({ point, root }: Mount, group: string): string | undefined => {
  if (root === "/" || root === group) return root === group ? point : `${point === "/" ? "" : point}${group}`
  return group.startsWith(`${root}/`) ? `${point}${group.slice(root.length)}` : undefined
}

const delegation =
  "have it delegated: start this program as a service or scope of systemd with Delegate=yes (systemd-run --user --scope -p Delegate=yes ...), or let root give this user the directory with its cgroup.procs and cgroup.subtree_control"

/** Whether the program itself is in the group of that directory: it may be hidden by another mount. */
const holds = (fs: Files, directory: string, pid: number): boolean | "threaded" => {
  const listed = fs.read(`${directory}/cgroup.procs`)
  if (typeof listed !== "string") return listed.errno === "EOPNOTSUPP" ? "threaded" : false
  return listed.split("\n").includes(String(pid))
}

const usable = (fs: Files, path: string, readOnly: boolean): Place | NoPlace => {
  if (readOnly) {
    return noPlace(
      `cgroup v2 is mounted read-only here, and this program is in ${path}: in a container, have it mounted writable (docker: --security-opt writable-cgroups=true, or --privileged)`
    )
  }
  const type = textOf(fs, `${path}/cgroup.type`).trim()
  if (type !== "" && type !== "domain") {
    return noPlace(
      `the group of this program, ${path}, is of the type "${type}", in which no other kind of group can be made: start it in another one`
    )
  }
  if (!fs.isWritable(path) || !fs.isWritable(`${path}/cgroup.procs`)) {
    return noPlace(`this user may not make groups below its own, ${path}: ${delegation}`)
  }
  return { _tag: "Place", path }
}

/** Read anew each time: a program may be moved, and be given rights. */
export const find = (fs: Files = files, pid: number = process.pid): Place | NoPlace => {
  const own = fs.read("/proc/self/cgroup")
  if (typeof own !== "string") return noPlace("this system has no cgroups (there is no /proc/self/cgroup)")
  const group = /^0::(.*)$/m.exec(own)?.[1]
  if (group === undefined) {
    return noPlace(
      "only cgroup v1 is in use here: mount cgroup v2 too (mount -t cgroup2 cgroup2 DIRECTORY), or start the system with systemd.unified_cgroup_hierarchy=1"
    )
  }
  const mounts = mountsOf(textOf(fs, "/proc/self/mountinfo"))
  if (mounts.length === 0) {
    return noPlace(
      "no cgroup v2 is mounted here: mount it (mount -t cgroup2 cgroup2 DIRECTORY), or give it to the container (/sys/fs/cgroup)"
    )
  }
  for (const mount of mounts) {
    const directory = directoryOf(mount, group.replace(/ \(deleted\)$/, ""))
    const held = directory === undefined ? false : holds(fs, directory, pid)
    if (directory === undefined || held === false) continue
    // Where it has made way for limits: see way.ts.
    if (directory.endsWith(`/${programGroup}`))
      return usable(fs, directory.slice(0, -programGroup.length - 1), mount.readOnly)
    if (held === "threaded")
      return noPlace(`the group of this program, ${directory}, is threaded: start it in another one`)
    return usable(fs, directory, mount.readOnly)
  }
  return noPlace(
    `the group of this program, ${group}, is below none of the places where cgroup v2 is mounted (${mounts.map(({ point }) => point).join(", ")}): start it in its own cgroup namespace, or mount the whole hierarchy`
  )
}
