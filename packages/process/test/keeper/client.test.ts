import { closeSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import {
  client,
  closed,
  fds,
  folder,
  helpers,
  isAlive,
  openDescriptors,
  output,
  request,
  shell,
  socketOf,
  start,
  text
} from "./support.ts"

describe("a process", () => {
  it("is told from start to end, in order", async () => {
    const { seen } = start(await client(), request(["true"]))
    await seen.until("ended")
    expect(seen.tags).toEqual(["started", "exited", "ended"])
    const { status, usage } = await seen.until("exited")
    expect(status).toBe(0)
    expect(usage.maxResidentSet).toBeGreaterThan(4096)
  })

  it("has its leader's exit told while something of its tree is left, and its end when nothing is", async () => {
    const { seen } = start(await client(), shell("sleep 1000 & exit 3"))
    const { status } = await seen.until("exited")
    expect(status >> 8).toBe(3)
    expect(seen.tags).toEqual(["started", "exited"])
  })

  it("reads and writes through pipes", async () => {
    const { seen } = start(
      await client(),
      request(["cat"], { fds: fds({ target: 0, kind: "pipeIn" }, { target: 1, kind: "pipeOut" }) })
    )
    const { fds: opened } = await seen.until("started")
    const sent = "x".repeat(1_000_000)
    socketOf(opened, 0).end(sent)
    expect(await text(socketOf(opened, 1))).toBe(sent)
    await seen.until("ended")
  })

  it("gets pipes of the size that was asked for", async () => {
    const { seen } = start(
      await client(),
      request(["sh", "-c", "head -c 300000 /dev/zero; kill -STOP $$"], {
        fds: fds({ target: 1, kind: "pipeOut", size: 1 << 20 })
      })
    )
    const { fds: opened, pid } = await seen.until("started")
    // It stops itself only after all of that fitted into the pipe, which nobody reads.
    await until(() => readFileSync(`/proc/${pid}/stat`, "latin1").includes(") T "))
    for (const { handle } of opened) if (typeof handle === "number") closeSync(handle)
  })

  it("has descriptors beyond the first three", async () => {
    const { seen } = start(
      await client(),
      shell("cat <&5 >&7", { fds: fds({ target: 5, kind: "pipeIn" }, { target: 7, kind: "pipeOut" }) })
    )
    const { fds: opened } = await seen.until("started")
    socketOf(opened, 5).end("over there")
    expect(await text(socketOf(opened, 7))).toBe("over there")
  })

  it("reads and writes files", async () => {
    const owner = await client()
    const path = join(folder(), "file")
    const write = (mode: "truncate" | "append", word: string) =>
      start(owner, request(["echo", word], { fds: fds({ target: 1, kind: "file", path, mode }) })).seen.until("ended")
    await write("truncate", "lost")
    await write("truncate", "one")
    await write("append", "two")
    expect(
      await output(
        owner,
        request(["cat"], {
          fds: fds({ target: 0, kind: "file", path, mode: "read" })
        })
      )
    ).toBe("one\ntwo\n")
  })

  it("talks to this program in both directions through a socket", async () => {
    const before = openDescriptors()
    const { seen } = start(await client(), shell("cat <&3 >&3", { fds: fds({ target: 3, kind: "duplex" }) }))
    const { fds: opened } = await seen.until("started")
    const socket = socketOf(opened, 3)
    socket.end("there and back")
    expect(await text(socket)).toBe("there and back")
    await seen.until("ended")
    await until(() => openDescriptors() <= before + 3)
  })

  it("can have a hundred sockets wanted in one turn", async () => {
    const owner = await client()
    const all = Array.from(
      { length: 100 },
      () => start(owner, shell("echo hi >&3", { fds: fds({ target: 3, kind: "duplex" }) })).seen
    )
    for (const seen of all) {
      const { fds: opened } = await seen.until("started")
      expect(await text(socketOf(opened, 3))).toBe("hi\n")
      await seen.until("ended")
    }
  })

  it("is joined to another one by a kernel pipe", async () => {
    const owner = await client()
    const pipe = owner.pipe()
    const first = start(
      owner,
      request(["echo", "through"], { fds: fds({ target: 1, kind: "joined", pipe, end: "write" }) })
    )
    const second = output(
      owner,
      request(["cat"], {
        fds: fds({ target: 0, kind: "joined", pipe, end: "read" })
      })
    )
    pipe.drop()
    await first.seen.until("ended")
    expect(await second).toBe("through\n")
  })

  it("gets signals", async () => {
    const owner = await client()
    const { seen, ticket } = start(
      owner,
      shell("trap 'exit 7' USR1; echo; while :; do sleep 1000 & wait; done", {
        fds: fds({ target: 1, kind: "pipeOut" })
      })
    )
    const { fds: opened } = await seen.until("started")
    await new Promise((resolve) => socketOf(opened, 1).once("data", resolve))
    expect(await new Promise((resolve) => ticket.signal(10, "leader", resolve))).toBe(0)
    const { status } = await seen.until("exited")
    expect(status >> 8).toBe(7)
    ticket.stop({ signal: 0, reach: "tree", grace: 0, linger: 0 })
    await seen.until("ended")
    expect(await new Promise((resolve) => ticket.signal(10, "leader", resolve))).toBe(3)
  })

  it("is stopped by its policy", async () => {
    const { seen, ticket } = start(
      await client(),
      shell("trap '' TERM; echo; sleep 1000", { fds: fds({ target: 1, kind: "pipeOut" }) })
    )
    const { fds: opened } = await seen.until("started")
    await new Promise((resolve) => socketOf(opened, 1).once("data", resolve))
    ticket.stop({ signal: 15, reach: "group", grace: 50, linger: 50 })
    const { status } = await seen.until("exited")
    expect(status & 0x7f).toBe(9)
    await seen.until("ended")
  })

  it("may be released, and retained again", async () => {
    const { seen, ticket } = start(await client(), request(["sleep", "1000"]))
    await seen.until("started")
    expect(await new Promise((resolve) => ticket.release(resolve))).toBe(0)
    expect(await new Promise((resolve) => ticket.retain(resolve))).toBe(0)
  })

  it("survives the nursery when it was released", async () => {
    const owner = await client()
    const { seen, ticket } = start(owner, request(["sleep", "1000"]))
    const { pid } = await seen.until("started")
    onTestFinished(() => void process.kill(pid, "SIGKILL"))
    expect(await new Promise((resolve) => ticket.release(resolve))).toBe(0)
    await closed(owner)
    expect(isAlive(pid)).toBe(true)
  })
})

describe("the state of this program at the time of the spawn", () => {
  it("gives the environment", async () => {
    const owner = await client()
    const show = () => output(owner, shell('echo "$NURSERY_TEST"'))
    onTestFinished(() => {
      delete process.env["NURSERY_TEST"]
    })
    process.env["NURSERY_TEST"] = "one"
    expect(await show()).toBe("one\n")
    process.env["NURSERY_TEST"] = "two"
    expect(await show()).toBe("two\n")
    delete process.env["NURSERY_TEST"]
    expect(await show()).toBe("\n")
  })

  it("is changed by what the command sets and removes, or cleared", async () => {
    const owner = await client()
    onTestFinished(() => {
      delete process.env["NURSERY_TEST"]
    })
    process.env["NURSERY_TEST"] = "here"
    const show = (options: Parameters<typeof request>[1]) => output(owner, request(["env"], options))
    expect(await show({ env: [["NURSERY_TEST", "there"]] })).toMatch(/^NURSERY_TEST=there$/m)
    expect(await show({ env: [["NURSERY_TEST", undefined]] })).not.toMatch(/NURSERY_TEST/)
    expect(await show({ clearEnv: true, env: [["ONLY", "this"]] })).toBe("ONLY=this\n")
  })

  it("gives the working directory and the umask", async () => {
    const owner = await client()
    const [directory, mask] = [process.cwd(), process.umask()]
    onTestFinished(() => {
      process.chdir(directory)
      process.umask(mask)
    })
    process.chdir("/usr")
    process.umask(0o123)
    expect(await output(owner, shell("pwd; umask"))).toBe("/usr\n0123\n")
    expect(await output(owner, shell("pwd; umask", { cwd: "/etc", umask: 0o77 }))).toBe("/etc\n0077\n")
  })
})

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
    ["a level that does not exist yet", request(["true"], { level: "cgroup" }), "request", 95],
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
    const inKeeper = () => readDescriptors(helpers(owner).keeper)
    await start(owner, request(["true"])).seen.until("ended")
    const before = [openDescriptors(), await inKeeper()]
    const piped = fds({ target: 0, kind: "pipeIn" }, { target: 1, kind: "pipeOut" }, { target: 3, kind: "duplex" })
    await start(owner, request(["/nowhere"], { fds: piped })).seen.until("failed")
    await start(owner, request(["/nowhere"], { fds: piped })).seen.until("failed")
    await start(owner, request(["true"])).seen.until("ended")
    // The listening socket of the keeper stays.
    await until(async () => openDescriptors() === before[0] && (await inKeeper()) === (before[1] ?? 0) + 1)
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
    for (const { handle } of (await first.until("started")).fds) if (typeof handle !== "number") handle.destroy()
    await first.until("ended")
    const before = openDescriptors()
    const keptBefore = await readDescriptors(helpers(owner).keeper)
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
          else handle.destroy()
        }
      }
    }
    await until(() => openDescriptors() === before)
    await until(async () => (await readDescriptors(helpers(owner).keeper)) === keptBefore)
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
      tuning: { readyDeadline: 5_000, ownerDeathGrace: 50, spawnDeadline: 1_000, killDeadline: 5_000, idleReapers: 0 }
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

/** Waits for what no event tells; fails by the time limit of the test. */
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

const readDescriptors = async (pid: number): Promise<number> => {
  const { readdir } = await import("node:fs/promises")
  return (await readdir(`/proc/${pid}/fd`)).length
}
