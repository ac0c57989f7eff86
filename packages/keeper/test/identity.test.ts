/** What is arranged for a child before its exec: limits, priority, identity. Looked at where the kernel shows it. */
import { readFileSync } from "node:fs"
import { constants } from "node:os"
import { expect, it } from "vitest"
import * as F from "./frames.ts"
import { expectNothingLeft, native, noVfork, onTargets, type Target } from "./suite.ts"
import * as Tools from "./tools.ts"

const { EACCES, EAGAIN, EINVAL, EPERM } = constants.errno
const RLIMIT_NPROC = 6
const RLIMIT_NOFILE = 7
const SCHED_BATCH = 3
const SIGKILL = 9
const everybody = () => true
const noNewPrivileges = F.setup(F.Setup.noNewPrivileges, Buffer.alloc(0))

/** The lines of `/proc/<pid>/limits` by resource, in the order of their numbers. */
const resources = [
  ["Max cpu time", 0],
  ["Max file size", 1],
  ["Max data size", 2],
  ["Max stack size", 3],
  ["Max core file size", 4],
  ["Max resident set", 5],
  ["Max processes", RLIMIT_NPROC],
  ["Max open files", RLIMIT_NOFILE],
  ["Max locked memory", 8],
  ["Max address space", 9],
  ["Max file locks", 10],
  ["Max pending signals", 11],
  ["Max msgqueue size", 12],
  ["Max nice priority", 13],
  ["Max realtime priority", 14],
  ["Max realtime timeout", 15]
] as const

const limitOf = (pid: number, name: string): ReadonlyArray<string> =>
  new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.slice(1) ?? []

const statusOf = (pid: number, name: string): string =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]?.trim() ?? "?"

/** Fields of `/proc/<pid>/stat`, by their numbers in proc_pid_stat(5). */
const statField = (pid: number, field: number): number => {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1")
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[field - 3])
}

/** Containers take this one from root, too: then even root raises no limit. */
const mayRaise = ((BigInt(`0x${statusOf(process.pid, "CapEff")}`) >> 24n) & 1n) === 1n

type Family = Awaited<ReturnType<Target["start"]>>

/** Starts a child with this setup and looks at it while it is there. It has to speak first: the emulator tells its start too soon. */
const look = async <A>(family: Family, setup: ReadonlyArray<Buffer>, at: (pid: number) => A): Promise<A> => {
  const child = family.probe(["echo", "ready", "pause"], { setup, fds: [{ target: 1, kind: F.Kind.pipeOut }] })
  const started = await child.started()
  await family.lines(started).find("ready")
  try {
    return at(started.pid)
  } finally {
    child.cancel()
    await child.ended()
  }
}

const refusal = async (family: Family, setup: ReadonlyArray<Buffer>) => {
  const { step, errno, target } = await family.probe([], { setup }).failed()
  return { step, errno, target }
}

