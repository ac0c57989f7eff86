import { closeSync } from "node:fs"
import { Socket } from "node:net"
import { describe, expect, it } from "vitest"
import {
  client,
  closed,
  descriptorsOf,
  fds,
  helpers,
  isAlive,
  openDescriptors,
  output,
  request,
  shell,
  socketOf,
  start,
  tuning,
  until
} from "./support.ts"

describe("a spawn that fails", () => {
  it.each([
    [
      "an argument list that is too large for a frame",
      request(["true", ...Array<string>(9).fill("x".repeat(1 << 20))]),
      "exec",
      7
    ],
    ["an argument that is too large for the kernel", request(["true", "x".repeat(200_000)]), "exec", 7],
    ["a NUL in an argument", request(["true", "a\0b"]), "request", 22],
    ["no argv at all", { ...request([]), program: "true" }, "request", 22],
    ["a program that is not there", request(["/nowhere/tool"]), "exec", 2],
    ["a program that is not on PATH", request(["no-such-tool"]), "exec", 2],
    ["a working directory that is not there", request(["true"], { cwd: "/nowhere" }), "cwd", 2],
    [
      "a file that is not there",
      request(["true"], { fds: fds({ target: 0, kind: "file", path: "/nowhere", mode: "read" }) }),
      "descriptor",
      2
    ],
    [
      "a descriptor that is not open",
      request(["true"], { fds: fds({ target: 5, kind: "inherit", source: 900_000 }) }),
      "descriptor",
      9
    ]
  ] as const)("%s", async (_name, wanted, step, errno) => {
    const { seen } = start(await client(), wanted)
    const { failure } = await seen.until("failed")
    expect(failure).toMatchObject({ step, errno })
    expect(seen.tags).toEqual(["failed"])
  })

  it("tells nobody before the caller has its ticket", async () => {
    const owner = await client()
    const { seen } = start(owner, request(["true", "\0"]))
    expect(seen.tags).toEqual([])
    await seen.until("failed")
  })

  it("leaves no descriptor behind, neither here nor in the keeper", async () => {
    const owner = await client()
    const inKeeper = () => descriptorsOf(helpers(owner).keeper)
    const piped = fds({ target: 0, kind: "pipeIn" }, { target: 1, kind: "pipeOut" }, { target: 3, kind: "duplex" })
    const fail = async (): Promise<void> => {
      await start(owner, request(["/nowhere"], { fds: piped })).seen.until("failed")
      await start(owner, request(["true"])).seen.until("ended")
    }
    // What the keeper opens once, its listening socket, stays.
    await fail()
    const before = [openDescriptors(), inKeeper()]
    for (let round = 0; round < 10; round++) await fail()
    await until(() => openDescriptors() <= (before[0] ?? 0) && inKeeper() <= (before[1] ?? 0))
  })
})

describe("a spawn that is cancelled", () => {
  it("at once", async () => {
    const { seen, ticket } = start(await client(), request(["sleep", "1000"]))
    ticket.cancel()
    expect((await seen.until("failed")).failure.errno).toBe(125)
    expect(seen.tags).toEqual(["failed"])
  })

  it("while its sockets are being connected", async () => {
    const { seen, ticket } = start(
      await client(),
      request(["sleep", "1000"], { fds: fds({ target: 3, kind: "duplex" }) })
    )
    ticket.cancel()
    ticket.cancel()
    expect((await seen.until("failed")).failure.errno).toBe(125)
    expect(seen.tags).toEqual(["failed"])
  })

  it("after it has started", async () => {
    const { seen, ticket } = start(await client(), request(["sleep", "1000"]))
    await seen.until("started")
    ticket.cancel()
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "exited", "ended"])
  })

  it("at every moment, with pipes and sockets, leaving nothing", async () => {
    const owner = await client()
    const piped = fds({ target: 0, kind: "pipeIn" }, { target: 1, kind: "pipeOut" }, { target: 3, kind: "duplex" })
    const { seen: first } = start(owner, request(["true"], { fds: fds({ target: 3, kind: "duplex" }) }))
    for (const { handle } of (await first.until("started")).fds) if (handle instanceof Socket) handle.destroy()
    await first.until("ended")
    const before = openDescriptors()
    const keptBefore = descriptorsOf(helpers(owner).keeper)
    const all = Array.from({ length: 60 }, (_value, index) => {
      const { seen, ticket } = start(
        owner,
        request(["sleep", "1000"], { fds: index % 2 === 0 ? piped : fds({ target: 1, kind: "pipeOut" }) })
      )
      let turns = index
      const later = (): void => {
        if (turns-- > 0) setImmediate(later)
        else ticket.cancel()
      }
      later()
      return seen
    })
    for (const seen of all) {
      await Promise.race([seen.until("failed"), seen.until("ended")])
      for (const happening of seen.happened) {
        if (happening._tag !== "started") continue
        for (const { handle } of happening.fds) {
          if (typeof handle === "number") closeSync(handle)
          else if (handle instanceof Socket) handle.destroy()
        }
      }
    }
    await until(() => openDescriptors() <= before)
    await until(() => descriptorsOf(helpers(owner).keeper) <= keptBefore)
  })
})

