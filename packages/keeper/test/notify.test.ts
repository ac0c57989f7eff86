/** Messages of children by sd_notify(3): whose they are, that none is lost, and that nobody who sends them can do harm. */
import { type ChildProcess, spawn as spawnProcess } from "node:child_process"
import { readFileSync } from "node:fs"
import { constants } from "node:os"
import { expect, it } from "vitest"
import type { Family, Lines, Spawned } from "./driver.ts"
import * as F from "./frames.ts"
import {
  childrenOf,
  descriptorsOf,
  expectNothingAlive,
  expectNothingLeft,
  native,
  onTargets,
  stateOf,
  until,
  whileStopped
} from "./suite.ts"
import * as Tools from "./tools.ts"

const { ENOSYS, EPERM } = constants.errno

const flags = F.Flag.notify
const output: ReadonlyArray<F.Fd> = [{ target: 1, kind: F.Kind.pipeOut }]
const levels = [F.Level.tree, F.Level.group] as const

/** Messages that came so far, their texts alone. */
const texts = (family: Family, child: Spawned): ReadonlyArray<string> =>
  family.all(child.id).flatMap((answer) => (answer.type === "notify" ? [answer.text] : []))

/** In kilobytes. */
const residentOf = (pid: number): number =>
  Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1])

const names = (): ReadonlyArray<string> =>
  Array.from(readFileSync("/proc/net/unix", "latin1").matchAll(/@nursery-notify-\w+/g), ([name]) => name)

const nameOf = (env: string): string => /^NOTIFY_SOCKET=(.*)$/m.exec(env)?.[1] ?? ""

/** A child that stays, and the name of its socket. */
const named = async (family: Family, spawn: Partial<F.Spawn> = {}): Promise<readonly [Spawned, string]> => {
  const child = family.probe(["env", "echo", "end", "pause"], { flags, fds: output, ...spawn })
  const lines = family.lines(await child.started())
  await lines.find("end")
  return [child, nameOf(lines.all.join("\n"))]
}

/** Of nobody's tree; it has sent when this is over. */
const stranger = async (name: string, words: ReadonlyArray<string>): Promise<ChildProcess> => {
  const process = spawnProcess(Tools.probe(), [...words, "echo", "sent", "pause"], {
    env: { NOTIFY_SOCKET: name },
    stdio: ["ignore", "pipe", "inherit"]
  })
  await new Promise((resolve) => process.stdout?.once("data", resolve))
  return process
}

/** A child that goes on once the owner does not hear any more. */
const deafTo = async (family: Family, words: ReadonlyArray<string>): Promise<readonly [Spawned, Lines]> => {
  const child = family.probe(words, { flags, fds: [{ target: 0, kind: F.Kind.pipeIn }, ...output] })
  const started = await child.started()
  const lines = family.lines(started)
  const input = family.open(started, 0)
  await family.settled()
  await family.order("deaf")
  input.destroy()
  return [child, lines]
}

/** Nothing happens in these processes any more: all of them sleep, none has been awake meanwhile. */
const restOf = async (family: Family, pids: ReadonlyArray<number> = [family.keeper]): Promise<void> => {
  // Who only waits for the processor has not gone to sleep either, so that alone would prove nothing.
  const sleeps = () => pids.every((pid) => stateOf(pid) === "S")
  for (let before = -1, now = 0; before !== now || !sleeps(); ) {
    before = now
    await family.nap(100)
    now = pids.reduce((sum, pid) => sum + Tools.voluntarySwitches(pid), 0)
  }
}

