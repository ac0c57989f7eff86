/** Who there is in a user namespace, and which time it is in a time namespace. */
import { existsSync, readFileSync, readlinkSync } from "node:fs"
import { userInfo } from "node:os"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Namespace from "../../src/Namespace.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Levels from "../support/levels.ts"
import * as Seen from "../support/status.ts"

const without = Levels.because("pid-namespace")
const uid = process.getuid?.() ?? 0
const gid = process.getgid?.() ?? 0
const isRoot = uid === 0
const hasProgram = existsSync("/usr/bin/newuidmap")

/** What this user has in /etc/subuid, and in /etc/subgid as well where it was added by useradd(8). */
const granted = ((): { readonly first: number; readonly count: number } | undefined => {
  try {
    const lines = readFileSync("/etc/subuid", "utf8").split("\n")
    const [, first, count] = lines.find((line) => line.startsWith(`${userInfo().username}:`))?.split(":") ?? []
    return first === undefined ? undefined : { first: Number(first), count: Number(count) }
  } catch {
    return undefined
  }
})()

/** Not of a container, which is in a user namespace itself or has lost what it takes. */
const isRootOfMachine =
  isRoot &&
  Seen.isCapable(Seen.CAP_SYS_ADMIN) &&
  /^\s*0\s+0\s+4294967295/.test(readFileSync("/proc/self/uid_map", "utf8"))
const forRoot = isRootOfMachine ? without : " (skipped: it needs root of the machine)"
const forGranted = isRoot
  ? " (skipped: this is root)"
  : !hasProgram
    ? " (skipped: newuidmap is not there: apt install uidmap)"
    : granted === undefined
      ? " (skipped: /etc/subuid grants nothing to this user)"
      : without
const forOthers = isRoot
  ? " (skipped: this is root)"
  : granted === undefined
    ? without
    : " (skipped: /etc/subuid grants something to this user)"
const noTime = existsSync("/proc/self/ns/time") ? without : " (skipped: this kernel has no time namespaces)"

const say = (script: string, namespaces?: Namespace.Namespace, options: Pick<Command.Options, "credentials"> = {}) =>
  Effect.map(Process.string(Command.make("/bin/sh", ["-c", script], { ...options, namespaces, cwd: "/" })), (text) =>
    text.trim()
  )

const far = { inside: 0, outside: 700_000, count: 1000 }
const farther = { inside: 5000, outside: 800_000, count: 10 }

