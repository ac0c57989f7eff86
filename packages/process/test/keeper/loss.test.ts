import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import * as F from "../../src/internal/keeper/frames.ts"
import {
  client,
  closed,
  fds,
  helpers,
  helpersOf,
  isAlive,
  openDescriptors,
  output,
  request,
  script,
  shell,
  socketOf,
  start,
  tuning
} from "./support.ts"

const gone = async (...pids: ReadonlyArray<number>): Promise<void> => {
  while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve))
}

/** A process that has daemonized a grandchild: the pids of both, and of the helpers. */
const family = async () => {
  const owner = await client()
  const { seen, ticket } = start(
    owner,
    shell("setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000' & sleep 1000", {
      fds: fds({ target: 1, kind: "pipeOut" })
    })
  )
  const { fds: opened, helper, pid } = await seen.until("started")
  const escaped = Number(await new Promise<Buffer>((resolve) => socketOf(opened, 1).once("data", resolve)))
  const { guard, keeper } = helpers(owner)
  expect([guard, keeper, helper, pid, escaped].map(isAlive)).toEqual([true, true, true, true, true])
  return { owner, seen, ticket, guard, keeper, reaper: helper, pid, escaped }
}

describe("the keeper is killed", () => {
  it("and every process is lost at once, and ended when everything is dead", async () => {
    const { seen, keeper, pid, escaped } = await family()
    process.kill(keeper, "SIGKILL")
    const { error } = await seen.until("lost")
    expect(error).toMatchObject({ _tag: "KeeperLost", helper: "keeper" })
    expect(error.message).toContain("Spawn again")
    await seen.until("ended")
    expect([pid, escaped].map(isAlive)).toEqual([false, false])
    expect(seen.tags).toEqual(["started", "lost", "ended"])
  })

  it("and the next spawn starts a new family", async () => {
    const { owner, seen, keeper } = await family()
    process.kill(keeper, "SIGKILL")
    await seen.until("lost")
    expect(await output(owner, request(["echo", "again"]))).toBe("again\n")
    expect(helpers(owner).keeper).not.toBe(keeper)
  })

  it("and spawns that wait for their answer are lost, or started by the next one, none hangs", async () => {
    const owner = await client()
    const { keeper } = helpers(owner)
    await start(owner, request(["true"])).seen.until("ended")
    const all = Array.from({ length: 30 }, () => start(owner, request(["true"])).seen)
    await new Promise((resolve) => setImmediate(resolve))
    process.kill(keeper, "SIGKILL")
    for (const seen of all) {
      await seen.until("ended")
      expect(["lost,ended", "started,lost,ended", "started,exited,lost,ended", "started,exited,ended"]).toContain(
        seen.tags.join()
      )
    }
  })

  it("and signals, releases and pipes that wait for it are answered", async () => {
    const { owner, ticket, keeper, seen } = await family()
    const pipe = owner.pipe()
    process.kill(keeper, "SIGKILL")
    const answers = [
      new Promise((resolve) => ticket.signal(10, "leader", resolve)),
      new Promise((resolve) => ticket.release(resolve))
    ]
    expect(await Promise.all(answers)).toEqual([3, 3])
    await seen.until("lost")
    const orphan = start(owner, request(["cat"], { fds: fds({ target: 0, kind: "joined", pipe, end: "read" }) }))
    expect((await orphan.seen.until("lost")).error.message).toContain("held a descriptor")
    await orphan.seen.until("ended")
    pipe.drop()
  })

  it("and descriptors are as before", async () => {
    const owner = await client()
    await start(owner, request(["true"])).seen.until("ended")
    const before = openDescriptors()
    for (let round = 0; round < 3; round++) {
      const { seen } = start(owner, request(["sleep", "1000"]))
      await seen.until("started")
      process.kill(helpers(owner).keeper, "SIGKILL")
      await seen.until("ended")
      await start(owner, request(["true"])).seen.until("ended")
    }
    while (openDescriptors() > before) await new Promise((resolve) => setImmediate(resolve))
  })
})