onTargets("messages", native, (target) => {
  it("come with their sender, in order, before the exit of who sent them", async () => {
    const family = await target.start()
    for (const level of levels) {
      const child = family.probe(["notify", "READY=1", "notify", "STATUS=a\nMAINPID=7\n", "exit", "3"], {
        level,
        flags
      })
      await child.ended()
      const types = family.all(child.id).map((answer) => answer.type)
      expect(types.slice(0, 4)).toEqual(["started", "notify", "notify", "exited"])
      const { pid } = await child.started()
      expect(await child.notified()).toMatchObject({ pid, cut: false, text: "READY=1" })
      expect(await child.notified()).toMatchObject({ pid, cut: false, text: "STATUS=a\nMAINPID=7\n" })
    }
    await expectNothingLeft(family)
  })

  it("are all told, and before the end, however soon that comes", async () => {
    const family = await target.start()
    const rounds = target.sanitized ? 20 : 100
    const children = Array.from({ length: rounds }, (_, index) =>
      family.probe(["fork", "{", "setsid", "notify", `STATUS=${index}`, "}", "notify", "READY=1"], {
        flags,
        level: index % 2 === 0 ? F.Level.tree : F.Level.group
      })
    )
    for (const [index, child] of children.entries()) {
      await child.ended()
      // At level group what has left the group does not hold up the end, and the socket goes with that.
      if (index % 2 === 1) expect(texts(family, child)).toContain("READY=1")
      else expect(texts(family, child).toSorted()).toEqual(["READY=1", `STATUS=${index}`])
    }
    await expectNothingLeft(family)
  })

  it("may be anything up to 4096 bytes; what is more is cut off, and said to be", async () => {
    const family = await target.start()
    const whole = `X=${"é".repeat(2047)}`
    const words = ["notify", "", "notify", "\n\n", "notify", "no name", "notify", whole, "notify", `${whole}y`, "pause"]
    const child = family.probe(words, { flags })
    // An empty one says nothing.
    expect(await child.notified()).toMatchObject({ cut: false, text: "\n\n" })
    expect(await child.notified()).toMatchObject({ cut: false, text: "no name" })
    const bytes = Buffer.from(whole).toString("latin1")
    expect(await child.notified()).toMatchObject({ cut: false, text: bytes })
    expect(await child.notified()).toMatchObject({ cut: true, text: bytes })
    await expectNothingLeft(family)
  })

  it("are those of one child: each has its own socket, gone with its end", async () => {
    const family = await target.start()
    const [one, first] = await named(family)
    const [other, second] = await named(family, { level: F.Level.group })
    expect(first).toMatch(/^@nursery-notify-[0-9a-f]{32}$/)
    expect(second).not.toBe(first)
    expect(names()).toEqual(expect.arrayContaining([first, second]))
    // Each tells the other's.
    const swap = async (name: string): Promise<ChildProcess> => stranger(name, ["notify", `STATUS=${name}`])
    const strangers = [await swap(first), await swap(second)]
    expect(await one.notified()).toMatchObject({ text: `STATUS=${first}` })
    expect(await other.notified()).toMatchObject({ text: `STATUS=${second}` })
    for (const each of strangers) each.kill("SIGKILL")
    one.cancel()
    await one.ended()
    // A reaper that is being forked has a copy for a moment.
    await until(() => !names().includes(first))
    expect(names()).toContain(second)
    await expectNothingLeft(family)
    expect(names()).not.toContain(second)
  })

  it("need a variable that is the child's alone, and nothing of what the owner has for itself", async () => {
    const family = await target.start()
    const own = ["NOTIFY_SOCKET=/run/owner", "WATCHDOG_PID=1", "WATCHDOG_USEC=5", "A=1", "NOTIFY_SOCKETS=x"]
    family.send(F.Request.environment, family.nextId(), Buffer.concat([F.u32(own.length), F.strings(...own)]))
    const lines = async (spawn: Partial<F.Spawn>): Promise<ReadonlyArray<string>> =>
      (await family.output(["env"], spawn)).trimEnd().split("\n")
    expect(await lines({})).toEqual(own)
    const socket = expect.stringMatching(/^NOTIFY_SOCKET=@nursery-notify-/)
    expect(await lines({ flags })).toEqual(["A=1", "NOTIFY_SOCKETS=x", socket])
    const env = ["NOTIFY_SOCKET=/run/wrong", "WATCHDOG_USEC=7", "A"]
    expect(await lines({ flags, env })).toEqual(["NOTIFY_SOCKETS=x", "WATCHDOG_USEC=7", socket])
    expect(await lines({ flags, env: ["NOTIFY_SOCKET"] })).toEqual(["A=1", "NOTIFY_SOCKETS=x", socket])
    expect(await lines({ flags: flags | F.Flag.clearEnvironment, env: ["B=2"] })).toEqual(["B=2", socket])
    await expectNothingLeft(family)
  })

  it("may come from a descendant by any path, after the leader has ended, as long as something is left", async () => {
    const family = await target.start()
    for (const signal of [false, true]) {
      const waits = ["read", "notify", "READY=1", ...(signal ? ["pause"] : [])]
      const words = ["fork", "{", "setsid", "fork", "{", "setsid", ...waits, "}", "}", "wait"]
      const child = family.probe(words, { flags, fds: [{ target: 0, kind: F.Kind.pipeIn }] })
      const started = await child.started()
      expect(await child.exited()).toMatchObject({ status: 0, ended: false })
      // The end of its input lets it go on.
      family.open(started, 0).destroy()
      const told = await child.notified()
      expect(told.text).toBe("READY=1")
      expect(told.pid).not.toBe(started.pid)
      // The other one may have been collected by now.
      if (signal) expect(told.sender).toBe("member")
      child.cancel()
      await child.ended()
    }
    await expectNothingLeft(family)
  })
})