describe.skipIf(without !== "")(`ids in a user namespace${without}`, () => {
  it.live.skipIf(forRoot !== "")(`are those of any ranges, for root${forRoot}`, () =>
    Effect.gen(function* () {
      for (const others of [{}, { pid: true, network: true, mount: { temporary: ["/tmp"] } }]) {
        const set = yield* Namespace.make({ user: { users: [far, farther], groups: [farther, far] }, ...others })
        expect(yield* say("id -u; id -g; id -G", set)).toBe("0\n5000\n5000")
        expect(yield* say("awk '{ print $1, $2, $3 }' /proc/self/uid_map", set)).toBe("0 700000 1000\n5000 800000 10")
        const as = { credentials: { user: 5007, group: 3, groups: [1, 2] } }
        expect(yield* say("id -u; id -g; id -G", set, as)).toBe("5007\n3\n3 1 2")
      }
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live.skipIf(forRoot !== "")(`are seen outside as what they are${forRoot}`, () =>
    Effect.gen(function* () {
      const set = yield* Namespace.make({ user: { users: [far], groups: [far] } })
      const child = yield* Process.spawn(Command.make("sleep", ["1000"], { namespaces: set, cwd: "/" }))
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8")
      expect(status).toMatch(/^Uid:\t700000\t700000\t700000/m)
      expect(status).toMatch(/^Gid:\t700000\t700000\t700000/m)
      const stranger = yield* Effect.flip(say("true", set, { credentials: { user: 2000 } }))
      expect(stranger).toMatchObject({ reason: { _tag: "Credentials" } })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live.skipIf(forGranted !== "")(`are those that are granted, for an ordinary user${forGranted}`, () =>
    Effect.gen(function* () {
      const others = { inside: 1, outside: granted?.first ?? 0, count: granted?.count ?? 0 }
      const own = { users: [{ inside: 0, outside: uid }, others], groups: [{ inside: 0, outside: gid }, others] }
      for (const pid of [false, true]) {
        const set = yield* Namespace.make({ user: own, pid, mount: true })
        expect(yield* say("id -u; id -g", set)).toBe("0\n0")
        expect(yield* say("id -u; id -g", set, { credentials: { user: 7, group: 8, groups: [] } })).toBe("7\n8")
      }
      const foreign = { users: [{ inside: 0, outside: 1 }], groups: own.groups }
      const error = yield* Effect.flip(Namespace.make({ user: foreign }))
      expect(error).toMatchObject({ _tag: "NamespaceSetup", step: "map", errno: "EPERM" })
      expect(error.message).toContain(`/etc/subuid grants ${granted?.first} to`)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live.skipIf(forOthers !== "")(`are not those of others, and it says what is missing${forOthers}`, () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Namespace.make({ user: { users: [far], groups: [far] } }))
      expect(error).toMatchObject({ _tag: "NamespaceSetup", namespace: "user", step: "map", errno: "EPERM" })
      expect(error.message).toMatch(hasProgram ? /\/etc\/subgid grants nothing/ : /apt install uidmap/)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  const own = { inside: 0, outside: 0 }
  const bad: ReadonlyArray<readonly [users: ReadonlyArray<Namespace.IdRange>, says: string]> = [
    [[], "maps nobody"],
    [[{ inside: -1, outside: 0 }], "none of ids"],
    [[{ inside: 0, outside: 1.5 }], "none of ids"],
    [[{ inside: 0, outside: 0, count: 0 }], "none of ids"],
    [[{ inside: 0, outside: 4_294_967_000, count: 1000 }], "none of ids"],
    [[own, { inside: 0, outside: 9 }], "overlap"],
    [
      [
        { inside: 0, outside: 5, count: 5 },
        { inside: 5, outside: 9 }
      ],
      "overlap"
    ],
    [Array.from({ length: 341 }, (_, index) => ({ inside: index, outside: index })), "340 ranges"]
  ]

  it.live("have to be ids, and each only once", () =>
    Effect.gen(function* () {
      for (const [users, says] of bad) {
        const error = yield* Effect.flip(Namespace.make({ user: { users, groups: [own] } }))
        expect(error).toMatchObject({ _tag: "NamespaceSetup", namespace: "user", errno: "EINVAL" })
        expect(error.message).toContain(says)
      }
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("can be those of another set, whose user namespace it is then", () =>
    Effect.gen(function* () {
      const one = yield* Namespace.make({ user: "root", uts: { hostname: "one" } })
      const other = yield* Namespace.make({ user: one, uts: { hostname: "other" } })
      const link = "readlink /proc/self/ns/user"
      expect(yield* say(link, other)).toBe(yield* say(link, one))
      expect(yield* say("hostname; id -u", other)).toBe("other\n0")
      expect(yield* say("hostname", one)).toBe("one")
      const both = yield* Effect.flip(Namespace.make({ user: one, pid: true }))
      expect(both.message).toContain("in the user namespace of another set")
      if (!isRootOfMachine) return
      const none = yield* Namespace.make({ uts: true })
      const error = yield* Effect.flip(Namespace.make({ user: none, uts: true }))
      expect(error.message).toContain("is in that of this program")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

const offsets = "awk '{ print $1, $2, $3 }' /proc/self/timens_offsets"
const uptime = "cut -d. -f1 /proc/uptime"
const link = "readlink /proc/self/ns/time"
const day = 86_400

describe.skipIf(noTime !== "")(`a time namespace${noTime}`, () => {
  it.live("shows clocks that are ahead, or behind, to every process in it", () =>
    Effect.gen(function* () {
      for (const others of [{}, { pid: true }, { user: "root", mount: true }] as const) {
        const set = yield* Namespace.make({ time: { monotonic: "1 day", boottime: "10 days" }, ...others })
        expect(yield* say(offsets, set)).toBe(`monotonic ${day} 0\nboottime ${10 * day} 0`)
        const outside = Number(yield* say(uptime))
        expect(Number(yield* say(uptime, set)) - outside).toBeGreaterThanOrEqual(10 * day)
        expect(yield* say(link, set)).toBe(yield* say(link, set))
        expect(yield* say(link, set)).not.toBe(readlinkSync("/proc/self/ns/time"))
      }
      const behind = yield* Namespace.make({ time: { boottime: -1500 } })
      expect(yield* say(offsets, behind)).toBe("monotonic 0 0\nboottime -2 500000000")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("tells status and failures as elsewhere", () =>
    Effect.gen(function* () {
      // The report of a failure is out of the way of any descriptor of the process.
      const fds: Readonly<Record<number, "null">> = Object.fromEntries(
        Array.from({ length: 20 }, (_, index) => [index + 3, "null"] as const)
      )
      for (const others of [{}, { pid: true }]) {
        const set = yield* Namespace.make({ time: true, ...others })
        const sh = (script: string) => Command.make("/bin/sh", ["-c", script], { namespaces: set, cwd: "/", fds })
        // The shell opens one more to look.
        expect(yield* Process.string(sh("echo /proc/self/fd/* | wc -w"))).toBe("24\n")
        const child = yield* Process.spawn(sh("exit 7"))
        expect((yield* child.exit).status).toMatchObject({ _tag: "Exited", code: 7 })
        const missing = yield* Effect.flip(Process.spawn(sh("").pipe(Command.cwd("/no/such"))))
        expect(missing).toMatchObject({ step: "cwd", reason: { _tag: "WorkingDirectory" } })
        const nobody = yield* Effect.flip(
          Process.spawn(Command.make("/no/such", [], { namespaces: set, cwd: "/", fds }))
        )
        expect(nobody).toMatchObject({ step: "exec", reason: { _tag: "ProgramNotFound" } })
      }
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("has no clock before its beginning, nor one that is infinitely far ahead", () =>
    Effect.gen(function* () {
      const early = yield* Effect.flip(Namespace.make({ time: { monotonic: "-100000 days" } }))
      expect(early).toMatchObject({ _tag: "NamespaceSetup", step: "make", errno: "ERANGE" })
      expect(early.message).toContain("before its beginning")
      const never = yield* Effect.flip(Namespace.make({ time: { boottime: "Infinity" } }))
      expect(never.message).toContain("infinitely")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})