describe("many", () => {
  it("two hundred spawns in one turn", async () => {
    const owner = await client()
    const all = Array.from({ length: 200 }, (_value, index) => output(owner, request(["echo", `${index}`])))
    expect(await Promise.all(all)).toEqual(all.map((_value, index) => `${index}\n`))
  })

  it("argument lists of two megabytes, more than the socket takes at once", async () => {
    const owner = await client()
    const words = Array<string>(20).fill("x".repeat(100_000))
    const counts = Array.from({ length: 4 }, () => output(owner, request(["sh", "-c", 'echo "$#"', "sh", ...words])))
    expect(await Promise.all(counts)).toEqual(counts.map(() => "20\n"))
  })

  it("nurseries in one program, which do not see each other's end", async () => {
    const [one, other] = [await client(), await client()]
    const kept = start(other, request(["sleep", "1000"]))
    const { pid } = await kept.seen.until("started")
    await start(one, request(["true"])).seen.until("ended")
    await closed(one)
    expect(isAlive(pid)).toBe(true)
    expect(kept.seen.tags).toEqual(["started"])
  })
})

describe("closing", () => {
  it("ends everything, escapees included, tells each how it ended, and returns when the helpers have left", async () => {
    const owner = await client()
    const { seen } = start(
      owner,
      shell("setsid sh -c 'sleep 1000 & echo $!' ", { fds: fds({ target: 1, kind: "pipeOut" }) })
    )
    const { fds: opened, pid } = await seen.until("started")
    const escaped = Number(await new Promise<Buffer>((resolve) => socketOf(opened, 1).once("data", resolve)))
    const { guard, keeper } = helpers(owner)
    expect([pid, escaped, guard, keeper].map(isAlive).slice(1)).toEqual([true, true, true])
    await closed(owner)
    expect([pid, escaped, guard, keeper].map(isAlive)).toEqual([false, false, false, false])
    expect(seen.tags).toEqual(["started", "exited", "ended"])
  })

  it("bounds a stop policy that would wait for ever", async () => {
    const owner = await client({
      tuning: { ...tuning, ownerDeathGrace: 50 }
    })
    const { seen } = start(
      owner,
      shell("trap '' TERM; echo; while :; do sleep 1000 & wait; done", {
        stop: { signal: 15, reach: "group", grace: undefined, linger: undefined },
        fds: fds({ target: 1, kind: "pipeOut" })
      })
    )
    const { fds: opened } = await seen.until("started")
    await new Promise((resolve) => socketOf(opened, 1).once("data", resolve))
    await closed(owner)
    expect(seen.tags).toEqual(["started", "exited", "ended"])
  })

  it("tells spawns that have not started, and those that come later", async () => {
    const owner = await client()
    const early = start(owner, request(["sleep", "1000"]))
    const done = closed(owner)
    const late = start(owner, request(["true"]))
    for (const { seen } of [early, late]) {
      expect((await seen.until("lost")).error.message).toMatch(/closed/)
      await seen.until("ended")
      expect(seen.tags).toEqual(["lost", "ended"])
    }
    await done
  })

  it("leaves the client usable when it was not for good", async () => {
    const owner = await client()
    const { seen } = start(owner, request(["sleep", "1000"]))
    await seen.until("started")
    await new Promise<void>((resolve) => owner.close(resolve))
    expect(seen.tags).toEqual(["started", "exited", "ended"])
    expect(await output(owner, request(["echo", "again"]))).toBe("again\n")
  })
})
