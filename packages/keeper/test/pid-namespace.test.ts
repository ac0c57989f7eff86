/** Level `pid-namespace`: the reaper is the init of a namespace of its own, and the kernel ends the namespace with it. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import { daemon, endedBy, never, output, ready as readyAt } from "./probes.ts"
import {
  childrenOf,
  expectNothingAlive,
  expectNothingLeft,
  native,
  onTargets,
  parentOf,
  released,
  signalAll,
  stateOf,
  until
} from "./suite.ts"
import * as Tools from "./tools.ts"

const { ECANCELED, ENOENT, ENOSPC, ENOTSUP, EPERM, ESRCH } = constants.errno
const level = F.Level.pidNamespace

const ready = (family: Family, words: ReadonlyArray<string>, spawn: Partial<F.Spawn> = {}) =>
  readyAt(family, words, { level, ...spawn })

const shell = (script: string): F.Spawn => ({ argv: ["/bin/sh", "-c", script], level, fds: output })

const kill = (pid: number, signal: number): void => {
  if (pid <= 1) throw new Error(`no such helper: ${pid}`)
  process.kill(pid, signal)
}

/** What stands in its line of /proc/<pid>/status. */
const statusOf = (pid: number, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? ""

const isInit = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1") === "nursery-init\n"
  } catch {
    return false
  }
}