onTargets("limits", everybody, (target) => {
  it("of every kind are those of the child, soft and hard", async () => {
    const family = await target.start()
    // What a process needs to start with, and what anybody may set.
    const values = resources.map(([, resource]) =>
      resource === 13 || resource === 14 ? [0n, 0n] : [1n << 40n, 1n << 41n]
    )
    const wanted = resources.flatMap(([name, resource], index) => {
      const [soft = 0n, hard = 0n] = values[index] ?? []
      const [, now = "0"] = limitOf(process.pid, name)
      // Lowered only, for an ordinary user; and the emulator has its own idea of memory.
      const most = now === "unlimited" ? 1n << 50n : BigInt(now)
      const memory = resource === 2 || resource === 3 || resource === 9
      if (target.emulated && memory) return []
      return [{ name, resource, soft: soft < most ? soft : most, hard: hard < most ? hard : most }]
    })
    const items = wanted.map(({ hard, resource, soft }) => F.limit(resource, soft, hard))
    const seen = await look(family, items, (pid) => wanted.map(({ name }) => limitOf(pid, name)))
    expect(seen).toEqual(wanted.map(({ hard, soft }) => [`${soft}`, `${hard}`]))
    await expectNothingLeft(family)
  })

  it("keep the half that is not given, the soft one at most the hard one", async () => {
    const family = await target.start({ init: ["-l", "nofile=500"] })
    const seen = async (soft: bigint, hard: bigint) =>
      look(family, [F.limit(RLIMIT_NOFILE, soft, hard)], (pid) => limitOf(pid, "Max open files"))
    expect(await seen(100n, F.keep)).toEqual(["100", "500"])
    expect(await seen(F.keep, 200n)).toEqual(["200", "200"])
    expect(await seen(F.keep, F.keep)).toEqual(["500", "500"])
    await expectNothingLeft(family)
  })

  it("of descriptors leave those that were given, and count for those that come", async () => {
    const family = await target.start()
    const fds = [0, 1, 2, 50, 900].map((number) => ({
      target: number,
      kind: number === 1 ? F.Kind.pipeOut : F.Kind.null
    }))
    const lines = (
      await family.output(["fds", "status"], {
        fds: fds.filter((fd) => fd.target !== 1),
        setup: [F.limit(RLIMIT_NOFILE, 4n, 5n)]
      })
    ).split("\n")
    expect(lines.filter((line) => /^\d/.test(line)).map((line) => Number(line.split(" ")[0]))).toEqual([
      0, 1, 2, 50, 900
    ])
    expect(lines).toContain("nofile 4 5")
    await expectNothingLeft(family)
  })
})

onTargets(
  "limits that cannot be",
  native,
  (target) => {
    it("are told by their place among the items", async () => {
      const family = await target.start({ init: ["-l", "nofile=500"] })
      const fine = F.limit(4, 0n, F.keep)
      expect(await refusal(family, [fine, F.limit(RLIMIT_NOFILE, 501n, F.keep)])).toEqual({
        step: F.Step.limits,
        errno: EINVAL,
        target: 1
      })
      const raised = [fine, fine, F.limit(RLIMIT_NOFILE, 10n, 501n)]
      if (mayRaise && target.root)
        expect(await look(family, raised, (pid) => limitOf(pid, "Max open files"))).toEqual(["10", "501"])
      else expect(await refusal(family, raised)).toEqual({ step: F.Step.limits, errno: EPERM, target: 2 })
      await expectNothingLeft(family)
    })
  },
  { emulation: noVfork }
)

onTargets(
  "a limit of processes",
  (target) => native(target) && target.root,
  (target) => {
    it("counts against the user that they become", async () => {
      const family = await target.start()
      const user = Tools.ordinaryUser + 1
      const setup = [F.limit(RLIMIT_NPROC, 1n, 1n), F.credentials(user, user, [])]
      // The kernel lets one more pass than the limit says, for it counts before the change of the user.
      const children = [0, 1, 2].map(() => family.probe(["pause"], { setup }))
      const answers = await Promise.all(children.map((child) => family.answer(child.id, ["started", "failed"])))
      const failed = answers.filter((answer) => answer.type === "failed")
      expect(failed.length).toBeGreaterThan(0)
      expect(failed.length).toBeLessThan(3)
      for (const answer of failed) expect(answer).toMatchObject({ step: F.Step.exec, errno: EAGAIN })
      await expectNothingLeft(family)
    })
  },
  { emulation: noVfork }
)

onTargets("priority", everybody, (target) => {
  it("is that of the child alone: niceness, policy, processors, score for the out-of-memory killer", async () => {
    const family = await target.start()
    const score = mayRaise && target.root ? -300 : 400
    const own = statField(family.keeper, 19)
    const setup = [
      F.number(F.Setup.nice, 18),
      F.setup(F.Setup.scheduler, F.u32(SCHED_BATCH, 0)),
      F.number(F.Setup.ioPriority, (3 << 13) | 0),
      F.setup(F.Setup.affinity, F.u64(1n)),
      F.number(F.Setup.oomScore, score)
    ]
    const seen = await look(family, setup, (pid) => ({
      nice: statField(pid, 19),
      policy: statField(pid, 41),
      cpus: statusOf(pid, "Cpus_allowed_list"),
      score: Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"))
    }))
    expect(seen).toEqual({ nice: 18, policy: SCHED_BATCH, cpus: "0", score })
    expect(statField(family.keeper, 19)).toBe(own)
    await expectNothingLeft(family)
  })
})

