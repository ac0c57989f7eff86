/** Cgroups in tests: what a nursery has left of them, and groups that belong to an ordinary user. */
import { chownSync, existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Place from "../../src/internal/cgroup/place.ts"
import { until } from "./within.ts"

/** The groups below one, this program's where nothing is said. */
export const below = (group?: string): ReadonlyArray<string> => {
  const place = Place.find()
  const parent = group ?? (place._tag === "Place" ? place.path : "/nowhere")
  return existsSync(parent)
    ? readdirSync(parent, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    : []
}

/** The groups of the nurseries of a program. */
export const nurseriesOf = (pid: number, group?: string): ReadonlyArray<string> =>
  below(group).filter((name) => name.startsWith(`nursery-${pid}-`))

/** The groups of the processes of this program's nurseries. */
export const ofProcesses = (): ReadonlyArray<string> => {
  const place = Place.find()
  if (place._tag === "NoPlace") return []
  return nurseriesOf(process.pid).flatMap((nursery) => below(join(place.path, nursery)))
}

let count = 0

/** A group that belongs to a user, and goes with the scope. Only for root. */
export const delegated = (uid: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const place = Place.find()
      if (place._tag === "NoPlace") throw new Error(place.problem)
      const group = join(place.path, `nursery-test-${process.pid}-${count++}`)
      mkdirSync(group)
      for (const name of ["", "cgroup.procs", "cgroup.subtree_control"]) chownSync(join(group, name), uid, uid)
      return group
    }),
    (group) =>
      Effect.promise(() =>
        until("see a group go", () => {
          try {
            rmdirSync(group)
            return true
          } catch {
            return !existsSync(group)
          }
        })
      )
  )

/** Moves a process into a group. */
export const move = (pid: number, group: string): void => writeFileSync(join(group, "cgroup.procs"), String(pid))

/** For `Owner.start`: runs the owner once it has been moved to a group whose name begins like that of `delegated`. */
export const onceMoved: ReadonlyArray<string> = [
  "/bin/sh",
  "-c",
  'until grep -q "^0::.*/nursery-test-" /proc/self/cgroup; do sleep 0.01; done; exec "$@"',
  "sh"
]