onTargets("a process in a pid namespace", native, (target) => {
  it("is told by the pid that the owner knows, and sees itself, its init and no other process", async () => {
    const family = await target.start()
    const script = "echo $$ $PPID; cd /proc; echo [0-9]*; readlink self; read wait; exit 1"
    const child = family.spawn({ ...shell(script), fds: [{ target: 0, kind: F.Kind.pipeIn }, ...output] })
    const started = await child.started()
    const lines = family.lines(started)
    // `readlink` is the third.
    for (const line of ["2 1", "1 2", "3"]) await lines.find(line)
    expect(parentOf(started.pid)).toBe(started.reaper)
    expect(statusOf(started.pid, "NSpid")).toBe(`${started.pid}\t2`)
    family.open(started, 0).end()
    expect(await child.exited()).toMatchObject({ status: 1 << 8, ended: true })
    await expectNothingLeft(family)
  })

  it("has the ids of the owner, its directory, no other privilege, and exactly the descriptors it was given", async () => {
    const family = await target.start({ init: ["-d", "/usr"] })
    const plain = (await family.output(["status"])).split("\n")
    const inside = (await family.output(["status"], { level })).split("\n")
    // Sessions, groups and pids have numbers of the namespace; groups that it does not know are shown as one that nobody has.
    const others = /^(pid|parent|group|session|sid|pgid|ppid|groups|getpgrp)\b/
    expect(inside.filter((line) => !others.test(line))).toEqual(plain.filter((line) => !others.test(line)))
    const fds = [{ target: 0, kind: F.Kind.null }, ...output, { target: 7, kind: F.Kind.null }]
    const listed = await family.output(["fds"], { level, fds: fds.filter(({ target: number }) => number !== 1) })
    expect(listed.split("\n").map((line) => line.split(" ")[0])).toEqual(["0", "1", "7", ""])
    await expectNothingLeft(family)
  })

  it("is told by its exact status and its own usage", async () => {
    const family = await target.start()
    expect(await family.probe(["exit", "7"], { level }).exited()).toMatchObject({ status: 7 << 8, ended: true })
    expect(await family.probe(["raise", "11"], { level }).exited()).toMatchObject({ ended: true })
    const busy = await family.probe(["burn", "30", "touch", "40"], { level }).exited()
    expect(busy.userTime + busy.systemTime).toBeGreaterThanOrEqual(25_000)
    expect(busy.maxResident).toBeGreaterThan(40 << 20)
    expect((await family.probe([], { level }).exited()).maxResident).toBeLessThan(busy.maxResident)
    await expectNothingLeft(family)
  })

  it("fails to start with the step and errno as at other levels, and leaves nothing", async () => {
    const family = await target.start()
    const before = childrenOf(family.keeper).length
    const failures: ReadonlyArray<readonly [spawn: Partial<F.Spawn>, step: number, errno: number]> = [
      [{ argv: ["/no/such/program"] }, F.Step.exec, ENOENT],
      [{ argv: ["/bin/sh"], cwd: "/no/such/directory" }, F.Step.cwd, ENOENT],
      [
        { argv: ["/bin/sh"], fds: [{ target: 1, kind: F.Kind.file, value: 0, path: "/no/such/file" }] },
        F.Step.descriptor,
        ENOENT
      ]
    ]
    for (const [spawn, step, errno] of failures) {
      expect(await family.spawn({ argv: [], level, ...spawn }).failed()).toMatchObject({ step, errno })
    }
    // One more waits for the next job of this kind.
    await until(() => childrenOf(family.keeper).length <= Math.max(before, 1) + 1)
    await expectNothingLeft(family)
  })

  it("that hangs before its program runs ends when it is cancelled", async () => {
    const family = await target.start()
    const fifo = join(Tools.temporaryFolder(), "fifo")
    execFileSync("mkfifo", ["-m", "666", fifo])
    const child = family.probe([], { level, fds: [{ target: 0, kind: F.Kind.file, value: 0, path: fifo }] })
    await until(() => childrenOf(family.keeper).some((pid) => childrenOf(pid).length > 0))
    child.cancel()
    expect(await child.failed()).toMatchObject({ errno: ECANCELED })
    await expectNothingLeft(family)
  })

  it("ends with everything that it has started, by whatever path that has escaped", async () => {
    const family = await target.start()
    const { child, lines } = await ready(family, [...daemon, "echo", "ready", "pause"])
    child.stop({ ...never, reach: F.Reach.leader })
    expect(await child.exited()).toMatchObject({ status: 15, ended: false })
    child.cancel()
    await child.ended()
    await lines.ended
    await expectNothingLeft(family)
  })

  it("gets signals for the leader, its group or all, and what it leaves gets the stop signal once", async () => {
    const family = await target.start()
    const words = [
      "fork",
      "{",
      "setsid",
      "pid",
      "other",
      "pause",
      "}",
      "fork",
      "{",
      "echo",
      "ready",
      "pause",
      "}",
      "pause"
    ]
    const { child, lines } = await ready(family, words)
    await lines.find("other")
    expect(await child.signal(0)).toBe(0)
    expect(await child.signal(15, F.Reach.group)).toBe(0)
    expect(await child.exited()).toMatchObject({ status: 15, ended: false })
    expect(await child.signal(9)).toBe(ESRCH)
    expect(await child.signal(0, F.Reach.tree)).toBe(0)
    child.stop(never)
    await child.ended()
    await lines.ended
    // The rest of a tree whose leader ends in the stop, too.
    const second = await ready(family, ["fork", "{", "setsid", "echo", "ready", "pause", "}", "pause"])
    second.child.stop(never)
    await endedBy(second.child, 15)
    await second.lines.ended
    await expectNothingLeft(family)
  })

  it("has its orphans collected all the time", async () => {
    const family = await target.start()
    const orphan = ["fork", "{", "fork", "{", "exit", "0", "}", "}"]
    const words = ["repeat", "100", "{", ...orphan, "wait", "}", "echo", "ready", "pause"]
    const { child, started } = await ready(family, words)
    await until(() => childrenOf(started.reaper).length === 1)
    expect(childrenOf(started.reaper)).toEqual([started.pid])
    child.cancel()
    await child.ended()
    await expectNothingLeft(family)
  })

  it("cannot be released", async () => {
    const family = await target.start()
    const { child } = await ready(family, ["echo", "ready", "pause"])
    family.send(F.Request.release, child.id)
    expect(await family.done(child.id)).toBe(ENOTSUP)
    family.end()
    await child.ended().catch(() => {})
    await expectNothingLeft(family)
  })

  it("is known as the sender of its messages", async () => {
    const family = await target.start()
    const words = ["fork", "{", "setsid", "notify", "STATUS=below", "pause", "}", "notify", "READY=1", "pause"]
    const child = family.probe(words, { level, flags: F.Flag.notify })
    const started = await child.started()
    const told = [await family.notified(child.id), await family.notified(child.id)]
    const [below, leader] = told.sort((one, other) => (one.text < other.text ? 1 : -1))
    expect(below).toMatchObject({ text: "STATUS=below", sender: "member" })
    expect(leader).toMatchObject({ text: "READY=1", sender: "member", pid: started.pid })
    child.cancel()
    await child.ended()
    await expectNothingLeft(family)
  })
})