onTargets(
  "priority that cannot be",
  native,
  (target) => {
    it("is told by its place among the items", async () => {
      const family = await target.start()
      const missing = [F.setup(F.Setup.affinity, F.u64(1n, 0n, 0n, 0n, 1n << 63n))]
      expect(await refusal(family, missing)).toEqual({ step: F.Step.limits, errno: EINVAL, target: 0 })
      const unknown = [F.number(F.Setup.nice, 19), F.setup(F.Setup.scheduler, F.u32(77, 0))]
      expect(await refusal(family, unknown)).toEqual({ step: F.Step.limits, errno: EINVAL, target: 1 })
      if (target.root) return expectNothingLeft(family)
      expect((await refusal(family, [F.number(F.Setup.nice, -20)])).errno).toBe(EACCES)
      expect((await refusal(family, [F.number(F.Setup.oomScore, -5)])).errno).toBe(EACCES)
      expect((await refusal(family, [F.setup(F.Setup.scheduler, F.u32(1, 5))])).errno).toBe(EPERM)
      return expectNothingLeft(family)
    })
  },
  { emulation: noVfork }
)

const wholeIdentity = (pid: number) => ({
  uid: statusOf(pid, "Uid"),
  gid: statusOf(pid, "Gid"),
  groups: statusOf(pid, "Groups"),
  capabilities: ["CapInh", "CapPrm", "CapEff", "CapAmb"].map((set) => BigInt(`0x${statusOf(pid, set)}`)),
  bounding: BigInt(`0x${statusOf(pid, "CapBnd")}`)
})

const four = <A>(value: A): ReadonlyArray<A> => [value, value, value, value]
const ids = (id: number): string => four(id).join("\t")

onTargets(
  "credentials",
  (target) => target.root,
  (target) => {
    const user = Tools.ordinaryUser + 2
    const group = user + 1

    it("are all user and group ids, without any capability and without a way back (trap 21)", async () => {
      const family = await target.start()
      const setup = [F.credentials(user, group, [group + 1, group + 2])]
      const seen = await look(family, setup, wholeIdentity)
      expect(seen).toMatchObject({
        uid: ids(user),
        gid: ids(group),
        groups: `${group + 1} ${group + 2}`,
        capabilities: four(0n)
      })
      const back = family.probe(["root"], { setup, fds: F.nothing })
      expect((await back.exited()).status >> 8).toBe(99)
      await expectNothingLeft(family)
    })

    it("leave the groups that nothing is said about", async () => {
      const family = await target.start()
      const own = statusOf(family.keeper, "Groups")
      expect(await look(family, [F.credentials(user, group)], wholeIdentity)).toMatchObject({ groups: own })
      const onlyGroup = [F.credentials(F.keepId, group)]
      expect(await look(family, onlyGroup, wholeIdentity)).toMatchObject({ uid: ids(0), gid: ids(group), groups: own })
      await expectNothingLeft(family)
    })

    it("keep the capabilities that are asked for, across user and exec", async () => {
      const family = await target.start()
      const bind = 1n << 10n
      for (const who of [user, 0]) {
        const setup = [F.credentials(who, group, []), F.capabilities(bind, "keep")]
        expect(await look(family, setup, wholeIdentity)).toMatchObject({
          uid: ids(who),
          capabilities: four(bind),
          bounding: bind
        })
      }
      await expectNothingLeft(family)
    })

    it("drop the capabilities that are asked for, for good", async () => {
      const family = await target.start()
      const before = wholeIdentity(family.keeper)
      const dropped = (1n << 21n) | (1n << 10n)
      const seen = await look(family, [F.capabilities(dropped, "drop")], wholeIdentity)
      expect(seen.bounding).toBe(before.bounding & ~dropped)
      expect(seen.capabilities[1]).toBe((before.capabilities[1] ?? 0n) & ~dropped)
      expect(await look(family, [F.capabilities(0n, "keep")], wholeIdentity)).toMatchObject({
        capabilities: four(0n),
        bounding: 0n
      })
      await expectNothingLeft(family)
    })

    it("do not take it out of the reach of its reaper: it is signalled, and killed with it (trap 15)", async () => {
      const family = await target.start()
      const setup = [F.credentials(user, group, []), F.capabilities(0n, "keep"), noNewPrivileges]
      const status = await family.output(["status"], { setup })
      // qemu knows no such death signal of its own process: it passes the call on.
      expect(status).toContain(`death ${SIGKILL}\n`)
      const child = family.probe(["ignore", "echo", "ready", "pause"], {
        setup,
        fds: [{ target: 1, kind: F.Kind.pipeOut }]
      })
      await family.lines(await child.started()).find("ready")
      expect(await child.signal(0)).toBe(0)
      child.stop({ signal: 15, grace: 10, linger: 10 })
      expect(await child.exited()).toMatchObject({ status: SIGKILL })
      // Emulated, what leaves its session falls to the init when its parent dies: noSubreapers.
      const rest = target.emulated ? ["pause"] : ["fork", "{", "setsid", "pause", "}", "pause"]
      await family.probe(rest, { setup }).started()
      await expectNothingLeft(family)
    })
  }
)

