/**
 * The cgroups of one family of helpers: where they are, and why one could not be made.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import { Containment, Limits } from "../../ProcessError.ts"
import type { SpawnFailure, SpawnRequest } from "../backend.ts"
import * as Place from "../cgroup/place.ts"
import * as Way from "../cgroup/way.ts"
import { controllerOf } from "../command/cgroupLimits.ts"
import * as Errno from "../errno.ts"
import * as F from "./frames.ts"

const level = "cgroup"

const partOf = (target: number): string => {
  if (target === F.ContainmentPart.cgroups) return "the group of the nursery cannot be made"
  return target === F.ContainmentPart.enter ? "the process cannot be moved into its group" : "its group cannot be made"
}

const adviceOf = (errno: string): string => {
  switch (errno) {
    case "EPERM":
      return "this program has given up the user that its helpers were started as; make a new nursery"
    case "EACCES":
      return "somebody has to be allowed to write cgroup.procs of the group that this program is in: have it delegated as a whole"
    case "EAGAIN":
      return "cgroup.max.descendants or cgroup.max.depth of a group above allows no more"
    case "EBUSY":
    case "EOPNOTSUPP":
      return "somebody has enabled controllers for the groups below that of this program, so that no process can be beside them"
    case "ENOENT":
      return "somebody has removed the group of this nursery: make a new nursery"
    default:
      return Errno.describe(errno)
  }
}

export class Cgroups {
  /** That of the nursery; made by the keeper for the first process, and gone with the last helper. */
  #path: string | undefined
  readonly #enabled = new Set<string>()

  /** Its path, or why there can be none. */
  find(request: SpawnRequest): string | SpawnFailure {
    return this.#controllersProblem(request) ?? this.#path ?? this.#begin()
  }

  /** The first limit of the request whose controller cannot be had; done once for each controller. */
  #controllersProblem({ setup }: SpawnRequest): SpawnFailure | undefined {
    if (setup === undefined) return undefined
    for (let index = 0; index < setup.length; index++) {
      const item = setup[index]
      const controller = item?.kind === "cgroupFile" ? controllerOf(item.file) : undefined
      if (item?.kind !== "cgroupFile" || controller === undefined || this.#enabled.has(controller)) continue
      const place = Place.find()
      if (place._tag === "NoPlace") return failed(unasked, place.problem)
      const problem = Way.enable(place, [controller])?.problem
      if (problem !== undefined) {
        const reason = new Limits({ limit: item.file, errno: "EOPNOTSUPP", problem })
        return { step: "limits", errno: Errno.toNumber("EOPNOTSUPP") ?? 0, target: index, reason }
      }
      this.#enabled.add(controller)
    }
    return undefined
  }

  #begin(): string | SpawnFailure {
    const place = Place.find()
    if (place._tag === "NoPlace") return failed(unasked, place.problem)
    const path = `${place.path}/nursery-${process.pid}-${randomBytes(6).toString("hex")}`
    if (Buffer.byteLength(path) >= F.CGROUP_PATH_MAX)
      return failed(unasked, `the path of its group would be too long: ${path}`)
    this.#path = path
    return path
  }
}

const unasked: SpawnFailure = { step: "containment", errno: 0, target: -1 }

const failed = (failure: SpawnFailure, problem: string): SpawnFailure => ({
  ...failure,
  reason: new Containment({ level, problem })
})

const fileProblem = (file: string, errno: string): string | undefined => {
  const controller = controllerOf(file)
  if (errno === "ENOENT") {
    return `the ${controller} controller of this kernel has no ${file}, or somebody has disabled it below the group of this program`
  }
  return errno === "EINVAL" || errno === "ERANGE" ? "the kernel does not take this value" : undefined
}

/** What a failure means that came of this level. */
export const explain = (request: SpawnRequest, failure: SpawnFailure): SpawnFailure => {
  if (request.level !== level) return failure
  const errno = Errno.fromNumber(failure.errno)
  const item = failure.step === "limits" ? request.setup?.[failure.target] : undefined
  if (item?.kind === "cgroupFile") {
    const problem = fileProblem(item.file, errno)
    return {
      ...failure,
      reason: new Limits({ limit: item.file, errno, ...(problem === undefined ? undefined : { problem }) })
    }
  }
  if (failure.step !== "containment") return failure
  return failed(failure, `${partOf(failure.target)} (${errno}): ${adviceOf(errno)}`)
}
