/** Starting programs: what they begin with, what is told of them, and what is left of those that cannot be started. */
import { execFileSync } from "node:child_process"
import { chmodSync, closeSync, mkdirSync, openSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import {
  childrenAtOnce,
  childrenOf,
  descriptorsOf,
  expectNothingLeft,
  inTime,
  native,
  noVfork,
  onTargets,
  stateOf
} from "./suite.ts"
import * as Tools from "./tools.ts"

const { ENOENT, EACCES, ENOEXEC, E2BIG, EISDIR, ENOTDIR, ETXTBSY, ENAMETOOLONG, EBADF, EINVAL } = constants.errno

const fields = (text: string): ReadonlyMap<string, string> =>
  new Map(text.split("\n").map((line) => [line.split(" ")[0] ?? "", line.split(" ").slice(1).join(" ")]))

const status = async (family: Family, spawn: Partial<F.Spawn> = {}): Promise<ReadonlyMap<string, string>> =>
  fields(await family.output(["status"], spawn))

onTargets(
  "statuses",
  () => true,
  (target) => {
    it("tells exit codes and signals of the leader, and that nothing else was there", async () => {
      const family = await target.start()
      const codes = [0, 1, 77, 255].map((code) => family.probe(["exit", `${code}`]))
      const signals = [6, 9, 15].map((signal) => family.probe(["raise", `${signal}`]))
      for (const [index, code] of [0, 1, 77, 255].entries()) {
        expect(await codes[index]?.exited()).toMatchObject({ status: code << 8, ended: true })
      }
      for (const [index, signal] of [6, 9, 15].entries()) {
        const exited = await signals[index]?.exited()
        // A core dump may have been written.
        expect((exited?.status ?? 0) & 0x7f).toBe(signal)
      }
      await expectNothingLeft(family)
    })

    it("sets limits, and says which one it cannot set", async () => {
      const family = await target.start()
      const limit = (resource: number, soft: bigint, hard: bigint): Buffer =>
        F.setup(F.Setup.limit, Buffer.concat([F.u32(resource, 0), F.u64(soft, hard)]))
      const RLIMIT_CORE = 4
      const argv = ["sh", "-c", "ulimit -Sc; ulimit -Hc"]
      const child = family.spawn({
        argv,
        fds: [...F.nothing.filter((fd) => fd.target !== 1), { target: 1, kind: F.Kind.pipeOut }],
        setup: [limit(RLIMIT_CORE, 512n, 1024n)]
      })
      expect(await family.read(await child.started())).toBe("1\n2\n")
      // qemu passes over a resource that it does not know.
      if (!target.emulated) {
        const refused = family.spawn({ argv, setup: [limit(RLIMIT_CORE, 0n, 0n), limit(9999, 0n, 0n)] })
        expect(await refused.failed()).toMatchObject({ step: F.Step.limits, errno: EINVAL, target: 1 })
      }
      await expectNothingLeft(family)
    })

    it("connects pipes in both directions, and ends them with the child", async () => {
      const family = await target.start()
      const fds = [
        { target: 0, kind: F.Kind.pipeIn },
        { target: 1, kind: F.Kind.pipeOut }
      ]
      const cat = family.spawn({ argv: ["cat"], fds })
      const started = await cat.started()
      expect(started.lent.map((fd) => fd.target)).toEqual([0, 1])
      const input = family.open(started, 0)
      const output = family.read(started)
      input.end("through two pipes")
      expect(await output).toBe("through two pipes")
      expect(await cat.exited()).toMatchObject({ status: 0, ended: true })
      await expectNothingLeft(family)
    })

    it("collects a burst of children that all end at once (trap 12: SIGCHLD coalesces)", async () => {
      const family = await target.start()
      const children = Array.from({ length: target.emulated ? 20 : 200 }, () => family.probe([]))
      for (const child of children) expect(await child.exited()).toMatchObject({ status: 0, ended: true })
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "what a program begins with",
  () => true,
  (target) => {
    it("no blocked and no ignored signals, whatever the owner had (trap 11)", async () => {
      const ignored = [1, 2, 13, 15, 17, 20, 34, 64].flatMap((signal) => ["-i", `${signal}`])
      const family = await target.start({ init: ignored })
      for (const level of [F.Level.tree, F.Level.group]) {
        const seen = await status(family, { level })
        expect([seen.get("blocked"), seen.get("ignored")]).toEqual(["0", "0"])
      }
      await expectNothingLeft(family)
    })

    it("a session or a group of its own, or the owner's, and a parent that it does not outlive (traps 14 and 15)", async () => {
      const family = await target.start()
      const own = await status(family)
      expect([own.get("pgid"), own.get("sid")]).toEqual([own.get("pid"), own.get("pid")])
      const group = await status(family, { session: F.Session.group })
      expect(group.get("pgid")).toBe(group.get("pid"))
      expect(group.get("sid")).not.toBe(group.get("pid"))
      const owner = await status(family, { session: F.Session.owner })
      expect(owner.get("pgid")).not.toBe(owner.get("pid"))
      expect(owner.get("sid")).toBe(group.get("sid"))
      for (const seen of [own, group, owner]) expect(seen.get("death")).toBe("9")
      await expectNothingLeft(family)
    })

    it("the owner's umask and directory as they are at the spawn, not as they were at the start (trap 40)", async () => {
      const family = await target.start({ init: ["-d", "/usr"], env: { LC_ALL: "C", LANG: "" } })
      expect((await status(family)).get("cwd")).toBe("/usr")
      await family.order("umask 027")
      await family.order("chdir /var")
      const seen = await status(family)
      expect([seen.get("umask"), seen.get("cwd")]).toEqual(["027", "/var"])
      const told = await status(family, { umask: 0o77, cwd: "/etc" })
      expect([told.get("umask"), told.get("cwd")]).toEqual(["077", "/etc"])
      await expectNothingLeft(family)
    })

    it("the owner's own descriptor limit, although the helpers have raised theirs", async () => {
      const family = await target.start({ init: ["-l", "nofile=300"] })
      expect((await status(family)).get("nofile")).toBe("300 300")
      await expectNothingLeft(family)
    })

    it("the environment that was sent, with the changes of the spawn", async () => {
      const family = await target.start()
      const variables = ["A=1", "B=2", "A_LONGER=3", `BIG=${"x".repeat(100_000)}`]
      family.send(F.Request.environment, family.nextId(), Buffer.concat([F.u32(4), F.strings(...variables)]))
      const env = async (spawn: Partial<F.Spawn>) => (await family.output(["env"], spawn)).trimEnd().split("\n").sort()
      expect(await env({})).toEqual(variables.toSorted())
      expect(await env({ env: ["A=9", "B", "C=", "BIG"] })).toEqual(["A=9", "A_LONGER=3", "C="])
      expect(await env({ env: ["Z=1"], flags: F.Flag.clearEnvironment })).toEqual(["Z=1"])
      await expectNothingLeft(family)
    })

    target.unless(noVfork)(
      "two megabytes of arguments, and E2BIG for more than the kernel takes (trap 22)",
      async () => {
        const family = await target.start()
        const words = Array.from({ length: 1900 }, () => "y".repeat(1000))
        const many = Array.from({ length: 100_000 }, () => "z")
        for (const level of [F.Level.tree, F.Level.group]) {
          // After `exit` nothing is looked at.
          const output = await family.output(["args", "exit", "0", ...words], { level })
          const own = Tools.probe().length + "argsexit0".length
          expect(output).toBe(`${words.length + 4} ${1_900_000 + own}\n`)
          expect(await family.output(["args", "exit", "0", ...many], { level })).toBe(`100004 ${100_000 + own}\n`)
          const tooLong = family.probe(["args", "exit", "0", ...words, ...words, ...words], { level })
          expect(await tooLong.failed()).toMatchObject({ step: F.Step.exec, errno: E2BIG })
          const oneTooLong = family.probe(["args", "x".repeat(200_000)], { level })
          expect(await oneTooLong.failed()).toMatchObject({ step: F.Step.exec, errno: E2BIG })
        }
        await expectNothingLeft(family)
      }
    )

    target.unless("the emulator's memory counts as theirs")("usage figures that are its own (trap 35)", async () => {
      const family = await target.start()
      const idle = await family.probe([]).exited()
      const busy = await family.probe(["burn", "60"]).exited()
      const large = await family.probe(["touch", "64"]).exited()
      expect(busy.userTime + busy.systemTime).toBeGreaterThan(50_000)
      expect(idle.userTime + idle.systemTime).toBeLessThan(50_000)
      expect(large.maxResident).toBeGreaterThan(64 << 20)
      // Neither of another one before it, nor of the reaper that has held ever so long a list of arguments.
      for (const level of [F.Level.tree, F.Level.group]) {
        await family.output(["args", "exit", "0", ...Array.from({ length: 1900 }, () => "y".repeat(1000))], { level })
        const after = await family.probe([], { level }).exited()
        if (!target.sanitized) expect(after.maxResident).toBeLessThan(idle.maxResident + (512 << 10))
      }
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "what cannot be started",
  native,
  (target) => {
    const folder = Tools.temporaryFolder()
    const file = (name: string, text: string, mode: number): string => {
      const path = join(folder, name)
      writeFileSync(path, text)
      chmodSync(path, mode)
      return path
    }
    const text = file("text", "echo from sh $0\n", 0o755)
    const forbidden = file("forbidden", "#!/bin/sh\n", 0o644)
    const orphan = file("orphan", "#!/nonexistent/interpreter\n", 0o755)
    mkdirSync(join(folder, "directory"), { recursive: true })
    symlinkSync("loop", join(folder, "loop"))

    const cases: ReadonlyArray<readonly [title: string, spawn: F.Spawn, step: number, errno: number]> = [
      ["a program that is nowhere on the path", { argv: ["no-such-program"] }, F.Step.exec, ENOENT],
      ["a path that is not there", { argv: ["/no/such/program"] }, F.Step.exec, ENOENT],
      ["an empty name", { argv: [""] }, F.Step.exec, ENOENT],
      ["a missing interpreter", { argv: [orphan] }, F.Step.exec, ENOENT],
      ["a file that may not be executed", { argv: [forbidden] }, F.Step.exec, EACCES],
      ["the same, found on the path", { argv: ["forbidden"], searchPath: `/nowhere:${folder}` }, F.Step.exec, EACCES],
      ["a directory", { argv: [join(folder, "directory")] }, F.Step.exec, EACCES],
      ["a text without #!", { argv: [text] }, F.Step.exec, ENOEXEC],
      ["a name that is too long", { argv: [`/${"x".repeat(300)}`] }, F.Step.exec, ENAMETOOLONG],
      ["a directory that is not there", { argv: ["true"], cwd: "/no/such" }, F.Step.cwd, ENOENT],
      ["a directory that is a file", { argv: ["true"], cwd: text }, F.Step.cwd, ENOTDIR]
    ]

    const files: ReadonlyArray<readonly [title: string, fd: F.Fd, errno: number]> = [
      [
        "a file to read that is not there",
        { target: 5, kind: F.Kind.file, value: F.File.read, path: "/no/such" },
        ENOENT
      ],
      ["a directory to write", { target: 5, kind: F.Kind.file, value: F.File.truncate, path: folder }, EISDIR],
      ["an object that nobody made", { target: 5, kind: F.Kind.object, value: 4711 }, EBADF],
      ["a descriptor that the owner does not have", { target: 5, kind: F.Kind.inherit, value: 999 }, EBADF]
    ]

    it.each([F.Level.tree, F.Level.group])(
      "is failed with step and errno, and leaves nothing (trap 18), level %i",
      async (level) => {
        const family = await target.start()
        // The group reaper is forked at the first need.
        await family.probe([], { level }).exited()
        await family.settled()
        const before = descriptorsOf(family.keeper)
        const streams = [0, 1, 2].map((each) => ({ target: each, kind: F.Kind.pipeOut }))
        for (const [title, spawn, step, errno] of cases) {
          const failed = await family.spawn({ ...spawn, level, fds: streams }).failed()
          expect({ title, step: failed.step, errno: failed.errno }).toEqual({ title, step, errno })
        }
        for (const [title, fd, errno] of files) {
          const failed = await family.probe([], { level, fds: [...streams, fd] }).failed()
          expect({ title, ...failed }).toMatchObject({ title, step: F.Step.descriptor, errno, target: 5 })
        }
        // The reaper that tried is ready for the next one, and the keeper's table is as before (trap 8).
        expect(await family.output(["echo", "well"], { level })).toBe("well\n")
        await family.settled()
        expect(descriptorsOf(family.keeper)).toEqual(before)
        await expectNothingLeft(family)
      }
    )

    it("runs a text without #! by the shell where that is asked for, found directly or on the path", async () => {
      const family = await target.start()
      const fds = [{ target: 1, kind: F.Kind.pipeOut }]
      const flags = F.Flag.shellFallback
      for (const program of [text, "text"]) {
        const child = family.spawn({ argv: [program], searchPath: `/nowhere:${folder}`, flags, fds })
        expect(await family.read(await child.started())).toBe(`from sh ${text}\n`)
      }
      await expectNothingLeft(family)
    })

    it("waits shortly for a program that is being written, and not for ever (trap 20: ETXTBSY)", async () => {
      const family = await target.start()
      const busy = join(folder, `busy-${target.name.replaceAll(" ", "-")}`)
      writeFileSync(busy, "#!/bin/sh\nexit 3\n")
      chmodSync(busy, 0o755)
      const writer = openSync(busy, "r+")
      expect(await family.spawn({ argv: [busy] }).failed()).toMatchObject({ step: F.Step.exec, errno: ETXTBSY })
      closeSync(writer)
      // It sleeps between its attempts: then it has made the first one.
      const isWaiting = () => reapers.flatMap(childrenAtOnce).some((pid) => stateOf(pid) === "S")
      const reapers = childrenOf(family.keeper)
      let isProven = false
      while (!isProven) {
        const writer = openSync(busy, "r+")
        const patient = family.spawn({ argv: [busy] })
        await family.settled()
        // Without a turn of the event loop, for it is patient for a moment only: where this program is held up for longer, another try.
        const end = performance.now() + 100
        let seen = false
        while (!seen && performance.now() < end) seen = isWaiting()
        closeSync(writer)
        const answer = await patient.answered()
        if (answer.type === "started") expect(await patient.exited()).toMatchObject({ status: 3 << 8 })
        else expect(answer).toMatchObject({ errno: ETXTBSY })
        isProven = seen && answer.type === "started"
      }
      await expectNothingLeft(family)
    })

    describe("a spawn that hangs before its exec (trap 10)", () => {
      const fifo = join(Tools.temporaryFolder(), "fifo")
      execFileSync("mkfifo", ["-m", "666", fifo])
      const hanging = (family: Family, level: number) =>
        family.probe([], { level, fds: [{ target: 0, kind: F.Kind.file, value: F.File.read, path: fifo }] })

      it.each([F.Level.tree, F.Level.group])("is failed by its deadline, level %i", async (level) => {
        const family = await target.start({ hello: { spawnDeadline: 400 } })
        const spawn = hanging(family, level)
        expect(await spawn.failed()).toMatchObject({ errno: constants.errno.ETIMEDOUT })
        expect(await (await inTime(() => family.probe(["exit", "7"], { level }))).exited()).toMatchObject({
          status: 7 << 8
        })
        await expectNothingLeft(family)
      })

      it.each([F.Level.tree, F.Level.group])("is failed when it is cancelled, level %i", async (level) => {
        const family = await target.start()
        const spawn = hanging(family, level)
        await family.settled()
        spawn.cancel()
        expect(await spawn.failed()).toMatchObject({ errno: constants.errno.ECANCELED })
        expect(await family.output(["echo", "next"], { level })).toBe("next\n")
        await expectNothingLeft(family)
      })

      it("holds up nobody else, and dies with its owner", async () => {
        const family = await target.start({ hello: { ownerDeathGrace: 100 } })
        hanging(family, F.Level.group)
        hanging(family, F.Level.tree)
        expect(await family.output(["echo", "besides"])).toBe("besides\n")
        await expectNothingLeft(family)
      })
    })
  },
  { emulation: noVfork }
)

it("is a file that everybody may read: its descriptors are opened through /proc", () => {
  expect(statSync(Tools.releaseKeeper()).mode & 0o444).toBe(0o444)
})

onTargets(
  "a process that begins when its deadline is over",
  () => true,
  (target) => {
    it.each([F.Level.tree, F.Level.group])("runs, or is told as failed and is gone, level %i", async (level) => {
      const family = await target.start({ hello: { spawnDeadline: 1 } })
      for (let round = 0; round < 25; round++) {
        // Ends only when it is ended: the test holds the other end of its input.
        const child = family.spawn({ argv: ["cat"], level, fds: [{ target: 0, kind: F.Kind.pipeIn }] })
        const answer = await child.answered()
        if (answer.type === "failed") {
          expect(answer).toMatchObject({ errno: constants.errno.ETIMEDOUT })
          continue
        }
        child.cancel()
        await child.ended()
      }
      await family.settled()
      await expectNothingLeft(family)
    })
  }
)
