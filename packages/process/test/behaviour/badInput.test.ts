/** What cannot be: each is a typed error that names the step, and says what to do. Real cases, as this user and as an ordinary one. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Owner from "../support/owner.ts"

interface Told {
  readonly name: string
  readonly tag: string
  readonly reason?: string
  readonly step?: string
  readonly errno?: string
  readonly message: string
}

const program = join(import.meta.dirname, "../support/programs/badInput.ts")

const parse = (output: string): ReadonlyMap<string, Told> =>
  new Map(
    output
      .trimEnd()
      .split("\n")
      .map((line): readonly [string, Told] => {
        const told: Told = JSON.parse(line)
        return [told.name, told]
      })
  )

type Expected = readonly [reason: string, step: string, errno: string | undefined, advice: RegExp]

const ofFd: Readonly<Record<string, Expected>> = {
  "an address in use": ["AddressInUse", "bind", "EADDRINUSE", /see who has it by `ss/],
  "an abstract address in use": ["AddressInUse", "bind", "EADDRINUSE", /take another/],
  "a unix socket in use": ["AddressInUse", "bind", "EADDRINUSE", /take another/],
  "an address of another machine": ["AddressUnavailable", "bind", "EADDRNOTAVAIL", /`ip address` shows/],
  "a path too long for a unix socket": ["PathTooLong", "request", undefined, /choose a shorter folder/],
  "a stale socket": ["StaleSocket", "stale", "EADDRINUSE", /ask for `replaceStale: true`/],
  "a file where a socket is to be": ["PathTaken", "bind", "ENOTSOCK", /move it away/],
  "a socket in a folder that is not there": [
    "PathUnusable",
    "bind",
    "ENOENT",
    /make the folder that it is to be in first/
  ],
  "a socket of an unknown user": ["UnknownUser", "request", undefined, /`getent passwd` lists them/],
  "a socket of an unknown group": ["UnknownUser", "request", undefined, /`getent group` lists them/],
  "a directory as an Fd to write": ["PathUnusable", "open", "EISDIR", /name a file in it/],
  "a FIFO without a reader as an Fd": [
    "PathUnusable",
    "open",
    "ENXIO",
    /FIFO that nobody reads.*`access: "read-write"`/
  ],
  "a file that is not there as an Fd": ["PathUnusable", "open", "ENOENT", /ask for `create: "missing"`/],
  "a file that is there already": ["PathUnusable", "open", "EEXIST", /take it as it is with `create: "missing"`/]
}

const ofSpawn: Readonly<Record<string, Expected>> = {
  "an unknown user": ["Credentials", "request", undefined, /no user "nobdy" in \/etc\/passwd/],
  "an unknown group": ["Credentials", "request", undefined, /no group "nogrup" in \/etc\/group/],
  "a soft limit above the hard one": ["InvalidArgument", "request", undefined, /limits.nofile.soft is above the hard/],
  "a limit above what there is": ["Limits", "limits", "EPERM", /raising it takes CAP_SYS_RESOURCE.*fs\.nr_open/],
  "a descriptor whose scope has closed": ["Descriptor", "request", undefined, /make it in a scope that lives as long/],
  "a descriptor that was given away": ["Descriptor", "request", undefined, /make another one, or leave out Fd.give/],
  "a directory as stdout": ["Descriptor", "descriptor", "EISDIR", /as stdout: is a directory: name a file in it/],
  "a directory as a program": ["NotExecutable", "exec", "EACCES", /is a directory/],
  "a file as working directory": ["WorkingDirectory", "cwd", "ENOTDIR", /is no folder: correct the path/],
  "a FIFO without a reader as stdout": [
    "Descriptor",
    "descriptor",
    "ETIMEDOUT",
    /nobody reads: let its reader open it/
  ],
  "a FIFO without a writer as stdin": ["Descriptor", "descriptor", "ETIMEDOUT", /nobody writes to: let its writer/],
  "a program without permission": ["NotExecutable", "exec", "EACCES", /try chmod \+x/],
  "more descriptors than a process can be given": ["InvalidArgument", "request", undefined, /300 .* at most 247/],
  "a number that no descriptor can have": [
    "InvalidArgument",
    "request",
    undefined,
    /larger than any .* at most 1048575/
  ]
}

/** Of those without privilege. */
const unprivilegedFd: Readonly<Record<string, Expected>> = {
  "a privileged port": ["PrivilegedPort", "bind", "EACCES", /lower sysctl net\.ipv4\.ip_unprivileged_port_start/],
  "a socket in a folder without permission": ["AccessDenied", "bind", "EACCES", /permission to search every folder/],
  "a socket of another user": ["AccessDenied", "owner", "EPERM", /privilege \(CAP_CHOWN\)/],
  "a file without permission as an Fd": ["AccessDenied", "open", "EACCES", /needs permission/],
  "a file in a folder without permission": ["AccessDenied", "open", "EACCES", /search every folder above it/]
}

const unprivilegedSpawn: Readonly<Record<string, Expected>> = {
  "another user": ["Credentials", "credentials", "EPERM", /takes CAP_SETUID/],
  "a niceness below one's own": ["Limits", "limits", "EACCES", /takes CAP_SYS_NICE or RLIMIT_NICE/],
  "a file without permission as stdin": ["Descriptor", "descriptor", "EACCES", /it takes permission for the file/],
  "a working directory without permission": ["WorkingDirectory", "cwd", "EACCES", /search every folder above it/]
}

