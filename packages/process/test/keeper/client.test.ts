import { closeSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import {
  client,
  closed,
  fds,
  folder,
  isAlive,
  openDescriptors,
  output,
  request,
  shell,
  socketOf,
  start,
  text,
  until
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
