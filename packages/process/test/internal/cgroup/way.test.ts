import { describe, expect, it } from "vitest"
import type { Files } from "../../../src/internal/cgroup/files.ts"
import { problemOf } from "../../../src/internal/cgroup/way.ts"

const path = "/cg/own"

const kernel =
  "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t9\t1\ncpu\t0\t9\t1\nblkio\t0\t9\t1\npids\t8\t1\t1\n"

/** A group of this program alone, whose controllers these are. */
const group = (given: {
  readonly offered?: string
  readonly enabled?: string
  readonly processes?: string
  readonly files?: { readonly [path: string]: string | undefined }
  readonly isWritable?: boolean
}): Files => {
  const all: { readonly [path: string]: string | undefined } = {
    "/proc/cgroups": kernel,
    [`${path}/cgroup.type`]: "domain\n",
    [`${path}/cgroup.controllers`]: given.offered ?? "",
    [`${path}/cgroup.subtree_control`]: given.enabled ?? "",
    [`${path}/cgroup.procs`]: given.processes ?? `${process.pid}\n`,
    "/proc/7/stat": "7 (other) S 1 7 7",
    "/proc/8/stat": `8 (a) b) S ${process.pid} 7 7`,
    ...given.files
  }
  return {
    read: (file) => all[file] ?? { errno: "ENOENT" },
    isWritable: () => given.isWritable !== false
  }
}

const place = { _tag: "Place", path } as const

describe("a controller", () => {
  it("is ready where it is enabled already, and can be where this program is alone with its own", () => {
    expect(problemOf(place, "memory", group({ enabled: "memory", isWritable: false }))).toBe(undefined)
    expect(problemOf(place, "memory", group({ offered: "cpu memory\n" }))).toBe(undefined)
    const family = group({ offered: "memory\n", processes: `${process.pid}\n8\n9\n` })
    expect(problemOf(place, "memory", family)).toBe(undefined)
  })

  const cases: ReadonlyArray<readonly [why: string, controller: string, fs: Files, problem: RegExp]> = [
    ["v1 has it", "pids", group({ offered: "memory" }), /pids controller is used by cgroup v1 here/],
    [
      "the kernel does not have it",
      "memory",
      group({ files: { "/proc/cgroups": "cpu\t0\t9\t1\n" } }),
      /no memory controller.*CONFIG_MEMCG.*cgroup_disable=memory/
    ],
    [
      "it is switched off",
      "io",
      group({ files: { "/proc/cgroups": "blkio\t0\t9\t0\n" } }),
      /no io controller.*cgroup_disable=blkio/
    ],
    [
      "it is not delegated",
      "cpu",
      group({ offered: "memory" }),
      /not delegated to the group of this program.*Delegate=cpu/
    ],
    [
      "it may not be enabled",
      "memory",
      group({ offered: "memory", isWritable: false }),
      /not in cgroup.subtree_control of \/cg\/own, and this user may not write it/
    ],
    [
      "somebody else is in the group",
      "memory",
      group({ offered: "memory", processes: `${process.pid}\n7\n8\n` }),
      /not of this program are in its group, \/cg\/own \(pid 7\)/
    ]
  ]
  it.each(cases)("cannot be had where %s", (_, controller, fs, problem) => {
    expect(problemOf(place, controller, fs)).toMatch(problem)
  })

  it("needs nobody to leave the group at the top", () => {
    const fs = group({ offered: "memory", processes: "1\n7\n", files: { [`${path}/cgroup.type`]: undefined } })
    expect(problemOf(place, "memory", fs)).toBe(undefined)
  })
})