const check = (all: ReadonlyMap<string, Told>, tag: string, expected: Readonly<Record<string, Expected>>): void => {
  for (const [name, [reason, step, errno, advice]] of Object.entries(expected)) {
    const told = all.get(name)
    expect({ ...told, message: "" }, name).toEqual({
      ...(errno === undefined ? undefined : { errno }),
      ...{ message: "", name, reason, step, tag }
    })
    expect(told?.message, name).toMatch(advice)
  }
}

const checkAll = (all: ReadonlyMap<string, Told>, isPrivileged: boolean): void => {
  check(all, "FdError", ofFd)
  check(all, "SpawnError", ofSpawn)
  if (isPrivileged) return
  // In some containers every port is for everybody.
  const lowest = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"))
  const { "a privileged port": port, ...others } = unprivilegedFd
  check(all, "FdError", lowest > 1 && port !== undefined ? { ...others, "a privileged port": port } : others)
  check(all, "SpawnError", unprivilegedSpawn)
}

const run = (prefix: ReadonlyArray<string>, node: string, ...names: ReadonlyArray<string>) => {
  const [file = node, ...args] = [...prefix, node, program, ...names]
  const { error, status, stderr, stdout } = spawnSync(file, args, { encoding: "utf8", cwd: "/" })
  if (status !== 0) throw error ?? new Error(stderr)
  return parse(stdout)
}

const asOrdinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "TMPDIR=/tmp"]
const problem = Owner.isPrivileged ? Owner.ordinaryProblem() : "this is one"
const missing = problem === undefined ? "" : ` (${problem})`

describe("what cannot be is a typed error with its step and what to do", () => {
  it("as this user", () => checkAll(run([], process.execPath), Owner.isPrivileged))

  it.skipIf(problem !== undefined)(`as an ordinary user${missing}`, () =>
    checkAll(run(asOrdinary, Owner.nodeForOrdinary()), false)
  )
})

/** A user namespace in which there may be no other: its settings are its own. */
const sealed = ["unshare", "--user", "--map-root-user", "sh", "-c"]
const seal = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
const canSeal = spawnSync(sealed[0] ?? "", [...sealed.slice(1), seal, "sh", "true"]).status === 0

describe("namespaces that the kernel forbids", () => {
  it.skipIf(!canSeal)(`by user.max_user_namespaces${canSeal ? "" : " (no user namespace can be made here)"}`, () => {
    const all = run([...sealed, seal, "sh"], process.execPath, "a user namespace")
    check(all, "NamespaceSetup", {})
    const told = all.get("a user namespace")
    expect(told).toMatchObject({ tag: "NamespaceSetup", step: "make", errno: "ENOSPC" })
    expect(told?.message).toMatch(/switched off here: set the sysctl user\.max_user_namespaces/)
  })
})

/** One instruction of a filter: code, how far to jump where it is so and where not, constant. */
const instruction = (code: number, yes: number, no: number, constant: number): ReadonlyArray<number> => [
  ...[code & 255, code >> 8, yes, no],
  ...[0, 8, 16, 24].map((shift) => (constant >>> shift) & 255)
]

const isArm = process.arch === "arm64"
const [unshare, clone, clone3] = isArm ? [97, 220, 435] : [272, 56, 435]
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: all of them, as a container's filter has it. */
const namespaces = 0x7e02_0000

/** unshare(2), and clone(2) with a namespace, fail with EPERM; clone3(2), whose flags a filter cannot see, is not there. */
const containerFilter = Uint8Array.from([
  ...instruction(0x20, 0, 0, 0),
  ...instruction(0x15, 6, 0, unshare),
  ...instruction(0x15, 2, 0, clone),
  ...instruction(0x15, 5, 0, clone3),
  ...instruction(0x05, 0, 0, 2),
  ...instruction(0x20, 0, 0, 16),
  ...instruction(0x45, 1, 0, namespaces),
  ...instruction(0x06, 0, 0, 0x7fff_0000),
  ...instruction(0x06, 0, 0, 0x0005_0001),
  ...instruction(0x06, 0, 0, 0x0005_0026)
])

layer(Nursery.layer, { excludeTestServices: true })("namespaces that a filter of system calls forbids", (it) => {
  it.effect("to this program, as to those in containers", (context) =>
    Effect.gen(function* () {
      const { sandbox } = yield* Nursery.guarantees
      if (sandbox.some(({ available, feature }) => feature === "seccomp" && !available)) {
        context.skip("this kernel takes no filters")
      }
      const names = ["the level pid-namespace", "namespaces without privilege"]
      const command = Command.make(process.execPath, [program, ...names], { stderr: "inherit" })
      const all = parse(yield* Process.string(Command.seccomp(command, containerFilter)))
      check(all, "SpawnError", {
        "the level pid-namespace": [
          "Containment",
          "containment",
          "EPERM",
          /filter that allows clone, unshare and mount/
        ]
      })
      const told = all.get("namespaces without privilege")
      expect(told).toMatchObject({ tag: "NamespaceSetup", step: "make", errno: "EPERM" })
      expect(told?.message).toMatch(/the seccomp filter of a container forbids/)
    })
  )
})
