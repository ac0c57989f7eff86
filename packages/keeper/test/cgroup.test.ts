/** Level `cgroup`: each process has a group of its own, which the kernel ends and which is gone with it. */
import { spawn as spawnProcess } from "node:child_process"
import { existsSync, mkdirSync, rmdirSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import * as Cgroups from "./cgroups.ts"
import type { Family, Options, Spawned } from "./driver.ts"
import * as F from "./frames.ts"
import {
  closeAll,
  expectNothingAlive,
  expectNothingLeft,
  native,
  onTargets,
  released,
  signalAll,
  start,
  type Target,
  until
} from "./suite.ts"
import * as Tools from "./tools.ts"

const { EINVAL, ENOENT, ENOTSUP } = constants.errno
const level = F.Level.cgroup
const output: ReadonlyArray<F.Fd> = [{ target: 1, kind: F.Kind.pipeOut }]
const daemon = ["fork", "{", "setsid", "fork", "{", "ignore", "pid", "daemon", "pause", "}", "}", "wait"]

let groups: Array<string> = []

// The init of a test has left its group when the group can be removed.
afterEach(async () => {
  await closeAll()
  const mine = groups
  groups = []
  for (const group of mine) {
    const isRemoved = (): boolean => {
      try {
        rmdirSync(group)
        return true
      } catch {
        return false
      }
    }
    await until(isRemoved)
  }
})

/** A family in a group that belongs to its user, and the group of its nursery. */
interface Setting {
  readonly family: Family
  readonly base: string
  readonly nursery: string
}

const settle = async (
  begin: (options: Options) => Promise<Family>,
  uid: number,
  options: Options = {}
): Promise<Setting> => {
  const base = Cgroups.make(uid)
  groups.push(base)
  const family = await begin({ ...options, init: ["-g", base, ...(options.init ?? [])] })
  return { family, base, nursery: join(base, "nursery") }
}

const uidOf = (target: Target): number => (target.root ? 0 : Tools.ordinaryUser)

const inGroup = ({ nursery }: Setting, ...files: ReadonlyArray<Buffer>): Partial<F.Spawn> => ({
  level,
  fds: output,
  setup: [...files, F.cgroup(nursery)]
})

const ready = async (setting: Setting, words: ReadonlyArray<string>) => {
  const child = setting.family.probe(words, inGroup(setting))
  const started = await child.started()
  const lines = setting.family.lines(started)
  await lines.find("ready")
  return { child, started, lines, group: join(setting.nursery, String(child.id)) }
}

const usageOf = (family: Family, child: Spawned) =>
  family
    .all(child.id)
    .filter(({ type }) => type === "cgroup")
    .at(-1)

const shell = (setting: Setting, script: string): Spawned =>
  setting.family.spawn({ argv: ["/bin/sh", "-c", script], ...inGroup(setting) })

const none: ReadonlyArray<readonly [why: string, init: ReadonlyArray<string>]> = [
  ["", []],
  [", also where clone3 is forbidden", ["-e", `clone3=${constants.errno.EPERM}`]],
  [", also where the kernel does not know clone3", ["-e", `clone3=${constants.errno.ENOSYS}`]]
]

const wanted = (target: Target): boolean => Cgroups.missing === undefined && native(target)

describe.skipIf(Cgroups.missing === undefined)("level cgroup", () => {
  it.skip(`cannot be tested (skipped: ${Cgroups.missing?.reason})`, () => {})
})

onTargets("a process in a cgroup", wanted, (target) => {
  const set = (options?: Options) => settle(target.start, uidOf(target), options)

  it.each(none)("is in a group of its own, which is gone with it%s", async (_, init) => {
    const setting = await set({ init })
    const { family, nursery } = setting
    const child = shell(setting, "grep ^0:: /proc/self/cgroup; echo ready; exec sleep 1000")
    const lines = family.lines(await child.started())
    await lines.find("ready")
    expect(lines.all[0]?.endsWith(`/nursery/${child.id}`)).toBe(true)
    expect(Cgroups.below(nursery)).toEqual([String(child.id)])
    child.cancel()
    await child.ended()
    expect(Cgroups.below(nursery)).toEqual([])
    await expectNothingLeft(family)
    expect(existsSync(nursery)).toBe(false)
  })

  it("ends with everything that it started, by whatever path that has escaped", async () => {
    const setting = await set()
    const { child, lines, group } = await ready(setting, [...daemon, "ignore", "echo", "ready", "pause"])
    expect(Cgroups.processesOf(group).length).toBeGreaterThan(1)
    child.cancel()
    await child.ended()
    await lines.ended
    expect(existsSync(group)).toBe(false)
    await expectNothingLeft(setting.family)
  })

  it("keeps its group until nothing is left that it started", async () => {
    const setting = await set()
    const words = ["fork", "{", "setsid", "echo", "ready", "pause", "}", "exit", "3"]
    const { child, group } = await ready(setting, words)
    expect(await child.exited()).toMatchObject({ status: 3 << 8, ended: false })
    expect(existsSync(group)).toBe(true)
    child.stop({ signal: 0 })
    await child.ended()
    expect(existsSync(group)).toBe(false)
    await expectNothingLeft(setting.family)
  })

  it("is ended all the same where it has left its group", async () => {
    const setting = await set()
    const leave = `echo 0 > ${setting.base}/cgroup.procs`
    const child = shell(setting, `${leave}; setsid sleep 1000 & echo ready; exec sleep 1000`)
    const started = await child.started()
    const lines = setting.family.lines(started)
    await lines.find("ready")
    expect(Cgroups.processesOf(setting.base)).toContain(started.pid)
    child.cancel()
    await child.ended()
    await lines.ended
    await expectNothingLeft(setting.family)
  })

  it("takes groups with it that it has made in its own, however deep", async () => {
    const setting = await set()
    const script = `cd ${setting.nursery}/[0-9]*; for n in $(seq 40); do mkdir in beside; cd in; done
      echo 0 > cgroup.procs; sleep 1000 & echo ready; exec sleep 1000`
    const child = shell(setting, script)
    const lines = setting.family.lines(await child.started())
    await lines.find("ready")
    child.cancel()
    await child.ended()
    await lines.ended
    expect(Cgroups.below(setting.nursery)).toEqual([])
    await expectNothingLeft(setting.family)
  })

  it("tells what all of its processes have used, also those that nobody has waited for", async () => {
    const setting = await set()
    const words = ["fork", "{", "setsid", "fork", "{", "burn", "60", "echo", "ready", "}", "}", "wait"]
    const { child } = await ready(setting, [...words, "exit", "0"])
    await child.ended()
    const usage = usageOf(setting.family, child)
    expect(usage).toMatchObject({ oomKills: 0, outOfMemory: false })
    expect(usage?.type === "cgroup" ? usage.cpuTime : 0).toBeGreaterThanOrEqual(50_000)
    await expectNothingLeft(setting.family)
  })

  it("fails to start as at other levels, and leaves nothing", async () => {
    const setting = await set()
    const { family, nursery } = setting
    for (let attempt = 0; attempt < 3; attempt++) {
      const failed = await family.spawn({ argv: ["/no/such/program"], ...inGroup(setting) }).failed()
      expect(failed).toMatchObject({ step: F.Step.exec, errno: ENOENT, target: -1 })
    }
    expect(Cgroups.below(nursery)).toEqual([])
    await expectNothingLeft(family)
    expect(existsSync(nursery)).toBe(false)
  })

  it("says which of its files cannot be written, and leaves nothing", async () => {
    const setting = await set()
    const { family, nursery } = setting
    const first = family.probe([], inGroup(setting, F.number(F.Setup.nice, 0), F.cgroupFile("none.max", "1")))
    expect(await first.failed()).toMatchObject({ step: F.Step.limits, target: 1 })
    expect(Cgroups.below(nursery)).toEqual([])
    await expectNothingLeft(family)
  })

  it("says that no group can be made, and which", async () => {
    const setting = await set()
    const { family, base } = setting
    const nowhere = { ...setting, nursery: join(base, "no", "such", "nursery") }
    const failed = await family.probe([], inGroup(nowhere)).failed()
    expect(failed).toMatchObject({ step: F.Step.containment, errno: ENOENT, target: 3 })
    expect(await family.probe(["exit", "4"], inGroup(setting)).exited()).toMatchObject({ status: 4 << 8 })
    const other = await family.probe([], inGroup({ ...setting, nursery: join(base, "other") })).failed()
    expect(other).toMatchObject({ step: F.Step.containment, errno: EINVAL, target: 3 })
    await expectNothingLeft(family)
  })

  it("cannot be released", async () => {
    const setting = await set()
    const { child } = await ready(setting, ["echo", "ready", "pause"])
    expect(await child.release()).toBe(ENOTSUP)
    child.cancel()
    await child.ended()
    await expectNothingLeft(setting.family)
  })
})

onTargets(
  "a stranger in the group of a process",
  (target) => wanted(target) && Tools.isRoot,
  (target) => {
    it("ends with it, before its end is told", async () => {
      const setting = await settle(target.start, uidOf(target))
      const { child, group } = await ready(setting, ["echo", "ready", "pause"])
      const stranger = spawnProcess(Tools.probe(), ["ignore", "pause"], { stdio: "ignore" })
      const gone = new Promise((resolve) => stranger.once("exit", (_, signal) => resolve(signal)))
      Cgroups.move(stranger.pid ?? 0, group)
      expect(await child.signal(15)).toBe(0)
      expect(await child.exited()).toMatchObject({ status: 15 })
      await child.ended()
      expect(existsSync(group)).toBe(false)
      expect(await gone).toBe("SIGKILL")
      await expectNothingLeft(setting.family)
    })
  }
)

onTargets(
  "the helpers of processes in cgroups",
  (target) => wanted(target) && released(target),
  (target) => {
    const subsets: ReadonlyArray<ReadonlyArray<"owner" | "guard" | "keeper" | "reaper">> = [
      ["owner"],
      ["keeper"],
      ["guard", "keeper"],
      ["keeper", "reaper"],
      ["owner", "guard", "keeper"],
      // The reaper of another process is the one helper that lives.
      ["guard", "keeper", "reaper"],
      ["owner", "guard", "keeper", "reaper"]
    ]

    it.each(subsets.map((which) => ({ which })))("get SIGKILL, $which at once: nothing is left", async ({ which }) => {
      const setting = await settle(target.start, uidOf(target), { hello: { ownerDeathGrace: 100 } })
      const { family, nursery } = setting
      const words = [...daemon, "ignore", "echo", "ready", "pause"]
      const [one, other] = [await ready(setting, words), await ready(setting, words)]
      signalAll(
        9,
        which.map((name) => (name === "reaper" ? one.started.reaper : family[name]))
      )
      if (!which.includes("owner")) family.end()
      await one.lines.ended
      await other.lines.ended
      await expectNothingAlive(family)
      await until(() => !existsSync(nursery))
    })

    it.each([9, 19])(
      "get signal %i, the reaper alone: its process is lost and gone, and no other one",
      async (signal) => {
        const setting = await settle(target.start, uidOf(target))
        const words = [...daemon, "ignore", "echo", "ready", "pause"]
        const [one, other] = [await ready(setting, words), await ready(setting, words)]
        signalAll(signal, [one.started.reaper])
        await one.child.lost()
        await one.child.ended()
        await one.lines.ended
        expect(Cgroups.below(setting.nursery)).toEqual([String(other.child.id)])
        expect(await other.child.signal(0)).toBe(0)
        await expectNothingLeft(setting.family)
        expect(existsSync(setting.nursery)).toBe(false)
      }
    )

    // Of an ordinary user, whoever runs the tests.
    it.runIf(target.root || !Tools.isRoot)("end a fork bomb", async () => {
      const setting = await settle(target.start, Tools.ordinaryUser, {
        uid: Tools.ordinaryUser,
        init: Tools.processLimit(250)
      })
      const child = setting.family.probe(["bomb", "20000"], inGroup(setting))
      const lines = setting.family.lines(await child.started())
      await lines.find("full")
      child.cancel()
      await child.ended()
      await lines.ended
      await expectNothingLeft(setting.family)
      expect(existsSync(setting.nursery)).toBe(false)
    })
  }
)

const old = Tools.keeperWithoutKill()

describe.skipIf(Cgroups.missing !== undefined || old instanceof Tools.Missing)(
  `on a kernel without cgroup.kill${Tools.because(old)}`,
  () => {
    it("a group is frozen and its processes are killed one by one, those in groups below it too", async () => {
      const uid = Tools.isRoot ? 0 : Tools.ordinaryUser
      const keeper = old instanceof Tools.Missing ? "" : old
      const setting = await settle((options) => start({ keeper, ...options }), uid)
      const { group, child, lines } = await ready(setting, [...daemon, "ignore", "echo", "ready", "pause"])
      const stranger = spawnProcess(Tools.probe(), ["ignore", "pause"], { stdio: "ignore" })
      const gone = new Promise((resolve) => stranger.once("exit", (_, signal) => resolve(signal)))
      mkdirSync(join(group, "below"))
      Cgroups.move(stranger.pid ?? 0, join(group, "below"))
      child.cancel()
      await child.ended()
      await lines.ended
      expect(await gone).toBe("SIGKILL")
      expect(existsSync(group)).toBe(false)
      await expectNothingLeft(setting.family)
    })
  }
)