describe("the guard is killed", () => {
  it("and what runs goes on and ends as ever, while new spawns get a new family", async () => {
    const { owner, seen, ticket, guard, keeper, pid, escaped } = await family()
    process.kill(guard, "SIGKILL")
    while (helpersOf(owner) !== undefined) await new Promise((resolve) => setImmediate(resolve))
    expect(await output(owner, request(["echo", "elsewhere"]))).toBe("elsewhere\n")
    expect(helpers(owner).guard).not.toBe(guard)
    expect([keeper, pid, escaped].map(isAlive)).toEqual([true, true, true])
    ticket.stop({ signal: 15, reach: "group", grace: 50, linger: 50 })
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "exited", "ended"])
    expect([pid, escaped].map(isAlive)).toEqual([false, false])
    // Nobody needs it any more.
    await gone(keeper)
  })

  it("and then the keeper, and every process is lost, and ended when its reaper has ended it", async () => {
    const { owner, seen, guard, keeper, pid, escaped } = await family()
    process.kill(guard, "SIGKILL")
    while (helpersOf(owner) !== undefined) await new Promise((resolve) => setImmediate(resolve))
    process.kill(keeper, "SIGKILL")
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "lost", "ended"])
    expect([pid, escaped].map(isAlive)).toEqual([false, false])
  })

  it("at the same moment as the keeper", async () => {
    const { seen, guard, keeper, pid, escaped } = await family()
    process.kill(guard, "SIGKILL")
    process.kill(keeper, "SIGKILL")
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "lost", "ended"])
    expect([pid, escaped].map(isAlive)).toEqual([false, false])
  })
})

describe("a reaper is killed", () => {
  it("and its process alone is lost, and ended by the keeper", async () => {
    const { owner, seen, reaper, pid, escaped } = await family()
    const other = start(owner, request(["sleep", "1000"]))
    await other.seen.until("started")
    process.kill(reaper, "SIGKILL")
    expect((await seen.until("lost")).error).toMatchObject({ helper: "reaper" })
    await seen.until("ended")
    expect([pid, escaped].map(isAlive)).toEqual([false, false])
    expect(other.seen.tags).toEqual(["started"])
  })
})

/** A stand-in for the keeper that is ready, reads what comes next, and then does what `then` says. */
const standIn = (then: string): string =>
  script(
    process.execPath,
    `const fs = require("node:fs")
    const read = () => { const bytes = Buffer.alloc(65536); return bytes.subarray(0, fs.readSync(3, bytes)) }
    const frame = (type, id, payload) => {
      const header = Buffer.alloc(12)
      header.writeUInt32LE(payload.length, 0)
      header.writeUInt16LE(type, 4)
      header.writeUInt32LE(id, 8)
      fs.writeSync(3, Buffer.concat([header, payload]))
    }
    const u32 = (...values) => { const b = Buffer.alloc(values.length * 4); values.forEach((v, i) => b.writeUInt32LE(v >>> 0, i * 4)); return b }
    const idOf = (type) => {
      for (;;) {
        const bytes = read()
        if (bytes.length === 0) process.exit(0)
        for (let at = 0; at < bytes.length; at += 12 + bytes.readUInt32LE(at)) {
          if (bytes.readUInt16LE(at + 4) === type) return bytes.readUInt32LE(at + 8)
        }
      }
    }
    read()
    frame(${F.Reply.ready}, 1, u32(${F.VERSION}, process.pid, process.pid, 7, 0, 0, -1))
    const id = idOf(${F.Request.spawn})
    ${then}
    while (read().length > 0);`
  )

const started = `frame(${F.Reply.started}, id, u32(4000000, 0, 0, 0, 0))`

