import { describe, expect, it } from "vitest"
import type { Files } from "../../../src/internal/cgroup/files.ts"
import { find } from "../../../src/internal/cgroup/place.ts"

const pid = 42

/** A machine on which this program, number 42, is in `cgroup`, with these mounts and files. */
const machine = (
  cgroup: string | undefined,
  mountinfo: ReadonlyArray<string>,
  files: { readonly [path: string]: string },
  writable: (path: string) => boolean = () => true
): Files => {
  const all: { readonly [path: string]: string | undefined } = {
    "/proc/self/cgroup": cgroup,
    "/proc/self/mountinfo": mountinfo.map((line) => `${line}\n`).join(""),
    ...files
  }
  return {
    read: (path) => {
      const text = all[path]
      return text === undefined ? { errno: "ENOENT" } : text.startsWith("!") ? { errno: text.slice(1) } : text
    },
    isWritable: writable
  }
}

const mount = (root: string, point: string, options = "rw,nosuid", superOptions = "rw,nsdelegate") =>
  `31 23 0:27 ${root} ${point} ${options} shared:9 - cgroup2 cgroup2 ${superOptions}`

const v1 = "32 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu"
const listed = "7\n42\n"

describe("finds the group of this program", () => {
  it("in a unified hierarchy", () => {
    const group = "/sys/fs/cgroup/system.slice/a.service"
    const fs = machine("0::/system.slice/a.service\n", [mount("/", "/sys/fs/cgroup")], {
      [`${group}/cgroup.procs`]: listed,
      [`${group}/cgroup.type`]: "domain\n"
    })
    expect(find(fs, pid)).toEqual({ _tag: "Place", path: group })
  })

  it("beside the hierarchies of v1, at whatever place, in the group at the top", () => {
    const fs = machine("4:memory:/x\n1:name=systemd:/y\n0::/\n", [v1, mount("/", "/sys/fs/cgroup/unified")], {
      "/sys/fs/cgroup/unified/cgroup.procs": listed
    })
    expect(find(fs, pid)).toEqual({ _tag: "Place", path: "/sys/fs/cgroup/unified" })
  })

  it("where a container shows a part of the hierarchy", () => {
    const fs = machine("0::/docker/abc/inner\n", [mount("/docker/abc", "/sys/fs/cgroup")], {
      "/sys/fs/cgroup/inner/cgroup.procs": listed
    })
    expect(find(fs, pid)).toEqual({ _tag: "Place", path: "/sys/fs/cgroup/inner" })
    const top = machine("0::/docker/abc\n", [mount("/docker/abc", "/sys/fs/cgroup")], {
      "/sys/fs/cgroup/cgroup.procs": listed
    })
    expect(find(top, pid)).toEqual({ _tag: "Place", path: "/sys/fs/cgroup" })
  })

  it("by the mount that really shows it, and names with spaces", () => {
    const mounts = [mount("/", "/a\\040b"), mount("/other", "/c"), mount("/", "/hidden")]
    const fs = machine("0::/x y\n", mounts, { "/a b/x y/cgroup.procs": listed, "/hidden/x y/cgroup.procs": "7\n" })
    expect(find(fs, pid)).toEqual({ _tag: "Place", path: "/a b/x y" })
  })
})

describe("says why there is none", () => {
  const group = "/sys/fs/cgroup/a"
  const mounts = [mount("/", "/sys/fs/cgroup")]
  const files = { [`${group}/cgroup.procs`]: listed }
  const cases: ReadonlyArray<readonly [why: string, fs: Files, problem: RegExp]> = [
    ["no cgroups", machine(undefined, [], {}), /this system has no cgroups/],
    ["v1 alone", machine("3:memory:/\n", [v1], {}), /only cgroup v1 is in use here: mount cgroup v2 too/],
    ["no mount", machine("0::/a\n", [v1], {}), /no cgroup v2 is mounted here/],
    ["a mount of another part", machine("0::/a\n", [mount("/b", "/m")], {}), /is below none of the places .*\(\/m\)/],
    ["outside of its namespace", machine("0::/../a\n", mounts, {}), /\/\.\.\/a, is below none/],
    ["read-only", machine("0::/a\n", [mount("/", "/sys/fs/cgroup", "ro")], files), /mounted read-only.*container/],
    [
      "read-only as a whole",
      machine("0::/a\n", [mount("/", "/sys/fs/cgroup", "rw", "ro")], files),
      /mounted read-only/
    ],
    ["threaded", machine("0::/a\n", mounts, { [`${group}/cgroup.procs`]: "!EOPNOTSUPP" }), /is threaded/],
    [
      "a kind in which no other can be made",
      machine("0::/a\n", mounts, { ...files, [`${group}/cgroup.type`]: "domain threaded\n" }),
      /of the type "domain threaded"/
    ],
    [
      "not delegated",
      machine("0::/a\n", mounts, files, () => false),
      /may not make groups below its own.*Delegate=yes/
    ],
    [
      "half delegated",
      machine("0::/a\n", mounts, files, (path) => path === group),
      /may not make groups below its own.*cgroup\.procs/
    ]
  ]
  it.each(cases)("%s", (_, fs, problem) => {
    const found = find(fs, pid)
    expect(found._tag === "NoPlace" ? found.problem : "a place").toMatch(problem)
  })
})