onTargets("no new privileges", everybody, (target) => {
  it("is for good", async () => {
    const family = await target.start()
    expect(await look(family, [noNewPrivileges], (pid) => statusOf(pid, "NoNewPrivs"))).toBe("1")
    await expectNothingLeft(family)
  })
})

onTargets(
  "credentials that cannot be",
  native,
  (target) => {
    const own = target.root ? 0 : Tools.ordinaryUser

    it("are an error, and never a part of them", async () => {
      const family = await target.start()
      const unknown = F.capabilities(1n << 63n, "keep", 1)
      expect(await refusal(family, [unknown])).toEqual({ step: F.Step.credentials, errno: EINVAL, target: 0 })
      if (target.root) return expectNothingLeft(family)
      const asked = [
        F.credentials(12_345, 12_345, []),
        F.credentials(F.keepId, F.keepId, [7]),
        F.capabilities(0n, "keep"),
        F.capabilities(1n << 10n, "keep", 1)
      ]
      for (const item of asked)
        expect(await refusal(family, [item])).toEqual({ step: F.Step.credentials, errno: EPERM, target: 0 })
      return expectNothingLeft(family)
    })

    it("need no privilege where they change nothing", async () => {
      const family = await target.start()
      const groups = statusOf(family.keeper, "Groups")
        .split(" ")
        .filter((text) => text !== "")
        .map(Number)
      const gid = Number(statusOf(family.keeper, "Gid").split("\t")[0])
      const setup = [F.credentials(own, gid, groups), F.capabilities(0n, "keep", 1), noNewPrivileges]
      expect(await look(family, setup, wholeIdentity)).toMatchObject({ uid: ids(own), capabilities: four(0n) })
      await expectNothingLeft(family)
    })
  },
  { emulation: noVfork }
)

onTargets(
  "an owner that gave up its privileges",
  (target) => native(target) && target.root,
  (target) => {
    it("does not get them back by way of the helpers", async () => {
      const family = await target.start({ init: ["-l", "nofile=500"] })
      await family.order(`setuid ${Tools.ordinaryUser}`)
      expect(await refusal(family, [F.limit(RLIMIT_NOFILE, 10n, 501n)])).toMatchObject({
        step: F.Step.limits,
        errno: EPERM
      })
      expect(await refusal(family, [F.number(F.Setup.nice, -20)])).toMatchObject({ errno: EACCES })
      expect(await refusal(family, [F.number(F.Setup.oomScore, -5)])).toMatchObject({ errno: EACCES })
      expect(await refusal(family, [F.credentials(0, 0, [0])])).toMatchObject({
        step: F.Step.credentials,
        errno: EPERM
      })
      expect(await refusal(family, [F.capabilities(1n << 10n, "keep", 1)])).toMatchObject({ errno: EPERM })
      const harmless = [F.number(F.Setup.oomScore, 300), F.number(F.Setup.nice, 19)]
      expect(await look(family, harmless, (pid) => readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"))).toBe("300\n")
      await expectNothingLeft(family)
    })
  },
  { emulation: noVfork }
)
