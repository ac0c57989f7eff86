/** The helpers themselves: killed, stopped, signalled and left behind, one by one and in every combination. */
import { constants } from "node:os"
import { isDeepStrictEqual } from "node:util"
import { describe, expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import {
  childrenOf,
  expectNothingAlive,
  expectNothingLeft,
  native,
  noSubreapers,
  onTargets,
  released,
  signalAll,
  stateOf,
  type Target,
  until
} from "./suite.ts"
import * as Tools from "./tools.ts"

const output: ReadonlyArray<F.Fd> = [{ target: 1, kind: F.Kind.pipeOut }]

/** Three trees that do not end by themselves, one of them by a daemon that has escaped from everything. */
const stubborn: ReadonlyArray<readonly [words: ReadonlyArray<string>, level: number]> = [
  [["ignore", "fork", "{", "fork", "{", "echo", "ready", "pause", "}", "pause", "}", "pause"], F.Level.tree],
  [
    ["fork", "{", "setsid", "fork", "{", "ignore", "echo", "ready", "pause", "}", "}", "wait", "ignore", "pause"],
    F.Level.tree
  ],
  [["ignore", "fork", "{", "echo", "ready", "pause", "}", "pause"], F.Level.group]
]

interface Tree {
  readonly leader: number
  readonly reaper: number
  /** Nobody is left who holds its output. */
  readonly ended: Promise<void>
}

const grow = (family: Family): Promise<ReadonlyArray<Tree>> =>
  Promise.all(
    stubborn.map(async ([words, level]) => {
      const started = await family.probe(words, { level, fds: output }).started()
      const lines = family.lines(started)
      await lines.find("ready")
      return { leader: started.pid, reaper: started.reaper, ended: lines.ended }
    })
  )

type Name = "owner" | "guard" | "keeper" | "reapers"
const names: ReadonlyArray<Name> = ["owner", "guard", "keeper", "reapers"]

const subsets = Array.from({ length: 15 }, (_, index) => names.filter((_, bit) => ((index + 1) >> bit) & 1))

const pidsOf = (family: Family, trees: ReadonlyArray<Tree>, which: ReadonlyArray<Name>): ReadonlyArray<number> =>
  which.flatMap((name) => (name === "reapers" ? trees.map((tree) => tree.reaper) : [family[name]]))

/** Without any helper of a tree only its leader is sure to die. */
const survivorsAllowed = (which: ReadonlyArray<Name>): boolean =>
  (["guard", "keeper", "reapers"] as const).every((name) => which.includes(name))

/** The owner's end, by itself if it was not killed. */
const endOwner = (family: Family, which: ReadonlyArray<Name>): void => {
  if (!which.includes("owner")) family.end()
}

const kills = (target: Target): void => {
  it.each(subsets.map((which) => ({ which })))("to $which at once: everything ends", async ({ which }) => {
    const allowed = survivorsAllowed(which)
    const family = await target.start({ init: allowed ? ["-t", "1500"] : [], hello: { ownerDeathGrace: 100 } })
    const trees = await grow(family)
    // From the top down, and from the bottom up: whoever is next may have begun to see to what the last one left.
    const victims = pidsOf(family, trees, which)
    signalAll(9, target.root ? victims : victims.toReversed())
    if (which.includes("keeper") && !which.includes("owner")) await family.closed
    endOwner(family, which)
    if (!allowed) {
      await expectNothingAlive(family)
      await Promise.all(trees.map((tree) => tree.ended))
      return
    }
    const report = await family.report()
    const left = report.left.map((line) => Number(line.split(" ")[1]))
    for (const tree of trees) expect(left).not.toContain(tree.leader)
  })
}

onTargets("SIGKILL", released, kills, { concurrent: true, emulation: noSubreapers })

onTargets("SIGKILL", native, (target) => {
  it("to a reaper tells LOST, ends what it had, and harms no other process", async () => {
    const family = await target.start()
    const other = family.spawn({ argv: ["cat"], fds: [{ target: 0, kind: F.Kind.pipeIn }, ...output] })
    const started = await other.started()
    const victim = family.probe(["pause"])
    signalAll(9, [(await victim.started()).reaper])
    expect((await victim.lost()).reaper).toBe((await victim.started()).reaper)
    await victim.ended()
    const text = family.read(started)
    family.open(started, 0).end("still here")
    expect(await text).toBe("still here")
    expect(await other.exited()).toMatchObject({ status: 0 })
    await expectNothingLeft(family)
  })

  it("to idle reapers is made good by new ones", async () => {
    const family = await target.start({ hello: { reapers: 4 } })
    for (let round = 0; round < 2; round++) {
      await family.probe([]).exited()
      signalAll(9, childrenOf(family.keeper))
      const children = Array.from({ length: 8 }, () => family.probe([]))
      // One whose job was taken by a reaper in its last moment is lost or failed, and says so.
      await Promise.all(children.map((child) => child.ended()))
    }
    expect(await family.probe([]).exited()).toMatchObject({ status: 0 })
    await expectNothingLeft(family)
  })

  it("to reapers at random, under load, loses processes but none of the answers", async () => {
    const family = await target.start({ hello: { reapers: 2, spawnDeadline: 1000 } })
    const rounds = Tools.campaign ? 300 : 8
    for (let round = 0; round < rounds; round++) {
      const children = Array.from({ length: 12 }, (_, index) =>
        family.probe(index % 3 === 0 ? ["fork", "{", "setsid", "pause", "}"] : ["exit", "1"])
      )
      for (const child of children) child.stop({ grace: 10 })
      const reapers = childrenOf(family.keeper)
      const victim = reapers[round % Math.max(reapers.length, 1)]
      if (victim !== undefined) signalAll(9, [victim])
      await Promise.all(children.map((child) => child.ended()))
    }
    await expectNothingLeft(family)
  })
})

const stops = (target: Target): void => {
  it("to the keeper: the guard kills it after two seconds, and everything ends", async () => {
    const family = await target.start()
    const trees = await grow(family)
    signalAll(19, [family.keeper])
    await family.closed
    await Promise.all(trees.map((tree) => tree.ended))
    family.end()
    await expectNothingAlive(family)
  })

  it("to the keeper, and SIGCONT in time: it goes on where it was", async () => {
    // Where this program itself is held up for so long that it is not in time, another try.
    for (let took = Number.POSITIVE_INFINITY; took > 1500; ) {
      const family = await target.start()
      const child = family.probe(["pause"])
      await child.started()
      const begin = performance.now()
      signalAll(19, [family.keeper])
      await until(() => stateOf(family.keeper) === "T")
      child.stop()
      const later = family.probe(["exit", "7"])
      signalAll(18, [family.keeper])
      took = performance.now() - begin
      if (took > 1500) continue
      expect(await later.exited()).toMatchObject({ status: 7 << 8 })
      expect(await child.exited()).toMatchObject({ status: 15 })
      await expectNothingLeft(family)
    }
  })

  it("to the keeper and SIGKILL to a reaper: the guard ends both", async () => {
    const family = await target.start()
    const trees = await grow(family)
    signalAll(19, [family.keeper])
    signalAll(9, [trees[1]?.reaper ?? 0])
    await Promise.all(trees.map((tree) => tree.ended))
    family.end()
    await expectNothingAlive(family)
  })

  it("to reapers: their parent takes over and tells", async () => {
    const family = await target.start()
    const trees = await grow(family)
    signalAll(
      19,
      trees.map((tree) => tree.reaper)
    )
    await Promise.all(trees.map((tree) => tree.ended))
    await expectNothingLeft(family)
  })

  it("to reapers and SIGKILL to the keeper: the guard takes over", async () => {
    const family = await target.start()
    const trees = await grow(family)
    signalAll(19, trees.map((tree) => tree.reaper).concat(family.guard))
    signalAll(9, [family.keeper])
    signalAll(18, [family.guard])
    await Promise.all(trees.map((tree) => tree.ended))
    family.end()
    await expectNothingAlive(family)
  })

  it("to the guard: it leaves with the keeper all the same", async () => {
    const family = await target.start()
    const trees = await grow(family)
    signalAll(19, [family.guard])
    await until(() => stateOf(family.guard) === "T")
    family.end()
    await expectNothingAlive(family)
    await Promise.all(trees.map((tree) => tree.ended))
  })

  it("to the owner: stops that have begun still finish, and nothing is lost when it wakes", async () => {
    const family = await target.start()
    const started = await family.probe(["ignore", "echo", "ready", "pause"], { fds: output }).started()
    const lines = family.lines(started)
    await lines.find("ready")
    const id = started.id
    family.send(F.Request.stop, id, F.policy({ grace: 100 }))
    await family.settled()
    signalAll(19, [family.owner])
    await lines.ended
    signalAll(18, [family.owner])
    expect(await family.answer(id, ["exited"])).toMatchObject({ status: 9, ended: true })
    await expectNothingLeft(family)
  })
}

onTargets("SIGSTOP", native, stops, { concurrent: true, emulation: noSubreapers })

onTargets("the helpers", native, (target) => {
  it("are immune to the signals of a terminal, and all others that can be blocked (trap 37)", async () => {
    const family = await target.start()
    const trees = await grow(family)
    const helpers = [family.guard, family.keeper, ...childrenOf(family.keeper)]
    for (let signal = 1; signal <= 64; signal++) {
      if (signal === 9 || signal === 19) continue
      signalAll(signal, helpers)
    }
    expect(await family.output(["echo", "unmoved"])).toBe("unmoved\n")
    await until(() => trees.every((tree) => stateOf(tree.leader) === "S"))
    await expectNothingLeft(family)
  })

  it("wait only for what is theirs: the owner has one child, the guard one (trap 30)", async () => {
    const family = await target.start()
    await grow(family)
    expect(childrenOf(family.owner)).toEqual([family.guard])
    expect(childrenOf(family.guard)).toEqual([family.keeper])
    await expectNothingLeft(family)
  })

  it("sleep while nothing happens: no wake-ups, and no time used", async () => {
    const family = await target.start()
    const trees = await grow(family)
    const helpers = [family.guard, family.keeper, ...trees.map((tree) => tree.reaper)]
    const switches = () => helpers.map((pid) => Tools.voluntarySwitches(pid))
    const windows: Array<ReadonlyArray<number>> = [switches()]
    const isQuiet = () => isDeepStrictEqual(windows.at(-1), windows.at(-3))
    // A reaper gives its memory back once its process has lived for a while, and that is the last that it does by itself; on a
    // machine that is busy with other things that may come late.
    while (!(windows.length > 3 && isQuiet()) && windows.length < 20) {
      await family.nap(300)
      windows.push(switches())
    }
    expect(windows.at(-1)).toEqual(windows.at(-3))
    await expectNothingLeft(family)
  })
})

const RELEASED = ["ignore", "fork", "{", "setsid", "pause", "}", "echo", "ready", "pause"]

onTargets("a released process", native, (target) => {
  it("survives owner and helpers, with its tree; one that was retained again does not", async () => {
    const family = await target.start({ init: ["-t", "700"] })
    const start = async () => {
      const child = family.probe(RELEASED, { fds: output })
      const started = await child.started()
      const lines = family.lines(started)
      await lines.find("ready")
      return { child, lines, pid: started.pid }
    }
    const [released, retained] = [await start(), await start()]
    expect(await released.child.release()).toBe(0)
    expect(await retained.child.release()).toBe(0)
    expect(await retained.child.retain()).toBe(0)
    family.end()
    const report = await family.report()
    await retained.lines.ended
    // The init has ended it after its time, together with the reaper that still serves it; nothing else was there.
    const left = report.left.map((line) => line.split(" ").slice(1, 3).join(" "))
    expect(left.some((line) => line.startsWith(`${released.pid} `))).toBe(true)
    expect(left.some((line) => line.startsWith(`${retained.pid} `))).toBe(false)
    expect(left.filter((line) => line.includes("nursery-")).map((line) => line.split(" ")[1])).toEqual([
      "nursery-reaper"
    ])
    expect(left.length).toBe(3)
    expect(report.findings).toBe("")
    await released.lines.ended
  })

  it("survives SIGKILL to guard and keeper too", async () => {
    const family = await target.start({ init: ["-t", "700"] })
    const child = family.probe(RELEASED, { fds: output })
    const started = await child.started()
    await family.lines(started).find("ready")
    await child.release()
    signalAll(9, [family.guard, family.keeper])
    await family.closed
    family.end()
    const report = await family.report()
    expect(report.left.some((line) => line.startsWith(`left ${started.pid} `))).toBe(true)
  })

  it("is still told of while the owner lives, and stopped when that is asked for", async () => {
    const family = await target.start()
    const child = family.probe(RELEASED, { fds: output })
    await family.lines(await child.started()).find("ready")
    expect(await child.release()).toBe(0)
    child.stop({ grace: 20, linger: 20 })
    expect(await child.exited()).toMatchObject({ status: 9 })
    await child.ended()
    expect(await child.release()).toBe(constants.errno.ESRCH)
    await expectNothingLeft(family)
  })

  it("is not to be had at level group", async () => {
    const family = await target.start()
    const child = family.probe(["pause"], { level: F.Level.group })
    await child.started()
    expect(await child.release()).toBe(constants.errno.ENOTSUP)
    await expectNothingLeft(family)
  })
})

describe.runIf(Tools.campaign)("campaign", () => {
  onTargets("SIGKILL at random moments under load", native, (target) => {
    it("leaves nothing, two hundred times", { timeout: 1_800_000 }, async () => {
      for (let round = 0; round < 200; round++) {
        const which = subsets[(round * 7) % subsets.length] ?? []
        if (survivorsAllowed(which)) continue
        const family = await target.start({ hello: { ownerDeathGrace: 50, reapers: 3 } })
        const trees = await grow(family)
        for (let index = 0; index < 40; index++) {
          family.probe(stubborn[index % 2]?.[0] ?? [], { level: index % 4 === 0 ? F.Level.group : F.Level.tree })
        }
        for (let turn = 0; turn < round % 50; turn++) await new Promise((resolve) => setImmediate(resolve))
        signalAll(9, pidsOf(family, trees, which))
        endOwner(family, which)
        await expectNothingAlive(family)
        await Promise.all(trees.map((tree) => tree.ended))
      }
    })
  })
})