onTargets("a sender", native, (target) => {
  it("that lives is a member of the tree wherever it is in it, at both levels", async () => {
    const family = await target.start()
    for (const level of levels) {
      const deep = [
        "fork",
        "{",
        "fork",
        "{",
        "fork",
        "{",
        "notify",
        "STATUS=deep",
        "pause",
        "}",
        "pause",
        "}",
        "pause",
        "}"
      ]
      // Its parent ends, so it falls to the reaper; it has kept its group.
      const orphan = ["fork", "{", "fork", "{", "notify", "STATUS=orphan", "pause", "}", "}"]
      const child = family.probe(["notify", "READY=1", ...deep, ...orphan, "pause"], { level, flags })
      const told = [await child.notified(), await child.notified(), await child.notified()]
      expect(told.map((each) => [each.text, each.sender]).toSorted()).toEqual([
        ["READY=1", "member"],
        ["STATUS=deep", "member"],
        ["STATUS=orphan", "member"]
      ])
      child.cancel()
      await child.ended()
    }
    await expectNothingLeft(family)
  })

  it("that is somebody else's is a stranger: of no tree, of another one, and of another one with the same reaper", async () => {
    const family = await target.start()
    for (const level of levels) {
      const [child, name] = await named(family, { level })
      const none = await stranger(name, ["notify", "READY=1"])
      expect(await child.notified()).toEqual(expect.objectContaining({ pid: none.pid, sender: "stranger" }))
      none.kill("SIGKILL")
      for (const other of levels) {
        const sibling = family.probe(["notify", "READY=1", "pause"], { level: other, env: [`NOTIFY_SOCKET=${name}`] })
        const { pid } = await sibling.started()
        expect(await child.notified()).toMatchObject({ pid, sender: "stranger", text: "READY=1" })
        sibling.cancel()
        await sibling.ended()
      }
      child.cancel()
      await child.ended()
    }
    await expectNothingLeft(family)
  })

  it("that has been collected is gone, whoever it was; one that waits for that is a member still", async () => {
    const family = await target.start()
    for (const level of levels) {
      const words = ["fork", "{", "read", "notify", "STATUS=gone", "}", "wait", "echo", "waited"]
      const rest = ["fork", "{", "notify", "STATUS=zombie", "echo", "zombie", "}", "pause"]
      const child = family.probe([...words, ...rest], {
        level,
        flags,
        fds: [{ target: 0, kind: F.Kind.pipeIn }, ...output]
      })
      const started = await child.started()
      const lines = family.lines(started)
      const input = family.open(started, 0)
      await family.settled()
      // The keeper looks at it only after it has been waited for.
      await whileStopped(family, async () => {
        input.destroy()
        await lines.find("waited")
        await lines.find("zombie")
        await until(() => childrenOf(started.pid).some((pid) => stateOf(pid) === "Z"))
      })
      expect(await child.notified()).toMatchObject({ sender: "gone", text: "STATUS=gone" })
      expect(await child.notified()).toMatchObject({ sender: "member", text: "STATUS=zombie" })
      child.cancel()
      await child.ended()
    }
    await expectNothingLeft(family)
  })

  it.each([
    ["pidfd_open", ENOSYS],
    ["pidfd_send_signal", ENOSYS],
    ["pidfd_send_signal", EPERM]
  ] as const)("is found also where seccomp answers %s with errno %i", async (name, errno) => {
    const family = await target.start({ init: ["-e", `${name}=${errno}`] })
    for (const level of levels) {
      const [child, socket] = await named(family, { level })
      const other = await stranger(socket, ["notify", "READY=1"])
      expect(await child.notified()).toMatchObject({ pid: other.pid, sender: "stranger" })
      other.kill("SIGKILL")
      const deep = family.probe(
        ["fork", "{", "fork", "{", "notify", "STATUS=deep", "pause", "}", "pause", "}", "pause"],
        {
          level,
          flags
        }
      )
      expect(await deep.notified()).toMatchObject({ sender: "member", text: "STATUS=deep" })
    }
    await expectNothingLeft(family)
  })

  it("whose reaper was killed cannot be told from others any more", async () => {
    const family = await target.start()
    const [child, name] = await named(family)
    const { reaper } = await child.started()
    const late = await whileStopped(family, async () => {
      const late = await stranger(name, ["notify", "READY=1"])
      process.kill(reaper, 9)
      return late
    })
    await child.lost()
    expect(await child.notified()).toMatchObject({ text: "READY=1" })
    await child.ended()
    late.kill("SIGKILL")
    await expectNothingLeft(family)
  })
})