onTargets("the init of a pid namespace", released, (target) => {
  it("cannot be killed, stopped or signalled from inside, nor traced by who has no privilege outside", async () => {
    const family = await target.start()
    // Its parent is the init.
    const signals = [9, 19, 10, 12, 35, 36].flatMap((number) => ["kill", `${number}`])
    const { child, started } = await ready(family, [...signals, "echo", "ready", "pause"])
    expect(stateOf(started.reaper)).toMatch(/[SRD]/)
    const tracer = family.probe(["attach", "1", "exit", "0"], { level })
    // Root without a user namespace is root of the machine.
    if (!target.root) expect(await tracer.exited()).toMatchObject({ status: 99 << 8 })
    else await tracer.exited()
    expect(await child.signal(0)).toBe(0)
    child.cancel()
    await endedBy(child, 9)
    await expectNothingLeft(family)
  })

  it("survives a child that kills all it can, and tells its end", async () => {
    const family = await target.start()
    const child = family.spawn(shell("(setsid sleep 1000 &) ; kill -9 -1; echo alone"))
    const text = family.read(await child.started())
    const exited = await child.exited()
    expect([0, 9]).toContain(exited.status)
    await child.ended()
    await text
    await expectNothingLeft(family)
  })

  it.each([9, 19])("by signal %i from outside is a LOST; everything is dead when its end is told", async (signal) => {
    const family = await target.start()
    const { child, started, lines } = await ready(family, [...daemon, "ignore", "echo", "ready", "pause"])
    kill(started.reaper, signal)
    expect((await child.lost()).reaper).toBe(started.reaper)
    await child.ended()
    await lines.ended
    expect(await family.output(["echo", "unharmed"], { level })).toBe("unharmed\n")
    await expectNothingLeft(family)
  })

  it.each([9, 19])("that was forked ahead of need is missed by nobody after signal %i", async (signal) => {
    const family = await target.start()
    const waiting = () => childrenOf(family.keeper).filter((pid) => isInit(pid) && childrenOf(pid).length === 0)
    for (let round = 0; round < 3; round++) {
      expect(await family.output(["echo", "served"], { level })).toBe("served\n")
      await until(() => waiting().length === 1)
      const inits = waiting()
      signalAll(signal, inits)
      await until(() => !childrenOf(family.keeper).some((pid) => inits.includes(pid)))
    }
    await expectNothingLeft(family)
  })

  it.each([
    ["the keeper", ["keeper"]],
    ["keeper and guard", ["guard", "keeper"]],
    ["owner, guard, keeper and init, from above,", ["owner", "guard", "keeper", "init"]],
    ["owner, guard, keeper and init, from below,", ["init", "keeper", "guard", "owner"]]
  ] as const)("SIGKILL to %s at once: everything is dead", async (_, which) => {
    const family = await target.start()
    const { started, lines } = await ready(family, [...daemon, "ignore", "echo", "ready", "pause"])
    const pids = which.map((name) => (name === "init" ? started.reaper : family[name]))
    for (const pid of pids) {
      try {
        kill(pid, 9)
      } catch {
        // It left because of the death of the one before it.
      }
    }
    if (!pids.includes(family.owner)) family.end()
    await lines.ended
    await expectNothingAlive(family)
  })

  it("ends a fork bomb", async () => {
    const family = await target.start({ uid: Tools.ordinaryUser, init: Tools.processLimit(250) })
    const child = family.probe(["bomb", "20000"], { level, fds: output })
    const lines = family.lines(await child.started())
    await lines.find("full")
    child.cancel()
    await endedBy(child, 9)
    await lines.ended
    await expectNothingLeft(family)
  })
})

onTargets("a pid namespace that cannot be made", native, (target) => {
  /** What of it fails, as `enum containment_part`. */
  const cases: ReadonlyArray<readonly [why: string, init: ReadonlyArray<string>, errno: number, part: number]> = [
    ["mounts may not be changed", ["-e", `mount=${EPERM}`], EPERM, 2],
    // An ordinary user of the machine is needed for it: root makes no user namespace.
    ...(target.root ? [] : [["no user namespace is left", ["-N"], ENOSPC, 0] as const])
  ]
  it.each(cases)("because %s is a failure of containment, and of nothing else", async (_, init, errno, part) => {
    const family = await target.start({ init })
    for (let attempt = 0; attempt < 2; attempt++) {
      const failed = await family.probe([], { level }).failed()
      expect(failed).toMatchObject({ step: F.Step.containment, errno, target: part })
    }
    expect(await family.output(["echo", "unharmed"])).toBe("unharmed\n")
    await expectNothingLeft(family)
  })
})
