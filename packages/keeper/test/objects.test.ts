/** What the keeper holds for its owner: made, given to children, given away, and gone when nobody wants it any more. */
import { execFileSync } from "node:child_process"
import { existsSync, lstatSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { constants } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import { descriptorsOf, expectNothingAlive, expectNothingLeft, native, onTargets, until } from "./suite.ts"
import * as Tools from "./tools.ts"

const { EACCES, EADDRINUSE, EBADF, EEXIST, ENOENT, ENOTSOCK } = constants.errno
const none = 0xffffffff

/** The answer to a request for an object, and its number. */
const make = async (family: Family, payload: Buffer) => {
  const id = family.nextId()
  family.send(F.Request.object, id, payload)
  return family.only(id, "object", ["refused"])
}

const use = (object: { readonly id: number }, target: number, extra = 0): F.Fd => ({
  target,
  kind: F.Kind.object,
  value: object.id,
  extra
})

const output: F.Fd = { target: 1, kind: F.Kind.pipeOut }
const noInput: F.Fd = { target: 0, kind: F.Kind.null }

const socketpair = (family: Family, type: number = F.Type.stream) =>
  make(family, F.object(F.ObjectKind.socketpair, F.u32(type)))

const listen = (family: Family, given: F.Listening) => make(family, F.listening(given))

/** Whether somebody accepts there. */
const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false))
    socket.on("close", () => {}).unref()
  })

/** The folder of a test, in which every user may make files. */
const folder = (): string => {
  const made = Tools.temporaryFolder()
  execFileSync("chmod", ["1777", made])
  return made
}

