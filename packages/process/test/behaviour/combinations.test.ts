/**
 * Random processes in random namespaces, with random levels, limits, identities, sandboxes and descriptors, all of them together: each is seen
 * by the kernel exactly as it was asked for, and nothing is left of it.
 */
import { existsSync, readdirSync, readlinkSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import * as Fd from "../../src/Fd.ts"
import * as Namespace from "../../src/Namespace.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Levels from "../support/levels.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"
import * as Seen from "../support/status.ts"
import { until } from "../support/within.ts"

const rounds = Random.isCampaign ? 2000 : 60
const without = Levels.because("pid-namespace")
const uid = process.getuid?.() ?? 0
const gid = process.getgid?.() ?? 0
const isRoot = uid === 0 && Seen.isCapable(Seen.CAP_SYS_ADMIN)

const links = {
  user: "user",
  pid: "pid",
  mount: "mnt",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  time: "time"
} as const
type Kind = keyof typeof links
const isKind = (name: string): name is Kind => name in links
const kinds: ReadonlyArray<Kind> = Object.keys(links)
  .filter(isKind)
  .filter((kind) => existsSync(`/proc/self/ns/${links[kind]}`))

const linkOf = (pid: number | "self", kind: Kind): string => readlinkSync(`/proc/${pid}/ns/${links[kind]}`)

const differing = (pid: number): ReadonlyArray<Kind> =>
  kinds.filter((kind) => linkOf(pid, kind) !== linkOf("self", kind))

/** The descriptors of a process. */
const numbers = (pid: number): ReadonlyArray<number> =>
  readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .sort((one, other) => one - other)

const chance = (random: Random.Random, one: number): boolean => random.below(one) === 0

/** What is asked for, and what has to be seen then. */
interface Asked {
  readonly options: Namespace.Options
  readonly kinds: ReadonlyArray<Kind>
}

const anySet = (random: Random.Random): Asked => {
  const user = chance(random, 4) ? "root" : chance(random, 3)
  const wanted = kinds.filter((kind) => kind !== "user" && chance(random, 3))
  const options: Record<string, unknown> = Object.fromEntries(wanted.map((kind) => [kind, true]))
  if (options["mount"] === true && chance(random, 2)) options["mount"] = { temporary: ["/mnt"], readOnly: ["/usr"] }
  if (options["time"] === true && chance(random, 2)) options["time"] = { monotonic: random.below(1_000_000) }
  const asked = new Set<Kind>(wanted)
  if (asked.has("pid")) asked.add("mount")
  // Without privilege there is a user namespace around the others.
  if (user !== false || (!isRoot && asked.size > 0)) asked.add("user")
  return { options: { ...options, user }, kinds: kinds.filter((kind) => asked.has(kind)) }
}

const soft = [64, 100, 1000] as const

const round = (random: Random.Random, stage: Stage.Stage, index: number) =>
  Effect.gen(function* () {
    const set = chance(random, 3) ? undefined : anySet(random)
    const namespaces = set === undefined || set.kinds.length === 0 ? undefined : yield* Namespace.make(set.options)
    const level =
      namespaces === undefined
        ? random.pick(["tree", "group", "pid-namespace"] as const)
        : random.pick(["tree", "group"] as const)
    const isRootInside = set?.options.user === "root"
    const nofile = random.pick(soft)
    // As root of the machine, another user; it has to be known in the user namespace too.
    const changes = isRoot && set?.kinds.includes("user") !== true && chance(random, 2)
    const identity = changes
      ? { user: 20_000 + random.below(100), group: 20_000 + random.below(100), groups: [30_000 + random.below(9)] }
      : undefined
    const pipe = yield* Fd.pipe()
    const fds: Record<number, "null" | typeof pipe.write> = {}
    for (let number = 3; number < 40; number++)
      if (chance(random, 6)) fds[number] = chance(random, 3) ? pipe.write : "null"
    const boxed = chance(random, 3)
    const command = Command.make("sleep", ["1000"], {
      cwd: "/",
      env: stage.environment,
      fds,
      stop: { grace: 0 },
      stdout: "null",
      stderr: "null",
      containment: level,
      limits: { nofile: { soft: nofile, hard: 1000 }, core: 0 },
      oomScoreAdjust: 300,
      ...(namespaces === undefined ? undefined : { namespaces }),
      ...(identity === undefined ? undefined : { credentials: identity }),
      ...(boxed ? { sandbox: { read: ["/"], execute: ["/"] } } : undefined)
    })
    const message = `round ${index}: ${JSON.stringify({ set: set?.options, level, identity, fds: Object.keys(fds), boxed })}`
    const child = yield* Process.spawn(command).pipe(
      Effect.mapError((error) => new Error(`${message}: ${error.message}`))
    )
    const own = level === "pid-namespace" ? (isRoot ? ["pid", "mount"] : ["user", "pid", "mount"]) : []
    expect(differing(child.pid), message).toEqual(
      namespaces === undefined ? kinds.filter((kind) => own.includes(kind)) : set?.kinds
    )
    expect(Seen.limit(child.pid, "open files"), message).toEqual([`${nofile}`, "1000"])
    expect(Seen.oomScoreAdjust(child.pid), message).toBe(300)
    expect(Seen.status(child.pid, "NoNewPrivs"), message).toBe(boxed ? "1" : Seen.status("self", "NoNewPrivs"))
    expect(Seen.ids(child.pid, "Uid").slice(0, 3), message).toEqual(Array(3).fill(identity?.user ?? uid))
    expect(Seen.ids(child.pid, "Gid").slice(0, 3), message).toEqual(Array(3).fill(identity?.group ?? gid))
    if (identity !== undefined) expect(Seen.groups(child.pid), message).toEqual(identity.groups)
    // What became another user may be looked into by root only, and this is root then. Libraries are opened for a moment.
    const given = [0, 1, 2, ...Object.keys(fds).map(Number)].join()
    const seen = () => numbers(child.pid).join()
    yield* Effect.promise(() => until(`see its descriptors, ${message}`, () => seen() === given, seen))
    if (isRootInside) expect(Seen.status(child.pid, "CapEff"), message).not.toBe("0000000000000000")
    const exit = yield* child.stop()
    expect(exit.status, message).toMatchObject({ _tag: "Signaled", signal: "SIGKILL" })
  }).pipe(Effect.scoped)

it.live.skipIf(without !== "")(
  `what is asked for is what is there, ${rounds} times${without}`,
  () =>
    Effect.gen(function* () {
      const random = Random.make("combinations")
      const stage = yield* Stage.make
      yield* Effect.forEach(
        Array.from({ length: rounds }, (_, index) => index),
        (index) => round(random, stage, index),
        { discard: true }
      )
      expect(yield* Nursery.processes).toEqual([])
      expect(stage.left()).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer)),
  Random.isCampaign ? 1_800_000 : 120_000
)
