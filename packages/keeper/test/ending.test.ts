/** Ending: stop policies, and trees of processes that do not want to end. */
import { constants } from "node:os"
import { describe, expect, it } from "vitest"
import type { Family, Spawned } from "./driver.ts"
import * as F from "./frames.ts"
import { daemon, endedBy, never, output, ready } from "./probes.ts"
import {
  childrenOf,
  expectNothingLeft,
  inTime,
  native,
  noSubreapers,
  onTargets,
  released,
  stateOf,
  type Target,
  until
} from "./suite.ts"
import * as Tools from "./tools.ts"

const { ESRCH } = constants.errno

onTargets(
  "stop policies",
  () => true,
  (target) => {
    it("end a leader by the stop signal, and one that ignores it by SIGKILL after the grace period", async () => {
      const family = await target.start()
      const polite = await ready(family, ["echo", "ready", "pause"])
      const deaf = await ready(family, ["ignore", "echo", "ready", "pause"])
      polite.child.stop(never)
      deaf.child.stop({ grace: 50 })
      await endedBy(polite.child, 15)
      await endedBy(deaf.child, 9)
      await expectNothingLeft(family)
    })

    it("end a group, and at once with SIGKILL, no grace or CANCEL", async () => {
      const family = await target.start()
      const words = ["fork", "{", "ignore", "echo", "ready", "pause", "}", "ignore", "pause"]
      const ends: ReadonlyArray<(child: Spawned) => void> = [
        (child) => child.stop({ ...never, signal: 9 }),
        (child) => child.stop({ ...never, signal: 0 }),
        (child) => child.stop({ ...never, grace: 0 }),
        (child) => child.cancel()
      ]
      for (const end of ends) {
        const { child, lines } = await ready(family, words)
        end(child)
        await endedBy(child, 9)
        await lines.ended
      }
      await expectNothingLeft(family)
    })

    it("are carried out on the owner's death, within its bound", async () => {
      const family = await target.start({ hello: { ownerDeathGrace: 200 } })
      const stop = { grace: F.NO_DEADLINE, linger: F.NO_DEADLINE }
      await ready(family, ["ignore", "fork", "{", "echo", "ready", "pause", "}", "pause"], { stop })
      const begin = performance.now()
      // Without a bound it would never end; and within it they are given time.
      await expectNothingLeft(family)
      expect(performance.now() - begin).toBeGreaterThan(150)
    })
  }
)