onTargets("descriptors with a message", native, (target) => {
  it("are closed, whatever they come with and however many they are; the table is as before", async () => {
    const family = await target.start()
    const quiet = family.probe(["pause"])
    await quiet.started()
    await until(() => childrenOf(family.keeper).length === 2)
    await family.settled()
    const before = descriptorsOf(family.keeper)
    for (const level of levels) {
      const words = [1, 2, 3, 100, 253].flatMap((count) => ["pass", `${count}`, "FDSTORE=1"])
      const barriers = ["pass", "2", "BARRIER=1", "pass", "253", "BARRIER=1", "pass", "1", "BARRIER=1\nREADY=1"]
      const child = family.probe([...words, ...barriers, "notify", "BARRIER=1", "exit", "4"], { level, flags })
      expect(await child.exited()).toMatchObject({ status: 4 << 8 })
      await child.ended()
      expect(texts(family, child)).toEqual([...Array(5).fill("FDSTORE=1"), "BARRIER=1\nREADY=1"])
    }
    await family.probe([], { flags, cwd: "/no/such" }).failed()
    const cancelled = family.probe(["pause"], { flags })
    cancelled.cancel()
    await cancelled.ended()
    await family.settled()
    await until(() => JSON.stringify(descriptorsOf(family.keeper)) === JSON.stringify(before))
    await expectNothingLeft(family)
  })

  const lack = Tools.isRoot ? "" : " (skipped: only root may list the descriptors of a reaper)"
  it.skipIf(!Tools.isRoot)(`have no copy in a reaper, nor has the socket${lack}`, async () => {
    const family = await target.start({ hello: { reapers: 4 } })
    const [, name] = await named(family)
    const [, other] = await named(family)
    await until(() => childrenOf(family.keeper).length === 6)
    await family.settled()
    const inodes = readFileSync("/proc/net/unix", "latin1")
      .split("\n")
      .filter((line) => line.endsWith(name) || line.endsWith(other))
      .map((line) => line.trim().split(/\s+/)[6])
    expect(inodes.length).toBe(2)
    const holds = (pid: number): boolean =>
      descriptorsOf(pid).some((line) => inodes.some((inode) => line.endsWith(`socket:[${inode}]`)))
    expect(holds(family.keeper)).toBe(true)
    // One that has just been forked closes what it inherited first of all.
    await until(() => ![family.guard, ...childrenOf(family.keeper)].some(holds))
    await expectNothingLeft(family)
  })

  it("as a barrier are closed when all that came before is on its way to the owner, and not sooner", async () => {
    const family = await target.start()
    const child = family.probe(["notify", "READY=1", "barrier", "echo", "passed", "exit", "0"], { flags, fds: output })
    expect(await family.read(await child.started())).toBe("passed\n")
    await child.ended()
    expect(texts(family, child)).toEqual(["READY=1"])

    const words = ["read", "flood", "600", "1000", "echo", "flooded", "barrier", "echo", "passed"]
    const [waits, lines] = await deafTo(family, words)
    await lines.find("flooded")
    await restOf(family)
    expect(lines.all).toEqual(["flooded"])
    await family.order("hear")
    await lines.find("passed")
    await waits.ended()
    expect(texts(family, waits).length).toBe(600)
    await expectNothingLeft(family)
  })
})

