/** What the system limits, forbids or hides: quotas, seccomp, other users, pids that are used again. */
import { spawn as spawnProcess } from "node:child_process"
import { chmodSync, copyFileSync, readFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import * as F from "./frames.ts"
import { childrenOf, expectNothingLeft, native, onTargets, released, stateOf, until } from "./suite.ts"
import * as Tools from "./tools.ts"

const { EAGAIN, ENOSYS, EPERM, ESRCH } = constants.errno
const output: ReadonlyArray<F.Fd> = [{ target: 1, kind: F.Kind.pipeOut }]
const daemon = ["fork", "{", "setsid", "fork", "{", "ignore", "pause", "}", "}", "wait", "echo", "ready", "pause"]

/** Of the memory of a process, what it shares with no other, in pages. */
const ownPages = (pid: number): number => {
  const areas = readFileSync(`/proc/${pid}/smaps`, "latin1")
  const sizes = (field: string) =>
    Array.from(areas.matchAll(new RegExp(`^${field}: +(\\d+) kB`, "gm")), (match) => Number(match[1]))
  return sizes("Private_Dirty").reduce((sum, size) => sum + size, 0) / (sizes("KernelPageSize")[0] ?? 4)
}

onTargets(
  "memory",
  (target) => released(target) && target.root,
  (target) => {
    it("a reaper has three pages of its own at most while its process lives, whatever it did before", async () => {
      const family = await target.start({ hello: { reapers: 1 } })
      const before = family.probe(daemon, { fds: output })
      await family.lines(await before.started()).find("ready")
      before.cancel()
      await before.ended()
      const children = Array.from({ length: 4 }, () => family.probe(["pause"]))
      const all = await Promise.all(children.map((child) => child.started()))
      // What the start took is given back a moment later.
      await until(() => all.every(({ reaper }) => ownPages(reaper) <= 3))
      for (const child of children) child.cancel()
      await Promise.all(children.map((child) => child.ended()))
      await expectNothingLeft(family)
    })
  }
)

onTargets("quotas", native, (target) => {
  it("of processes: spawns beyond it fail with EAGAIN, those before it go on, and later ones work (traps 20 and 43)", async () => {
    // Everybody counts, helpers too: each process of level tree is two.
    const family = await target.start({ uid: Tools.ordinaryUser, init: Tools.processLimit(30) })
    const children = []
    const failed = []
    // One by one: all at once the reapers alone may use it up, and nothing starts.
    for (let index = 0; index < 30; index++) {
      const child = family.probe(["pause"])
      children.push(child)
      const answer = await family.answer(child.id, ["started", "failed"])
      if (answer.type === "failed") failed.push(answer)
    }
    expect(failed.length).toBeGreaterThan(5)
    expect(failed.length).toBeLessThan(25)
    for (const answer of failed) {
      expect(answer.errno).toBe(EAGAIN)
      expect([F.Step.helper, F.Step.fork]).toContain(answer.step)
    }
    for (const child of children) child.cancel()
    await Promise.all(children.map((child) => child.ended()))
    expect(await family.output(["echo", "again"])).toBe("again\n")
    await expectNothingLeft(family)
  })

  it("of processes: idle reapers give way to the processes that they should start", async () => {
    const init = Tools.processLimit(30)
    // As many as there is room for are forked ahead of need.
    const family = await target.start({ uid: Tools.ordinaryUser, init, hello: { reapers: 40 } })
    await until(() => childrenOf(family.keeper).length > 20)
    // The first ones fail, and those that leave need a moment for it.
    const attempt = async (): Promise<void> => {
      const again = Array.from({ length: 6 }, () => family.probe(["pause"]))
      const types = await Promise.all(again.map((child) => family.answer(child.id, ["started", "failed"])))
      for (const child of again) child.cancel()
      await Promise.all(again.map((child) => child.ended()))
      if (types.some((answer) => answer.type === "failed")) await attempt()
    }
    await attempt()
    await expectNothingLeft(family)
  })

  it("of queued signals, which may be used up for good: everything is stopped and signalled all the same", async () => {
    const family = await target.start({ init: ["-l", "sigpending=0"] })
    for (const level of [F.Level.tree, F.Level.group]) {
      const children = await Promise.all(
        [15, 9, 0].map(async () => {
          const child = family.probe(["fork", "{", "echo", "ready", "pause", "}", "pause"], { level, fds: output })
          const lines = family.lines(await child.started())
          await lines.find("ready")
          return { child, lines }
        })
      )
      const [polite, signalled, cancelled] = children
      expect(await signalled?.child.signal(9, F.Reach.group)).toBe(0)
      // Both at once, which at level group is to the same reaper: there is room for one, and the other one has to wait.
      polite?.child.stop({ reach: F.Reach.leader, grace: 25_000, linger: 25_000 })
      cancelled?.child.cancel()
      for (const { child, lines } of children) {
        await child.ended()
        await lines.ended
      }
      expect(await polite?.child.exited()).toMatchObject({ status: 15 })
    }
    await family.probe(daemon, { fds: output }).started()
    await expectNothingLeft(family)
  })

  it("of descriptors, very few: spawns fail or work, and nothing spins or hangs", async () => {
    const family = await target.start({ init: ["-l", "nofile=40"] })
    expect(await family.output(["echo", "few"])).toBe("few\n")
    expect(await family.output(["echo", "few"], { level: F.Level.group })).toBe("few\n")
    // What it still has to do is done soon, and then it sleeps.
    let before = Number.NEGATIVE_INFINITY
    let now = Tools.voluntarySwitches(family.keeper)
    for (let window = 0; window < 20 && now - before >= 10; window++) {
      before = now
      await family.nap(100)
      now = Tools.voluntarySwitches(family.keeper)
    }
    expect(now - before).toBeLessThan(10)
    await expectNothingLeft(family)
  })

  it("of stack: a small one is enough for the helpers", async () => {
    const family = await target.start(target.sanitized ? {} : { init: ["-l", `stack=${512 << 10}`] })
    expect(await family.output(["echo", "small"])).toBe("small\n")
    await expectNothingLeft(family)
  })
})

onTargets("seccomp", native, (target) => {
  const forbidden = [
    ["pidfd_open", ENOSYS],
    ["pidfd_open", EPERM],
    ["clone3", ENOSYS],
    ["clone3", EPERM],
    ["close_range", ENOSYS],
    ["close_range", EPERM]
  ] as const

  it.each(forbidden)(
    "that answers %s with errno %i: falls back, and ends everything (trap 31)",
    async (name, errno) => {
      const family = await target.start({ init: ["-e", `${name}=${errno}`], hello: { ownerDeathGrace: 100 } })
      expect((family.features & F.Feature.pidfd) !== 0).toBe(name !== "pidfd_open")
      const seen = await family.output(["fds"])
      expect(seen.split("\n").map((line) => line.split(" ")[0])).toEqual(["0", "1", ""])
      const child = family.probe(daemon, { fds: output })
      const started = await child.started()
      await family.lines(started).find("ready")
      child.stop({ grace: 20, linger: 20 })
      await child.ended()
      const orphan = family.probe(daemon, { fds: output })
      const other = await orphan.started()
      await family.lines(other).find("ready")
      process.kill(other.reaper, 9)
      await orphan.lost()
      await orphan.ended()
      if (name === "pidfd_open") {
        const fds = [{ target: 5, kind: F.Kind.inherit, value: 4 }]
        expect(await family.probe([], { fds }).failed()).toMatchObject({
          step: F.Step.descriptor,
          errno: ENOSYS,
          target: 5
        })
      }
      await family.probe(daemon, { fds: output }).started()
      await expectNothingLeft(family)
    }
  )

  it("that forbids files in memory: only long argument lists fail, by name", async () => {
    const family = await target.start({ init: ["-e", `memfd_create=${EPERM}`] })
    expect(await family.output(["echo", "short"])).toBe("short\n")
    const long = family.probe(["exit", "0", "x".repeat(100_000)])
    expect(await long.failed()).toMatchObject({ step: F.Step.helper, errno: EPERM })
    await expectNothingLeft(family)
  })
})

onTargets("a process that cannot be killed", released, (target) => {
  const setuid = (): string => {
    const path = join(Tools.temporaryFolder(), "becomes-root")
    copyFileSync(Tools.probe(), path)
    chmodSync(path, 0o4755)
    return path
  }

  it.skipIf(!Tools.isRoot || target.root)(
    `because it has become another user is told as UNKILLABLE, and ended once it can be (trap 25)${
      Tools.isRoot ? "" : " (skipped: only root can make such a program)"
    }`,
    async () => {
      const program = setuid()
      const family = await target.start({ hello: { killDeadline: 200 } })
      for (const level of [F.Level.tree, F.Level.group]) {
        const argv = [program, "root", "fork", "{", "pause", "}", "echo", "ready", "pause"]
        const child = family.spawn({ argv, level, fds: output })
        const started = await child.started()
        const lines = family.lines(started)
        await lines.find("ready")
        // Somebody else's, in the same family: not to be blamed.
        const other = family.probe(["pause"], { level })
        await other.started()
        child.stop({ grace: 50 })
        const unkillable = await child.unkillable()
        expect(unkillable.count).toBe(2)
        expect(unkillable.pids).toContain(started.pid)
        expect(await family.output(["echo", "besides"], { level })).toBe("besides\n")
        for (const pid of unkillable.pids) process.kill(pid, 9)
        await child.ended()
        await lines.ended
        other.cancel()
        await other.ended()
      }
      await expectNothingLeft(family)
    }
  )

  it("because somebody debugs it is told as UNKILLABLE, and collected once it can be (trap 25)", async () => {
    const family = await target.start({ hello: { killDeadline: 200 } })
    const child = family.probe(["echo", "ready", "pause"], { fds: output })
    const started = await child.started()
    await family.lines(started).find("ready")
    const identity = target.root || !Tools.isRoot ? {} : { uid: Tools.ordinaryUser, gid: Tools.ordinaryUser }
    const tracer = spawnProcess(Tools.probe(), ["attach", `${started.pid}`, "echo", "attached", "pause"], {
      stdio: ["ignore", "pipe", "inherit"],
      ...identity
    })
    await new Promise((resolve) => tracer.stdout?.once("data", resolve))
    child.cancel()
    expect(await child.unkillable()).toMatchObject({ count: 1, pids: [started.pid] })
    // It may need more time to die than the deadline gives it.
    await until(() => stateOf(started.pid) === "Z")
    tracer.kill("SIGKILL")
    await child.ended()
    await expectNothingLeft(family)
  })
})

onTargets(
  "an owner that changes its identity",
  (each) => native(each) && each.root,
  (target) => {
    it("gets children of the identity that it has then, with no way back (trap 21)", async () => {
      const family = await target.start()
      await family.order("chdir /root")
      await family.order("setuid 12345")
      const text = await family.output(["status"])
      expect(text).toContain("uid 12345 12345 12345\ngid 12345 12345 12345\ngroups\n")
      expect(text).toContain("death 9\n")
      expect(text).toContain("cwd /root\n")
      const forbidden = { target: 5, kind: F.Kind.file, value: F.File.read, path: "/etc/shadow" }
      expect(await family.probe([], { fds: [forbidden] }).failed()).toMatchObject({ step: F.Step.descriptor })
      expect(await family.probe(["root"]).exited()).toMatchObject({ status: 99 << 8 })
      await expectNothingLeft(family)
    })

    it("gets children without the groups that it has dropped", async () => {
      const family = await target.start()
      await family.order("setgroups 4711")
      expect(await family.output(["status"])).toContain("groups 4711\n")
      await expectNothingLeft(family)
    })
  }
)

/** In kilobytes. */
const residentOf = (pid: number): number =>
  Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1])