/** A socket file that nobody is bound to: who bound it has ended without a word. */
const staleSocket = (path: string): void => {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`
  expect(() => execFileSync(process.execPath, ["-e", script], { stdio: "ignore" })).toThrow()
  expect(existsSync(path)).toBe(true)
}

onTargets("pairs of sockets", native, (target) => {
  it.each([
    ["stream", F.Type.stream],
    ["seqpacket", F.Type.seqpacket]
  ])("%s: given away, the death of either process is the end of file for the other", async (_name, type) => {
    const family = await target.start()
    for (const [dies, sees] of [
      [0, 1],
      [1, 0]
    ] as const) {
      const pair = await socketpair(family, type)
      const one = family.probe(["pause"], { fds: [noInput, use(pair, 3, dies | F.End.given)] })
      const other = family.probe(["read"], { fds: [use(pair, 0, sees | F.End.given)] })
      await Promise.all([one.started(), other.started()])
      one.cancel()
      expect(await other.exited()).toMatchObject({ status: 0 })
      await one.ended()
    }
    await expectNothingLeft(family)
  })

  it("held, they survive their users: who comes next goes on where the last one left", async () => {
    const family = await target.start()
    const pair = await socketpair(family)
    const reader = family.spawn({ argv: ["cat"], fds: [use(pair, 0, 1), output] })
    const lines = family.lines(await reader.started())
    for (const word of ["first", "second", "third"]) {
      await family.probe(["echo", word], { fds: [noInput, use(pair, 1, 0)] }).ended()
      await lines.find(word)
    }
    family.send(F.Request.drop, pair.id, F.u32(0))
    await lines.ended
    expect(await reader.exited()).toMatchObject({ status: 0 })
    family.send(F.Request.drop, pair.id)
    await expectNothingLeft(family)
  })

  it("are given away by a spawn that starts, not by one that fails; nothing is left of them then", async () => {
    const family = await target.start()
    await family.settled()
    const before = descriptorsOf(family.keeper)
    const pair = await socketpair(family)
    const fds = [noInput, use(pair, 5, 1 | F.End.given), use(pair, 4, 0 | F.End.given)]
    expect(await family.spawn({ argv: ["/no/such/program"], fds }).failed()).toMatchObject({ errno: ENOENT })
    expect(await family.output(["fds"], { fds })).toMatch(/^4 socket.*\n5 socket/m)
    expect(await family.probe([], { fds }).failed()).toMatchObject({ step: F.Step.descriptor, errno: EBADF, target: 5 })
    await family.settled()
    expect(descriptorsOf(family.keeper)).toEqual(before)
    await expectNothingLeft(family)
  })
})

onTargets(
  "memory",
  () => true,
  (target) => {
    it("is read from its beginning by each that gets it, and sealed cannot be changed", async () => {
      const family = await target.start()
      const memory = await make(family, F.object(F.ObjectKind.memory, F.u32(1, 6, 0), Buffer.from("bytes\n")))
      for (let round = 0; round < 3; round++) {
        const child = family.spawn({ argv: ["cat"], fds: [use(memory, 0), output] })
        expect(await family.read(await child.started())).toBe("bytes\n")
      }
      const writer = family.spawn({ argv: ["sh", "-c", "echo x >&3"], fds: [noInput, use(memory, 3, 1)] })
      expect(await writer.exited()).not.toMatchObject({ status: 0 })
      await expectNothingLeft(family)
    })

    it("is written by one and read by the next until it is sealed", async () => {
      const family = await target.start()
      const memory = await make(family, F.object(F.ObjectKind.memory, F.u32(0, 0, 0)))
      const write = (text: string) =>
        family.spawn({ argv: ["sh", "-c", `echo ${text} >&3`], fds: [noInput, use(memory, 3, 1)] }).exited()
      expect(await write("one")).toMatchObject({ status: 0 })
      family.send(F.Request.seal, memory.id)
      expect(await family.answer(memory.id, ["object"], 1)).toMatchObject({ errno: 0 })
      expect(await write("two")).not.toMatchObject({ status: 0 })
      const child = family.spawn({ argv: ["cat"], fds: [use(memory, 0), output] })
      expect(await family.read(await child.started())).toBe("one\n")
      const nobody = family.nextId()
      family.send(F.Request.seal, nobody)
      expect(await family.answer(nobody, ["object"])).toMatchObject({ errno: EBADF })
      await expectNothingLeft(family)
    })
  }
)

onTargets(
  "files",
  () => true,
  (target) => {
    it("share one position among all that get them, and say why they cannot be opened", async () => {
      const family = await target.start()
      const path = join(folder(), "log")
      const flags = F.Open.write | F.Open.create
      const file = await make(family, F.object(F.ObjectKind.file, F.u32(flags, 0o640), F.strings(path)))
      expect(file).toMatchObject({ errno: 0 })
      for (const word of ["one", "two"]) await family.probe(["echo", word], { fds: [noInput, use(file, 1)] }).ended()
      expect(readFileSync(path, "utf8")).toBe("one\ntwo\n")
      expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask())
      const again = flags | F.Open.exclusive
      expect(await make(family, F.object(F.ObjectKind.file, F.u32(again, 0), F.strings(path)))).toMatchObject({
        errno: EEXIST,
        step: F.At.open
      })
      await expectNothingLeft(family)
    })

    it("may be FIFOs that nobody has opened: the keeper does not wait", async () => {
      const family = await target.start()
      const path = join(folder(), "fifo")
      execFileSync("mkfifo", ["-m", "666", path])
      const fifo = await make(family, F.object(F.ObjectKind.file, F.u32(F.Open.read, 0), F.strings(path)))
      // Before there is a child: one that finds no writer is at the end of the file.
      writeFileSync(path, "through\n")
      const child = family.spawn({ argv: ["cat"], fds: [use(fifo, 0), output] })
      expect(await family.read(await child.started())).toBe("through\n")
      await expectNothingLeft(family)
    })
  }
)

onTargets("listening sockets", native, (target) => {
  it("of a path have its mode, and the path goes with them", async () => {
    const family = await target.start()
    const name = join(folder(), "socket")
    const socket = await listen(family, { family: F.Address.path, name, mode: 0o600 })
    expect(socket).toMatchObject({ errno: 0 })
    expect(statSync(name).mode & 0o777).toBe(0o600)
    expect(await answers(name)).toBe(true)
    // In use, which is not the same as left over, whatever is asked for.
    for (const flags of [0, F.Listen.replaceStale]) {
      expect(await listen(family, { family: F.Address.path, name, flags })).toMatchObject({
        errno: EADDRINUSE,
        step: F.At.bind
      })
    }
    family.send(F.Request.drop, socket.id)
    await family.settled()
    expect(existsSync(name)).toBe(false)
    await expectNothingLeft(family)
  })

  it("do not replace what is no socket, or a socket that somebody has left unless asked to", async () => {
    const family = await target.start()
    const [stale, text] = [join(folder(), "stale"), join(folder(), "text")]
    staleSocket(stale)
    // Its folder is sticky: only its owner may remove it.
    if (Tools.isRoot && !target.root) execFileSync("chown", [`${Tools.ordinaryUser}`, stale])
    writeFileSync(text, "text")
    const at = { family: F.Address.path, flags: 0 }
    expect(await listen(family, { ...at, name: stale })).toMatchObject({ errno: EADDRINUSE, step: F.At.stale })
    expect(await listen(family, { ...at, name: text, flags: F.Listen.replaceStale })).toMatchObject({
      errno: ENOTSOCK,
      step: F.At.bind
    })
    expect(readFileSync(text, "utf8")).toBe("text")
    const replaced = await listen(family, { ...at, name: stale, flags: F.Listen.replaceStale })
    expect(replaced).toMatchObject({ errno: 0 })
    expect(await answers(stale)).toBe(true)
    await expectNothingLeft(family)
    expect(existsSync(stale)).toBe(false)
  })

  it("leave a path alone that is somebody else's by now", async () => {
    const family = await target.start()
    const name = join(folder(), "socket")
    const socket = await listen(family, { family: F.Address.path, name })
    rmSync(name)
    const server = createServer().listen(name)
    await new Promise((resolve) => server.on("listening", resolve))
    family.send(F.Request.drop, socket.id)
    await family.settled()
    expect(await answers(name)).toBe(true)
    server.close()
    await expectNothingLeft(family)
  })

  it.each([
    ["owner", (family: Family) => [family.owner]],
    ["keeper", (family: Family) => [family.keeper]],
    ["guard, then the owner", (family: Family) => [family.guard, family.owner]]
  ])("leave no path when the %s is killed", async (_name, victims) => {
    const family = await target.start()
    const name = join(folder(), "socket")
    const socket = await listen(family, { family: F.Address.path, name })
    const child = family.probe(["pause"], { fds: [use(socket, 3)] })
    await child.started()
    expect(lstatSync(name).isSocket()).toBe(true)
    for (const pid of victims(family)) family.kill(constants.signals.SIGKILL, pid)
    await family.closed
    await expectNothingAlive(family)
    await until(() => !existsSync(name))
  })

  it("tell the port that the kernel has chosen, and refuse it to another", async () => {
    const family = await target.start()
    const socket = await listen(family, { family: F.Address.inet, address: [127, 0, 0, 1] })
    expect(socket.port).toBeGreaterThan(0)
    const again = { family: F.Address.inet, address: [127, 0, 0, 1], port: socket.port }
    expect(await listen(family, again)).toMatchObject({ errno: EADDRINUSE, step: F.At.bind })
    const six = await listen(family, { family: F.Address.inet6, flags: F.Listen.onlyV6 })
    expect(six.errno === 0 ? six.port > 0 : six.step).toBeTruthy()
    const shared = { ...again, port: 0, flags: F.Listen.reusePort }
    const first = await listen(family, shared)
    expect(await listen(family, { ...shared, port: first.port })).toMatchObject({ errno: 0, port: first.port })
    expect(await family.output(["fds"], { fds: [noInput, use(socket, 7), use(first, 8)] })).toMatch(
      /^7 socket.*\n8 socket/m
    )
    await expectNothingLeft(family)
  })

  it("may be datagram and abstract ones, and are gone with the keeper", async () => {
    const family = await target.start()
    const name = `nursery-test-${process.pid}-${target.name}`
    const abstract = { family: F.Address.abstract, name }
    expect(await listen(family, abstract)).toMatchObject({ errno: 0 })
    expect(await listen(family, abstract)).toMatchObject({ errno: EADDRINUSE, step: F.At.bind })
    const datagram = { type: F.Type.datagram, address: [127, 0, 0, 1] }
    expect((await listen(family, { ...datagram, family: F.Address.inet })).port).toBeGreaterThan(0)
    expect(await answers(`\0${name}`)).toBe(true)
    await expectNothingLeft(family)
    expect(await answers(`\0${name}`)).toBe(false)
  })

  it("need a folder that may be written to", async () => {
    const family = await target.start()
    const at = (name: string) => listen(family, { family: F.Address.path, name, uid: none })
    expect(await at("/no/such/folder/socket")).toMatchObject({ errno: ENOENT, step: F.At.bind })
    if (!target.root) expect(await at("/etc/nursery-test")).toMatchObject({ errno: EACCES, step: F.At.bind })
    await expectNothingLeft(family)
  })
})

onTargets(
  "socket activation",
  () => true,
  (target) => {
    it("tells the pid that only the process has, whatever the size of its environment", async () => {
      const family = await target.start()
      for (const level of [F.Level.tree, F.Level.group]) {
        for (const words of [[], Array.from({ length: 100 }, () => "x".repeat(1000))]) {
          const spawn = {
            fds: [noInput, output],
            level,
            flags: F.Flag.listenPid,
            env: ["LISTEN_PID=0000000000", "A=1"]
          }
          const child = family.probe(["env", "exit", "0", ...words], spawn)
          const started = await child.started()
          const lines = (await family.read(started)).split("\n")
          const known = lines.filter((line) => line.startsWith("LISTEN_PID="))
          // Under emulation the process that was started is the emulator, whose pid is that of the program.
          expect(known).toEqual([`LISTEN_PID=${started.pid}`])
        }
      }
      // Without room for it, or without being asked, it stays as it is.
      const short = { flags: F.Flag.listenPid, env: ["LISTEN_PID=000"] }
      expect(await family.output(["env"], short)).toContain("LISTEN_PID=000\n")
      expect(await family.output(["env"], { env: ["LISTEN_PID=0000000000"] })).toContain("LISTEN_PID=0000000000\n")
      await expectNothingLeft(family)
    })
  }
)

onTargets("descriptors that a process hands over", native, (target) => {
  const flags = F.Flag.notify | F.Flag.store

  it("are held after its end, given to the next, and let go", async () => {
    const family = await target.start()
    await family.settled()
    const before = descriptorsOf(family.keeper).length
    const child = family.probe(["pass", "2", "FDSTORE=1\nFDNAME=name"], { flags })
    await child.started()
    const told = await child.notified()
    expect(told).toMatchObject({ sender: "member", text: "FDSTORE=1\nFDNAME=name" })
    expect(told.stored.length).toBe(2)
    const [first = 0, second = 0] = told.stored
    const seen = await family.output(["fds"], { fds: [noInput, use({ id: first }, 3), use({ id: second }, 4)] })
    expect(seen).toMatch(/^3 pipe.*\n4 pipe/m)
    // It waits until the last of them is closed.
    for (const id of told.stored) family.send(F.Request.drop, id)
    expect(await child.exited()).toMatchObject({ status: 0 })
    await child.ended()
    await family.settled()
    expect(descriptorsOf(family.keeper).length).toBe(before)
    await expectNothingLeft(family)
  })

  it.each([
    ["it was not asked for", F.Flag.notify, "FDSTORE=1"],
    ["the message does not say so", flags, "FDSTORE=10\nX=FDSTORE=1"]
  ])("are closed where %s", async (_why, given, text) => {
    const family = await target.start()
    const child = family.probe(["pass", "3", text], { flags: given })
    await child.started()
    expect(await child.notified()).toMatchObject({ stored: [], text })
    expect(await child.exited()).toMatchObject({ status: 0 })
    await expectNothingLeft(family)
  })

  it("are so many of one process at most", async () => {
    const family = await target.start()
    const most = 1024
    const each = 200
    const words = Array.from({ length: 6 }, () => ["fork", "{", "pass", `${each}`, "FDSTORE=1", "}"]).flat()
    const child = family.probe([...words, "wait"], { flags })
    await child.started()
    const stored: Array<number> = []
    for (let message = 0; message < 6; message++) stored.push(...(await child.notified()).stored)
    expect(new Set(stored).size).toBe(most)
    for (const id of stored) family.send(F.Request.drop, id)
    expect(await child.exited()).toMatchObject({ status: 0 })
    await expectNothingLeft(family)
  })
})
