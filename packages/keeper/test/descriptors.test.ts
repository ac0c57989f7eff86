/** Descriptors: what a child gets is what was asked for, and nobody else has a copy. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import { childrenOf, descriptorsOf, expectNothingLeft, noVfork, onTargets, released } from "./suite.ts"
import * as Tools from "./tools.ts"

const { EMFILE, EBADF } = constants.errno
/** The bits of the flags of an open file that say which way it goes. */
const O_ACCMODE = 3

interface Seen {
  readonly descriptor: number
  readonly what: string
  readonly flags: number
}

/** What a probe said about its descriptors. */
const parse = (text: string): ReadonlyArray<Seen> =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [descriptor = "", what = "", flags = ""] = line.split(" ")
      return { descriptor: Number(descriptor), what, flags: Number.parseInt(flags, 8) }
    })

/** The same numbers in every run. */
const random = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
}

onTargets(
  "descriptors",
  () => true,
  (target) => {
    it("are those that were asked for and no others, not even standard streams", async () => {
      const family = await target.start()
      expect(parse(await family.output(["fds"], { fds: [] })).map((each) => each.descriptor)).toEqual([1])
      const fds = [0, 2, 7].map((each) => ({ target: each, kind: F.Kind.null }))
      const seen = parse(await family.output(["fds"], { fds }))
      expect(seen.map((each) => each.descriptor)).toEqual([0, 1, 2, 7])
      expect(seen.filter((each) => each.what === "/dev/null").map((each) => each.descriptor)).toEqual([0, 2, 7])
      await expectNothingLeft(family)
    })

    it("can be files to read, to replace and to append to", async () => {
      const family = await target.start()
      const folder = Tools.temporaryFolder()
      const path = (name: string): string => {
        const file = join(folder, name)
        writeFileSync(file, `${name}\n`, { mode: 0o666 })
        closeSync(openSync(file, "r+"))
        return file
      }
      const [input, replaced, appended] = [path("input"), path("replaced"), path("appended")]
      const files = (out: number, file: string) => [
        { target: 0, kind: F.Kind.file, value: F.File.read, path: input },
        { target: 1, kind: F.Kind.file, value: out, path: file }
      ]
      // As root: another user may not write to these.
      if (target.root) {
        await family.spawn({ argv: ["cat"], fds: files(F.File.truncate, replaced) }).exited()
        await family.spawn({ argv: ["cat"], fds: files(F.File.append, appended) }).exited()
        expect([readFileSync(replaced, "utf8"), readFileSync(appended, "utf8")]).toEqual([
          "input\n",
          "appended\ninput\n"
        ])
      }
      const fds = [
        { target: 0, kind: F.Kind.file, value: F.File.read, path: input },
        { target: 1, kind: F.Kind.pipeOut }
      ]
      expect(await family.read(await family.spawn({ argv: ["cat"], fds }).started())).toBe("input\n")
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "descriptor maps",
  () => true,
  (target) => {
    it("come out right with swaps, collisions and numbers from 0 to 300, hundreds of times at random (trap 7)", async () => {
      const family = await target.start()
      const objects = Array.from({ length: 6 }, () => family.nextId())
      for (const object of objects) family.send(F.Request.pipe, object, F.u32(0))
      const any = random(target.root ? 1 : 2)
      const rounds = Tools.campaign ? 5000 : target.sanitized ? 60 : target.emulated ? 20 : 150
      const known = new Map<string, string>()
      for (let round = 0; round < rounds; round++) {
        const targets = new Set<number>()
        const size = any(12)
        // Close together, so that sources lie among the targets; now and then far away.
        while (targets.size < size) targets.add(any(4) === 0 ? 2 + any(300) : 2 + any(14))
        const fds = [0, ...targets].map((each) => {
          const object = objects[any(objects.length)] ?? 0
          return any(4) === 0
            ? { target: each, kind: F.Kind.null }
            : { target: each, kind: F.Kind.object, value: object, extra: any(2) }
        })
        const level = round % 2 === 0 ? F.Level.tree : F.Level.group
        const seen = new Map(
          parse(await family.output(["fds"], { fds, level })).map((each) => [each.descriptor, each] as const)
        )
        expect([...seen.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, ...targets].toSorted((a, b) => a - b))
        for (const fd of fds) {
          const found = seen.get(fd.target)
          if (fd.kind === F.Kind.null) {
            expect(found?.what).toBe("/dev/null")
            continue
          }
          // Every object is one pipe, always the same, and each end of it is what it says.
          const key = `${"value" in fd ? fd.value : ""}`
          expect(found?.what).toMatch(/^pipe:/)
          expect(known.get(key) ?? found?.what).toBe(found?.what)
          known.set(key, found?.what ?? "")
          expect((found?.flags ?? -1) & O_ACCMODE).toBe("extra" in fd ? fd.extra : -1)
        }
      }
      expect(new Set(known.values()).size).toBe(objects.length)
      await expectNothingLeft(family)
    })

    it("may have 250 entries, downwards, and an argument list that is too large for a message besides", async () => {
      const family = await target.start()
      const object = family.nextId()
      family.send(F.Request.pipe, object, F.u32(0))
      const fds = Array.from({ length: 249 }, (_, index) => ({
        target: 250 - index,
        kind: F.Kind.object,
        value: object,
        extra: index % 2
      }))
      for (const level of [F.Level.tree, F.Level.group]) {
        for (const words of [[], Array.from({ length: 100 }, () => "x".repeat(1000))]) {
          const seen = parse(await family.output(["fds", "exit", "0", ...words], { fds, level }))
          expect(seen.length).toBe(250)
          for (const { descriptor, flags } of seen.slice(1)) {
            expect(flags & O_ACCMODE).toBe((250 - descriptor) % 2)
          }
        }
      }
      await expectNothingLeft(family)
    })

    target.unless(noVfork)("refuse a number beyond the limit by name, and leave nothing open", async () => {
      const family = await target.start({ init: ["-l", "nofile=500"] })
      await family.settled()
      const before = descriptorsOf(family.keeper)
      const fds = [
        { target: 1, kind: F.Kind.pipeOut },
        { target: 400_000, kind: F.Kind.null }
      ]
      expect(await family.probe([], { fds }).failed()).toMatchObject({
        step: F.Step.descriptor,
        errno: EBADF,
        target: 400_000
      })
      await family.settled()
      expect(descriptorsOf(family.keeper)).toEqual(before)
      await expectNothingLeft(family)
    })
  }
)

const pipes = [
  { target: 0, kind: F.Kind.pipeIn },
  { target: 1, kind: F.Kind.pipeOut },
  { target: 2, kind: F.Kind.pipeOut }
]

/** All helpers, from the guard down. */
const helpersOf = (family: Family): ReadonlyArray<number> => [family.guard, family.keeper, ...childrenOf(family.keeper)]

onTargets(
  "copies of descriptors",
  () => true,
  (target) => {
    it("are held by no sibling and no helper: the end comes when the child's own copy goes (trap 6)", async () => {
      const family = await target.start({ hello: { reapers: 3 } })
      const ends: Array<Promise<string>> = []
      const children = Array.from({ length: 6 }, (_, index) =>
        family.spawn({ argv: ["cat"], fds: pipes, level: index % 2 === 0 ? F.Level.tree : F.Level.group })
      )
      const inputs = []
      for (const child of children) {
        const started = await child.started()
        inputs.push(family.open(started, 0))
        ends.push(family.read(started))
        family.open(started, 2).resume()
      }
      // Reapers that are forked while the pipes are open would hold copies of them.
      await family.probe([]).exited()
      await family.settled()
      // The first is not kept waiting by those that came later.
      for (const [index, input] of inputs.entries()) {
        input.end(`${index}`)
        expect(await ends[index]).toBe(`${index}`)
        expect(await children[index]?.exited()).toMatchObject({ status: 0 })
      }
      await expectNothingLeft(family)
    })

    // The reapers are not dumpable: only root can list their descriptors.
    it.skipIf(!Tools.isRoot)("are held by no helper but those that it works with (traps 6 and 8)", async () => {
      const leak = openSync("/etc/passwd", "r")
      const family = await target.start({ hello: { reapers: 2 } })
      const child = family.spawn({ argv: ["cat"], fds: pipes })
      const started = await child.started()
      const reaper = started.reaper
      expect(descriptorsOf(reaper).map((each) => each.split(" ")[0])).toEqual(["0", "1", "2"])
      expect(descriptorsOf(family.guard).every((each) => / (anon_inode:|pidfd:|socket:)/.test(each))).toBe(true)
      const names = helpersOf(family).flatMap((pid) => descriptorsOf(pid))
      expect(names.filter((each) => each.includes("passwd"))).toEqual([])
      closeSync(leak)
      child.cancel()
      await child.ended()
      for (const { descriptor } of started.lent) family.send(F.Request.close, 0, F.u32(descriptor))
      await expectNothingLeft(family)
    })

    target.unless(noVfork)(
      "are as before after each of many spawns, ended, failed, cancelled or dropped (trap 8)",
      async () => {
        const family = await target.start()
        await family.probe([], { level: F.Level.group }).exited()
        await family.settled()
        const before = descriptorsOf(family.keeper)
        for (let round = 0; round < (Tools.campaign ? 500 : 25); round++) {
          const level = round % 2 === 0 ? F.Level.tree : F.Level.group
          const object = family.nextId()
          family.send(F.Request.pipe, object, F.u32(0))
          const one = family.probe([], { fds: pipes, level })
          const two = family.spawn({ argv: ["no-such-program"], fds: pipes, level })
          const three = family.probe(["pause"], {
            fds: [...pipes, { target: 3, kind: F.Kind.object, value: object, extra: 0 }],
            level
          })
          three.cancel()
          family.send(F.Request.drop, object)
          await Promise.all([one.ended(), two.ended(), three.ended()])
          for (const spawned of [one, three]) {
            const started = await family.answer(spawned.id, ["started", "failed"])
            if (started.type !== "started") continue
            for (const { descriptor } of started.lent) family.send(F.Request.close, family.nextId(), F.u32(descriptor))
          }
        }
        await family.settled()
        expect(descriptorsOf(family.keeper)).toEqual(before)
        await expectNothingLeft(family)
      }
    )

    it("that the owner may close are those that were lent to it, once (a made-up number closes nothing)", async () => {
      const family = await target.start()
      const all = Array.from({ length: 200 }, (_, index) => index - 50)
      family.send(F.Request.close, family.nextId(), Buffer.concat(all.map((each) => F.u32(each))))
      family.send(F.Request.close, family.nextId(), F.u32(0x7fffffff, 0x80000000, 0xffffffff))
      expect(await family.output(["echo", "alive"])).toBe("alive\n")
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "running out of descriptors",
  () => true,
  (target) => {
    it("fails the spawn with EMFILE and the descriptor, leaks nothing, and the next one works (trap 9)", async () => {
      const family = await target.start({ init: ["-l", "nofile=60"] })
      await family.settled()
      const before = descriptorsOf(family.keeper)
      const many = Array.from({ length: 50 }, (_, index) => ({ target: index, kind: F.Kind.pipeOut }))
      for (let round = 0; round < 3; round++) {
        expect(await family.probe([], { fds: many }).failed()).toMatchObject({ step: F.Step.descriptor, errno: EMFILE })
        await family.settled()
        expect(descriptorsOf(family.keeper)).toEqual(before)
      }
      expect(await family.output(["echo", "still"])).toBe("still\n")
      await expectNothingLeft(family)
    })

    it.each([[[0]], [[1]], [[2]], [[0, 1, 2]]])(
      "works with descriptors %j closed in the owner (trap 9)",
      async (closed) => {
        const family = await target.start({ init: closed.flatMap((each) => ["-c", `${each}`]) })
        const inherited = [0, 1, 2].map((each) => ({ target: each + 3, kind: F.Kind.inherit, value: each }))
        const seen = parse(await family.output(["fds"], { fds: inherited }))
        expect(seen.map((each) => each.descriptor)).toEqual([1, 3, 4, 5])
        for (const each of closed) expect(seen.find((fd) => fd.descriptor === each + 3)?.what).toBe("/dev/null")
        await expectNothingLeft(family)
      }
    )
  }
)

onTargets("pipes that are joined", released, (target) => {
  it("connect two children, and end when both have gone", async () => {
    const family = await target.start()
    const pipe = family.nextId()
    family.send(F.Request.pipe, pipe, F.u32(0))
    const first = family.probe(["echo", "joined"], {
      fds: [{ target: 1, kind: F.Kind.object, value: pipe, extra: 1 }]
    })
    const second = family.spawn({
      argv: ["cat"],
      fds: [
        { target: 0, kind: F.Kind.object, value: pipe, extra: 0 },
        { target: 1, kind: F.Kind.pipeOut }
      ]
    })
    family.send(F.Request.drop, pipe)
    expect(await family.read(await second.started())).toBe("joined\n")
    await Promise.all([first.ended(), second.ended()])
    // The number is free again; one in use is refused.
    family.send(F.Request.pipe, pipe, F.u32(0))
    family.send(F.Request.pipe, pipe, F.u32(0))
    expect(await family.answer(pipe, ["refused"])).toMatchObject({ errno: constants.errno.EEXIST })
    await expectNothingLeft(family)
  })
})