onTargets(
  "an owner that does not read",
  () => true,
  (target) => {
    it("is not read either: the keeper's memory stays bounded, and nothing is lost (trap 36)", async () => {
      const family = await target.start()
      const child = family.probe(["pause"])
      await child.started()
      const before = residentOf(family.keeper)
      await family.order("deaf")
      // Each of 12 bytes is answered by more than 30.
      const sent = await family.flood(3_000_000)
      expect(sent).toBeLessThan(2_000_000)
      expect(sent).toBeGreaterThan(50_000)
      // Four megabytes of answers, and what has been read of the requests; the sanitizer keeps more.
      expect(residentOf(family.keeper) - before).toBeLessThan(target.sanitized ? 60_000 : 12_000)
      // What happens meanwhile is kept for it.
      process.kill((await child.started()).pid, 9)
      await family.order("hear")
      await family.settled()
      expect(family.count(7, "listening")).toBe(sent)
      expect(await child.exited()).toMatchObject({ status: 9 })
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "frames",
  () => true,
  (target) => {
    it("may come byte by byte, or all at once (trap 36)", async () => {
      const family = await target.start({ silent: true })
      const spawn = F.frame(F.Request.spawn, 10, F.spawn({ argv: [Tools.probe(), "exit", "5"] }))
      const all = Buffer.concat([F.frame(F.Request.hello, 1, F.hello()), spawn])
      for (const byte of all) family.write(Buffer.from([byte]))
      expect(await family.answer(10, ["exited"])).toMatchObject({ status: 5 << 8 })
      const many = Array.from({ length: 100 }, (_, index) =>
        F.frame(F.Request.spawn, 100 + index, F.spawn({ argv: [Tools.probe(), "exit", `${index}`] }))
      )
      family.write(Buffer.concat(many))
      for (const index of many.keys()) {
        expect(await family.answer(100 + index, ["exited"])).toMatchObject({ status: index << 8 })
      }
      await expectNothingLeft(family)
    })

    it("that break a rule are refused and change nothing; a length that cannot be followed ends the connection", async () => {
      const family = await target.start({ silent: true })
      family.send(F.Request.listen, 5)
      expect(await family.answer(5, ["refused"])).toMatchObject({ errno: constants.errno.EPROTO })
      family.send(F.Request.hello, 6, F.hello({ magic: 1 }))
      expect(await family.answer(6, ["refused"])).toMatchObject({ errno: constants.errno.EINVAL })
      family.send(F.Request.hello, 7, F.hello({ version: 99 }))
      expect(await family.answer(7, ["ready"])).toMatchObject({ version: F.VERSION })
      family.send(F.Request.hello, 8, F.hello())
      await family.answer(8, ["ready"])
      family.send(F.Request.hello, 9, F.hello())
      expect(await family.answer(9, ["refused"])).toMatchObject({ errno: constants.errno.EALREADY })
      family.send(F.Request.spawn, 20, F.spawn({ argv: [Tools.probe(), "pause"] }))
      await family.answer(20, ["started"])
      family.send(F.Request.spawn, 20, F.spawn({ argv: [Tools.probe()] }))
      expect(await family.answer(20, ["refused"])).toMatchObject({ errno: constants.errno.EEXIST })
      family.send(F.Request.spawn, 0, F.spawn({ argv: [Tools.probe()] }))
      expect(await family.answer(0, ["refused"])).toMatchObject({ errno: constants.errno.EEXIST })
      family.write(F.u32(F.FRAME_MAX + 1, F.Request.spawn, 21))
      expect(await family.answer(21, ["refused"])).toMatchObject({ errno: constants.errno.EMSGSIZE })
      await family.closed
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "pids that are used again",
  (each) => released(each) && each.root,
  (target) => {
    it("are never signalled for the process that had them (trap 17), with 400 pids in all", async () => {
      const family = await target.start({ init: ["-p", "400"] })
      const rounds = Tools.campaign ? 20_000 : 700
      const canaries = Array.from({ length: 20 }, (_, index) =>
        family.probe(["ignore", "pause"], { level: index % 2 === 0 ? F.Level.tree : F.Level.group })
      )
      for (const canary of canaries) await canary.started()
      const known = new Map<number, ReturnType<typeof family.probe>>()
      let reused = 0
      for (let round = 0; round < rounds; round += 10) {
        const batch = Array.from({ length: 10 }, (_, index) =>
          family.probe(index % 3 === 0 ? ["fork", "{", "exit", "0", "}"] : [], {
            level: index % 2 === 0 ? F.Level.tree : F.Level.group
          })
        )
        for (const child of batch) {
          const { pid } = await child.started()
          const before = known.get(pid)
          known.set(pid, child)
          if (before === undefined) continue
          reused++
          // Its number is this one's now.
          before.stop({ signal: 9 })
          const answers = [before.signal(9), before.signal(9, F.Reach.group), before.signal(9, F.Reach.tree)]
          for (const answer of answers) expect(await answer).toBe(ESRCH)
        }
        // Signals on their way while those that they are for are ending.
        for (const child of batch) child.stop({ grace: 0 })
        await Promise.all(batch.map((child) => child.ended()))
      }
      expect(reused).toBeGreaterThan(rounds / 10)
      for (const canary of canaries) expect(await canary.signal(0)).toBe(0)
      await expectNothingLeft(family)
    })
  }
)