describe("a keeper that goes wrong", () => {
  it("by garbage: every process is lost, and ended when it has left", async () => {
    const owner = await client({ path: standIn(`${started}; fs.writeSync(3, "what was that?!?!")`) })
    const { seen } = start(owner, request(["true"]))
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "lost", "ended"])
  })

  it("by refusing a spawn", async () => {
    const owner = await client({
      path: standIn(`frame(${F.Reply.refused}, id, Buffer.concat([u32(22), Buffer.from("no")]))`)
    })
    const { seen } = start(owner, request(["true"]))
    expect((await seen.until("failed")).failure).toEqual({ step: "request", errno: 22, target: -1 })
  })

  it("by refusing a stop", async () => {
    const owner = await client({
      path: standIn(
        `${started}; frame(${F.Reply.refused}, idOf(${F.Request.stop}), Buffer.concat([u32(3), Buffer.from("who?")]));
        frame(${F.Reply.refused}, idOf(${F.Request.cancel}), Buffer.concat([u32(3), Buffer.from("who?")]))`
      )
    })
    const { seen, ticket } = start(owner, request(["true"]))
    await seen.until("started")
    ticket.stop({ signal: 15, reach: "group", grace: 0, linger: 0 })
    expect((await seen.until("lost")).error.message).toContain("who?")
    await seen.until("ended")
  })

  it("by refusing a release, and not telling the end of a process when all have to end", async () => {
    const owner = await client({
      tuning: { ...tuning, ownerDeathGrace: 0, killDeadline: 0 },
      path: standIn(
        `${started}; frame(${F.Reply.refused}, idOf(${F.Request.release}), Buffer.concat([u32(22), Buffer.from("no")]))`
      )
    })
    const { seen, ticket } = start(owner, request(["true"]))
    await seen.until("started")
    expect(await new Promise((resolve) => ticket.release(resolve))).toBe(22)
    expect(seen.tags).toEqual(["started"])
    await closed(owner)
    expect(seen.tags).toEqual(["started", "lost", "ended"])
  })

  it("by refusing to listen for sockets", async () => {
    const path = standIn("").replace("", "")
    const text = readFileSync(path, "utf8").replace(
      `idOf(${F.Request.spawn})`,
      `idOf(${F.Request.listen}); frame(${F.Reply.refused}, id, Buffer.concat([u32(24), Buffer.from("no")]))`
    )
    const owner = await client({ path: script(process.execPath, text.slice(text.indexOf("\n"))) })
    const { seen } = start(owner, request(["true"], { fds: fds({ target: 3, kind: "duplex" }) }))
    expect((await seen.until("failed")).failure).toEqual({ step: "descriptor", errno: 24, target: 3 })
  })

  it("by lending a descriptor that is not there: the spawn fails, and is cancelled", async () => {
    const owner = await client({
      path: standIn(
        `frame(${F.Reply.started}, id, u32(4000000, 0, 0, 0, 1, 1, 999));
        idOf(${F.Request.cancel}); frame(${F.Reply.ended}, id, u32(0, 0, 0))`
      )
    })
    const { seen } = start(owner, request(["true"], { fds: fds({ target: 1, kind: "pipeOut" }) }))
    expect((await seen.until("failed")).failure).toEqual({ step: "descriptor", errno: 2, target: 1 })
    expect(seen.tags).toEqual(["failed"])
  })

  it("by telling the end without the exit", async () => {
    const owner = await client({ path: standIn(`${started}; frame(${F.Reply.ended}, id, u32(0, 0, 0))`) })
    const { seen } = start(owner, request(["true"]))
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "lost", "ended"])
  })

  it("by answering about processes that nobody knows", async () => {
    const owner = await client({
      path: standIn(
        `for (const type of [${F.Reply.ended}]) frame(type, 77777, u32(0, 0, 0)); frame(${F.Reply.done}, 77777, u32(0));
        frame(${F.Reply.unkillable}, 77777, u32(0)); ${started}; frame(${F.Reply.ended}, id, u32(0, 0, 0))`
      )
    })
    await start(owner, request(["true"])).seen.until("ended")
  })

  it("by not leaving: those who wait are told after its deadlines", async () => {
    const warnings: Array<string> = []
    const owner = await client({
      path: standIn(`${started}; fs.closeSync(3); setInterval(() => {}, 1000); return`),
      // Five seconds of slack are added.
      tuning: { ...tuning, ownerDeathGrace: 0, killDeadline: 0 },
      warn: (message) => warnings.push(message)
    })
    const { seen } = start(owner, request(["true"]))
    const { guard } = helpers(owner)
    await seen.until("unkillable")
    expect(seen.tags).toEqual(["started", "lost", "unkillable"])
    expect(warnings).toHaveLength(1)
    process.kill(guard, "SIGKILL")
    await seen.until("ended")
  })
})