onTargets(
  "stop policies, further",
  () => true,
  (target) => {
    for (const level of [F.Level.tree, F.Level.group]) {
      target.unless(noSubreapers)(
        `give what the leader leaves the signal and its own time, level ${level}`,
        async () => {
          const family = await target.start()
          // The leader dies of the signal, one of the rest obeys, the other does not.
          const words = ["fork", "{", "pause", "}", "fork", "{", "ignore", "echo", "ready", "pause", "}", "pause"]
          const { child, lines } = await ready(family, words, { level })
          child.stop({ reach: F.Reach.leader, grace: 25_000, linger: 100 })
          expect(await child.exited()).toMatchObject({ status: 15, ended: false })
          await child.ended()
          await lines.ended
          await expectNothingLeft(family)
        }
      )
    }

    target.unless(noSubreapers)(
      "reach the whole tree, also what has left group and session, when that is asked for",
      async () => {
        const family = await target.start()
        const words = [
          "fork",
          "{",
          "setsid",
          "fork",
          "{",
          "setpgid",
          "echo",
          "ready",
          "pause",
          "}",
          "pause",
          "}",
          "pause"
        ]
        const { child, lines } = await ready(family, words)
        child.stop({ ...never, reach: F.Reach.tree })
        await endedBy(child, 15)
        await lines.ended
        await expectNothingLeft(family)
      }
    )

    it("wake a stopped process to let it end (trap 26)", async () => {
      const family = await target.start()
      for (const level of [F.Level.tree, F.Level.group]) {
        const { child, started } = await ready(family, ["echo", "ready", "raise", "19", "pause"], { level })
        await until(() => stateOf(started.pid) === "T")
        child.stop(never)
        await endedBy(child, 15)
      }
      await expectNothingLeft(family)
    })

    it("are never made longer by a second one, and can be made shorter", async () => {
      const family = await target.start()
      const { child } = await ready(family, ["ignore", "echo", "ready", "pause"])
      child.stop({ grace: F.NO_DEADLINE })
      child.stop({ grace: 100 })
      child.stop({ grace: 25_000 })
      await endedBy(child, 9)
      await expectNothingLeft(family)
    })

    it("signal what is left of the group when the leader fails, where that is asked for", async () => {
      const family = await target.start()
      const words = ["fork", "{", "echo", "ready", "pause", "}", "read", "exit", "7"]
      for (const level of [F.Level.tree, F.Level.group]) {
        const fds = [{ target: 0, kind: F.Kind.pipeIn }, ...output]
        const child = family.probe(words, { fds, level, flags: F.Flag.groupOnFailure })
        const started = await child.started()
        await family.lines(started).find("ready")
        family.open(started, 0).end()
        expect(await child.exited()).toMatchObject({ status: 7 << 8 })
        await child.ended()
      }
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "signals",
  () => true,
  (target) => {
    for (const level of [F.Level.tree, F.Level.group]) {
      target.unless(noSubreapers)(
        `reach the leader, its group or the tree, and nobody once that is gone (trap 13), level ${level}`,
        async () => {
          const family = await target.start()
          const words = ["fork", "{", "echo", "ready", "pause", "}", "pause"]
          const { child, lines } = await ready(family, words, { level })
          expect(await child.signal(0)).toBe(0)
          expect(await child.signal(15)).toBe(0)
          expect(await child.exited()).toMatchObject({ status: 15, ended: false })
          // The leader's number may be a stranger's now.
          expect(await child.signal(9)).toBe(ESRCH)
          expect(await child.signal(0, F.Reach.group)).toBe(0)
          expect(await child.signal(15, F.Reach.group)).toBe(0)
          await lines.ended
          await child.ended()
          expect(await child.signal(0, F.Reach.group)).toBe(ESRCH)
          expect(await child.signal(0, F.Reach.tree)).toBe(ESRCH)
          await expectNothingLeft(family)
        }
      )
    }

    it("of a child to its own group cannot reach the helpers (trap 14)", async () => {
      const family = await target.start()
      for (const level of [F.Level.tree, F.Level.group]) {
        for (const session of [F.Session.new, F.Session.group]) {
          await endedBy(family.probe(["group", "9"], { level, session }), 9)
        }
      }
      expect(await family.output(["echo", "unharmed"])).toBe("unharmed\n")
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "what a leader leaves",
  native,
  (target) => {
    it("is ended and collected with its process, by whatever path it has escaped (trap 27)", async () => {
      const family = await target.start()
      const child = family.probe([...daemon, "echo", "ready"], { fds: output })
      const lines = family.lines(await child.started())
      expect(await child.exited()).toMatchObject({ status: 0, ended: false })
      await lines.find("daemon")
      child.cancel()
      await child.ended()
      await lines.ended
      await expectNothingLeft(family)
    })

    it("is collected all the time, not only at the end (trap 29)", async () => {
      const family = await target.start()
      const orphan = ["fork", "{", "fork", "{", "exit", "0", "}", "}"]
      const words = ["repeat", "300", "{", ...orphan, "wait", "}", "echo", "ready", "pause"]
      const { child, started } = await ready(family, words)
      await until(() => childrenOf(started.reaper).length === 1)
      expect(childrenOf(started.reaper)).toEqual([started.pid])
      child.cancel()
      await child.ended()
      await expectNothingLeft(family)
    })

    it("as zombies of somebody else does not count as alive (trap 16), level group", async () => {
      const family = await target.start()
      // The zombie is in the leader's group; its parent has left that, and never waits.
      const parent = ["fork", "{", "fork", "{", "exit", "0", "}", "setsid", "echo", "ready", "pause", "}"]
      const { child, lines } = await ready(family, [...parent, "pause"], { level: F.Level.group })
      child.stop(never)
      await child.ended()
      // The one that left the group lives until the nursery ends.
      expect(lines.all).toEqual(["ready"])
      await expectNothingLeft(family)
      await lines.ended
    })

    it("in its group is seen to end where nobody is told of it: as the child of one that has left the group", async () => {
      const family = await target.start()
      const parent = [
        "fork",
        "{",
        "fork",
        "{",
        "ignore",
        "pid",
        "last",
        "pause",
        "}",
        "setsid",
        "echo",
        "ready",
        "pause",
        "}"
      ]
      const { child, lines } = await ready(family, [...parent, "pause"], { level: F.Level.group })
      const last = Number((await lines.find("last")).split(" ")[1])
      child.stop({ grace: F.NO_DEADLINE, linger: F.NO_DEADLINE })
      expect(await child.exited()).toMatchObject({ ended: false })
      process.kill(last, "SIGKILL")
      await child.ended()
      await expectNothingLeft(family)
      await lines.ended
    })

    it("may be sixty generations deep, and a thousand wide in one group (no stack and no square is in the way)", async () => {
      const family = await target.start()
      const generations = (depth: number): ReadonlyArray<string> =>
        depth === 0 ? ["echo", "ready", "pause"] : ["fork", "{", ...generations(depth - 1), "}", "ignore", "wait"]
      const deep = await ready(family, generations(60))
      const wide = await ready(family, [
        "ignore",
        "repeat",
        "1000",
        "{",
        "fork",
        "{",
        "pause",
        "}",
        "}",
        "echo",
        "ready",
        "pause"
      ])
      expect(await deep.child.signal(0, F.Reach.tree)).toBe(0)
      for (const { child, lines } of [deep, wide]) {
        child.stop({ reach: F.Reach.leader, grace: 50, linger: 0 })
        await endedBy(child, 9)
        await lines.ended
      }
      await expectNothingLeft(family)
    })
  },
  { emulation: noSubreapers }
)

/** How a spawn is given up in the middle, after so many turns of this event loop. */
const cancelledAfter = async (family: Family, turns: number): Promise<void> => {
  const level = turns % 2 === 0 ? F.Level.tree : F.Level.group
  const child = family.probe(daemon, { level, fds: output })
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  child.cancel()
  await child.ended()
  const answer = await family.answer(child.id, ["started", "failed"])
  if (answer.type === "failed") expect(answer.errno).toBe(constants.errno.ECANCELED)
  else if (answer.type === "started")
    for (const { descriptor } of answer.lent) family.send(F.Request.close, family.nextId(), F.u32(descriptor))
}

onTargets("a spawn that is cancelled", native, (target) => {
  it("at any moment leaves nothing (trap 28)", async () => {
    const family = await target.start()
    const rounds = Tools.campaign ? 3000 : 60
    for (let round = 0; round < rounds; round += 6) {
      await Promise.all(Array.from({ length: 6 }, (_, index) => cancelledAfter(family, (round + index) % 40)))
    }
    await expectNothingLeft(family)
  })
})

const bombTime = 60_000

/** Trees that work against their end. */
const hostile = (target: Target): void => {
  it("that forks as fast as it can, as an ordinary user within a limit (trap 24)", async () => {
    const family = await target.start({ uid: Tools.ordinaryUser, init: Tools.processLimit(250) })
    const child = family.probe(["bomb", `${bombTime}`], { fds: output })
    const lines = family.lines(await child.started())
    await lines.find("full")
    child.cancel()
    await endedBy(child, 9)
    await lines.ended
    await expectNothingLeft(family)
  })

  it("that forks and exits without end, so that each process lives only for a moment (trap 24)", async () => {
    const family = await target.start()
    const chains = [["chain"], ["setsid", "chain"], ["repeat", "3", "{", "fork", "{", "chain", "}", "}", "chain"]]
    for (const words of chains) {
      const child = family.probe(["fork", "{", ...words, "}"], { fds: output })
      const lines = family.lines(await child.started())
      await child.exited()
      child.cancel()
      await child.ended()
      await lines.ended
    }
    await expectNothingLeft(family)
  })

  it.each([
    ["kills", "9"],
    ["stops", "19"]
  ])("that %s its reaper: the keeper takes over, and tells (trap 24)", async (_, signal) => {
    const family = await target.start()
    const words = [...daemon.slice(0, -1), "read", "kill", signal, "pause"]
    const fds = [{ target: 0, kind: F.Kind.pipeIn }, ...output]
    const child = family.probe(words, { fds })
    const started = await child.started()
    const lines = family.lines(started)
    await lines.find("daemon")
    family.open(started, 0).end()
    expect(await child.lost()).toMatchObject({ reaper: started.reaper })
    await child.ended()
    await lines.ended
    expect(await family.output(["echo", "next"])).toBe("next\n")
    await expectNothingLeft(family)
  })

  it("that holds its reaper as a debugger would: permitted to root only, and in vain (trap 24)", async () => {
    const family = await target.start({ hello: { spawnDeadline: 1000 } })
    const fds = [{ target: 0, kind: F.Kind.pipeIn }, ...output]
    const child = await inTime(() => family.probe(["read", "trace", "echo", "ready", "pause"], { fds }))
    const started = await child.started()
    const lines = family.lines(started)
    family.open(started, 0).end()
    if (!target.root) {
      expect(await child.exited()).toMatchObject({ status: 99 << 8 })
    } else {
      await lines.find("ready")
      child.stop(never)
      child.cancel()
      expect(await child.lost()).toMatchObject({ reaper: started.reaper })
      // Before the reaper could even tell that it has started something.
      const early = family.probe(["trace", "pause"])
      await family.answer(early.id, ["started", "failed", "lost"])
      early.cancel()
      await early.ended()
    }
    await lines.ended
    await child.ended()
    await expectNothingLeft(family)
  })
}

describe("a tree", () => {
  onTargets("hostile", released, hostile, { emulation: noSubreapers })
})