onTargets("a flood of messages", native, (target) => {
  it("to an owner that does not read is stopped: the keeper's memory stays bounded, and nothing is lost", async () => {
    const family = await target.start()
    const count = 8000
    const before = residentOf(family.keeper)
    const [child, lines] = await deafTo(family, ["read", "flood", `${count}`, "1000", "echo", "flooded", "pause"])
    await restOf(family)
    expect(lines.all).toEqual([])
    expect(residentOf(family.keeper) - before).toBeLessThan(target.sanitized ? 60_000 : 12_000)
    await family.order("hear")
    await lines.find("flooded")
    await until(() => texts(family, child).length === count)
    const numbers = texts(family, child).map((text) => Number.parseInt(text.slice("STATUS=".length), 10))
    expect(numbers).toEqual(numbers.map((_, index) => index))
    await expectNothingLeft(family)
  })

  it("by many who end meanwhile is told as far as it came, but no more of it than fills the queue twice", async () => {
    const family = await target.start()
    const gate = [{ target: 0, kind: F.Kind.pipeIn }]
    // What is in the sockets of so many is more than the queue takes.
    const others = Array.from({ length: 130 }, () =>
      family.probe(["read", "flood", "20", "4096"], { flags, fds: gate })
    )
    const inputs = []
    for (const other of others) inputs.push(family.open(await other.started(), 0))
    const [child] = await deafTo(family, ["read", "flood", "8000", "1000", "pause"])
    await restOf(family)
    for (const input of inputs) input.destroy()
    // Each comes to stand before a full socket.
    const pids = await Promise.all(others.map(async (other) => (await other.started()).pid))
    await restOf(family, pids)
    for (const pid of pids) process.kill(pid, 9)
    await restOf(family)
    await family.order("hear")
    for (const other of others) await other.ended()
    const kept = [child, ...others].flatMap((each) => texts(family, each)).join("").length
    child.cancel()
    await child.ended()
    expect(kept).toBeGreaterThan(7 << 20)
    expect(kept).toBeLessThan(9 << 20)
    expect(others.filter((other) => texts(family, other).length > 5).length).toBeGreaterThan(50)
    await expectNothingLeft(family)
  })

  it("does not keep others waiting, and ends with its process", async () => {
    const family = await target.start()
    const floods = levels.map((level) =>
      family.probe(["repeat", "1000000", "{", "flood", "1000", "10", "}"], { flags, level })
    )
    for (const flood of floods) await flood.notified()
    const [child, name] = await named(family)
    const noise = await stranger(name, ["notify", "STATUS=x"])
    expect(await child.notified()).toMatchObject({ sender: "stranger" })
    expect(await family.output(["barrier", "echo", "besides"], { flags })).toBe("besides\n")
    for (const flood of floods) {
      flood.cancel()
      await flood.ended()
    }
    noise.kill("SIGKILL")
    await expectNothingLeft(family)
  })

  it("ends with the owner, whoever waits for a barrier then", async () => {
    const family = await target.start()
    const flood = ["fork", "{", "setsid", "repeat", "1000000", "{", "flood", "1000", "10", "}", "}"]
    const barriers = ["ignore", "repeat", "1000000", "{", "barrier", "}"]
    const children = levels.map((level) => family.probe([...flood, ...barriers], { flags, level }))
    for (const child of children) await child.notified()
    await expectNothingLeft(family)
  })

  it("ends with the keeper", async () => {
    const family = await target.start()
    const flood = ["fork", "{", "setsid", "repeat", "1000000", "{", "flood", "1000", "10", "}", "}", "barrier", "pause"]
    const children = levels.map((level) => family.probe(flood, { flags, level }))
    for (const child of children) await child.notified()
    const [, name] = await named(family)
    expect(names()).toContain(name)
    process.kill(family.keeper, 9)
    await family.closed
    await expectNothingAlive(family)
    expect(names()).not.toContain(name)
  })
})

onTargets("systemd-notify", native, (target) => {
  const program = Tools.which("systemd-notify")

  it.skipIf(program === undefined)(
    `is heard, and not kept waiting${program === undefined ? " (skipped: it is not installed)" : ""}`,
    async () => {
      const family = await target.start()
      for (const level of levels) {
        const script = "systemd-notify --ready --status='all is well' MAINPID=$$ X=1; echo done; exec sleep 1000"
        const child = family.spawn({ argv: ["sh", "-c", script], level, flags, fds: output })
        const started = await child.started()
        await family.lines(started).find("done")
        const told = await child.notified()
        expect(told.sender).toBe("member")
        expect(told.text.split("\n").toSorted()).toEqual(
          [`MAINPID=${started.pid}`, "READY=1", "STATUS=all is well", "X=1"].toSorted()
        )
        child.cancel()
        await child.ended()
      }
      await expectNothingLeft(family)
    }
  )
})
