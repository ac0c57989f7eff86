/** What a keeper that was killed had not begun is done by the next one, once; what it may have begun is lost. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Holding } from "../../src/internal/held.ts"
import type { KeeperClient } from "../../src/internal/keeper/client.ts"
import * as Random from "../support/random.ts"
import { client, closed, fds, folder, helpers, isAlive, request, shell, socketOf, start, text } from "./support.ts"

const rounds = Random.isCampaign ? 200 : 10

/** Kills it and returns when it is dead, within one turn of the event loop: nobody has noticed. */
const killUnnoticed = (owner: KeeperClient): void => {
  const { keeper } = helpers(owner)
  process.kill(keeper, "SIGKILL")
  while (isAlive(keeper));
}

/** A client whose helpers are there, and whose last keeper may have been killed a moment ago. */
const ready = async (owner: KeeperClient): Promise<void> => {
  await start(owner, request(["true"])).seen.until("ended")
}

const hold = (owner: KeeperClient): Promise<Holding> =>
  new Promise((resolve) => owner.hold({ kind: "pipe", size: 0 }, resolve))

describe("a keeper that was killed, which nobody has noticed", () => {
  it(
    `${rounds} times: spawns with pipes and sockets, and objects, go to the next one`,
    async () => {
      const owner = await client()
      for (let round = 0; round < rounds; round++) {
        await ready(owner)
        killUnnoticed(owner)
        const plain = start(owner, request(["true"]))
        const piped = start(owner, request(["echo", "word"], { fds: fds({ target: 1, kind: "pipeOut" }) }))
        const socket = start(owner, shell("echo hi >&3", { fds: fds({ target: 3, kind: "duplex" }) }))
        const held = hold(owner)
        expect(await text(socketOf((await piped.seen.until("started")).fds, 1))).toBe("word\n")
        expect(await text(socketOf((await socket.seen.until("started")).fds, 3))).toBe("hi\n")
        const holding = await held
        expect(holding._tag).toBe("Held")
        if (holding._tag === "Held") holding.held.drop()
        for (const { seen } of [plain, piped, socket]) {
          await seen.until("ended")
          expect(seen.tags).toEqual(["started", "exited", "ended"])
        }
      }
    },
    Random.isCampaign ? 600_000 : 60_000
  )

  it("and a socket that was just to be connected: the next one connects it", async () => {
    const owner = await client()
    // It listens now, so that the next connection is tried at once.
    await start(owner, shell(":", { fds: fds({ target: 3, kind: "duplex" }) })).seen.until("ended")
    killUnnoticed(owner)
    const { seen } = start(owner, shell("echo hi >&3", { fds: fds({ target: 3, kind: "duplex" }) }))
    expect(await text(socketOf((await seen.until("started")).fds, 3))).toBe("hi\n")
    await seen.until("ended")
  })

  it("and a spawn that is not wanted any more: it has failed", async () => {
    const owner = await client()
    killUnnoticed(owner)
    const { seen, ticket } = start(owner, request(["true"]))
    ticket.cancel()
    expect((await seen.until("failed")).failure.errno).toBe(125)
    expect(seen.tags).toEqual(["failed"])
  })

  it("and a spawn that needs what it held: lost, before it could start", async () => {
    const owner = await client()
    const holding = await hold(owner)
    if (holding._tag !== "Held") throw new Error("not held")
    killUnnoticed(owner)
    const { seen } = start(
      owner,
      request(["true"], { fds: fds({ target: 3, kind: "held", held: holding.held, end: 0, given: false }) })
    )
    expect((await seen.until("lost")).error.message).toContain("held a descriptor")
    await seen.until("ended")
  })

  it("and a nursery that closes: lost", async () => {
    const owner = await client()
    killUnnoticed(owner)
    const { seen } = start(owner, request(["true"]))
    await closed(owner)
    expect(seen.tags).toEqual(["lost", "ended"])
  })
})

it(
  `${rounds} times at any moment: nothing runs twice, and what is told as run has run`,
  async () => {
    const random = Random.make("handover")
    const owner = await client()
    const path = join(folder(), "runs")
    writeFileSync(path, "")
    const all: Array<{ readonly name: string; readonly seen: ReturnType<typeof start>["seen"] }> = []
    const some = (round: number, part: string): void => {
      for (let index = 0; index <= random.below(6); index++) {
        const name = `${round}${part}${index}`
        const { seen } = start(
          owner,
          request(["/bin/sh", "-c", 'echo "$0" >&3', name], {
            fds: fds({ target: 3, kind: "file", path, mode: "append" })
          })
        )
        all.push({ name, seen })
      }
    }
    for (let round = 0; round < rounds; round++) {
      await ready(owner)
      const { keeper } = helpers(owner)
      some(round, "before")
      // Frames leave at the end of the turn: some of them are not written, some not read, some carried out.
      for (let turn = random.below(4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve))
      process.kill(keeper, "SIGKILL")
      some(round, "after")
      for (const { seen } of all) await seen.until("ended")
    }
    const runs = readFileSync(path, "utf8").split("\n").slice(0, -1)
    expect(new Set(runs).size).toBe(runs.length)
    const told = all.filter(({ seen }) => seen.tags.includes("exited"))
    expect(told.filter(({ name }) => !runs.includes(name))).toEqual([])
    expect(told.length).toBeGreaterThan(0)
  },
  Random.isCampaign ? 600_000 : 60_000
)
