/** Pseudo-terminals: their relays, who controls what, and that nothing is left of either. */
import { closeSync, constants as flags, openSync, readFileSync, writeSync } from "node:fs"
import { Socket } from "node:net"
import { constants } from "node:os"
import { expect, it } from "vitest"
import { type Family, Lines } from "./driver.ts"
import * as F from "./frames.ts"
import { childrenOf, descriptorsOf, expectNothingAlive, expectNothingLeft, native, onTargets, until } from "./suite.ts"

const { EBADF, EPERM } = constants.errno
const { SIGHUP, SIGINT, SIGKILL, SIGSTOP } = constants.signals

interface Pty {
  readonly id: number
  readonly output: Lines
  readonly type: (text: string) => void
  readonly relay: number
}

const nameOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim()
  } catch {
    // It has ended meanwhile.
    return ""
  }
}

const relaysOf = (family: Family): ReadonlyArray<number> =>
  childrenOf(family.keeper).filter((pid) => nameOf(pid) === "nursery-relay")

const make = async (family: Family, given = F.pty()): Promise<Pty> => {
  const before = new Set(family.emulated ? [] : relaysOf(family))
  const id = family.nextId()
  family.send(F.Request.object, id, given)
  const { ends, errno } = await family.only(id, "object", ["refused"])
  expect(errno).toBe(0)
  const path = (end: number): string => `/proc/${family.keeper}/fd/${end}`
  const source = openSync(path(ends[0]), flags.O_RDONLY | flags.O_NONBLOCK)
  const input = openSync(path(ends[1]), flags.O_WRONLY | flags.O_NONBLOCK)
  family.send(F.Request.close, family.nextId(), F.u32(...ends))
  const output = new Lines(new Socket({ fd: source, readable: true, writable: false }))
  void output.ended.then(() => closeSync(input))
  const added = () => relaysOf(family).find((pid) => !before.has(pid))
  // It takes its name after the answer. And 0 would be the group of the tests themselves for kill(2).
  if (!family.emulated) await until(() => added() !== undefined)
  const relay = added() ?? Number.NaN
  return { id, output, relay, type: (text) => writeSync(input, text) }
}

const all = ({ id }: Pty, extra = 0): ReadonlyArray<F.Fd> =>
  [0, 1, 2].map((target) => ({ target, kind: F.Kind.object, value: id, extra }))

const controlling = [F.setup(F.Setup.terminal, F.u32(0))]

const shell = (family: Family, script: string, spawn: Partial<F.Spawn>) =>
  family.spawn({ argv: ["/bin/sh", "-c", script], setup: controlling, ...spawn })

const drop = (family: Family, { id }: Pty): void => family.send(F.Request.drop, id)

onTargets(
  "a pty",
  () => true,
  (target) => {
    it("shows what its process writes and ends with it, when that has the only copy", async () => {
      const family = await target.start()
      const pty = await make(family, F.pty(132, 50))
      const child = shell(family, "stty size; seq 1 3000", { fds: all(pty, F.End.given) })
      await child.exited()
      await pty.output.ended
      expect(pty.output.all).toEqual(["50 132\r", ...Array.from({ length: 3000 }, (_, index) => `${index + 1}\r`)])
      expect(await family.answer(pty.id, ["hangup"])).toMatchObject({ relay: 0 })
      drop(family, pty)
      await expectNothingLeft(family)
    })

    it("carries what is typed, and its control characters to the foreground", async () => {
      const family = await target.start()
      const pty = await make(family)
      const child = shell(family, 'read line; echo "<$line>"; exec cat', { fds: all(pty) })
      pty.type("word\r")
      await pty.output.find("<word>")
      pty.type("\x03")
      expect((await child.exited()).status & 0x7f).toBe(SIGINT)
      drop(family, pty)
      await pty.output.ended
      await expectNothingLeft(family)
    })

    it("changes its size", async () => {
      const family = await target.start()
      const pty = await make(family)
      const resize = async (id: number) => {
        const request = family.nextId()
        family.send(F.Request.resize, request, F.resize(id, 100, 30))
        return (await family.only(request, "object", ["refused"])).errno
      }
      expect(await resize(pty.id)).toBe(0)
      shell(family, "stty size", { fds: all(pty) })
      await pty.output.find("30 100")
      expect(await resize(pty.id + 1)).toBe(EBADF)
      drop(family, pty)
      expect(await resize(pty.id)).toBe(EBADF)
      await expectNothingLeft(family)
    })
  },
  { concurrent: true }
)

onTargets("a pty, its relay and its processes", native, (target) => {
  it("no session gets a terminal that controls another one", async () => {
    const family = await target.start()
    const pty = await make(family)
    const first = shell(family, "echo ready; exec sleep 1000", { fds: all(pty) })
    await pty.output.find("ready")
    expect(await shell(family, "true", { fds: all(pty) }).failed()).toMatchObject({
      step: F.Step.terminal,
      errno: EPERM,
      target: 0
    })
    first.cancel()
    await first.ended()
    expect(await shell(family, "exec </dev/tty", { fds: all(pty) }).exited()).toMatchObject({ status: 0 })
    drop(family, pty)
    await expectNothingLeft(family)
  })

  it("no process gets its other side", async () => {
    const family = await target.start()
    const pty = await make(family)
    expect(await shell(family, "true", { fds: all(pty, 1) }).failed()).toMatchObject({
      step: F.Step.descriptor,
      errno: EBADF
    })
    drop(family, pty)
    await expectNothingLeft(family)
  })

  it("hangs up when it is dropped, and when its relay is killed, which is told", async () => {
    const family = await target.start()
    for (const how of ["dropped", "killed"]) {
      const pty = await make(family)
      const child = shell(family, "echo ready; exec sleep 1000", { fds: all(pty) })
      await pty.output.find("ready")
      if (how === "dropped") drop(family, pty)
      else process.kill(pty.relay, SIGKILL)
      expect((await child.exited()).status & 0x7f).toBe(SIGHUP)
      await pty.output.ended
      if (how === "killed") {
        expect(await family.answer(pty.id, ["hangup"])).toMatchObject({ relay: pty.relay })
        const late = await shell(family, "true", { fds: all(pty) }).failed()
        expect(late).toMatchObject({ step: F.Step.descriptor, errno: EBADF })
        drop(family, pty)
      }
    }
    await expectNothingLeft(family)
  })

  it("lets nobody wait for a relay that was stopped", async () => {
    const family = await target.start()
    const pty = await make(family)
    process.kill(pty.relay, SIGSTOP)
    shell(family, "echo through", { fds: all(pty) })
    await pty.output.find("through")
    drop(family, pty)
    await expectNothingLeft(family)
  })

  it("leaves nothing in the keeper: dropped at once, with processes, and after its relay has ended", async () => {
    const family = await target.start()
    await shell(family, "true", { setup: [] }).exited()
    await family.settled()
    const before = descriptorsOf(family.keeper)
    for (let round = 0; round < 6; round++) {
      const pty = await make(family)
      if (round % 3 !== 0) await shell(family, "true", { fds: all(pty, round % 3 === 1 ? F.End.given : 0) }).exited()
      if (round % 3 === 1) await family.answer(pty.id, ["hangup"])
      drop(family, pty)
    }
    await until(() => relaysOf(family).length === 0)
    await family.settled()
    expect(descriptorsOf(family.keeper)).toEqual(before)
    await expectNothingLeft(family)
  })

  it("is gone with its keeper, and with its owner", async () => {
    for (const victim of ["keeper", "owner"] as const) {
      const family = await target.start()
      const pty = await make(family)
      shell(family, "trap '' HUP; echo ready; while :; do sleep 1000; done", { fds: all(pty) })
      await pty.output.find("ready")
      family.kill(SIGKILL, victim === "keeper" ? family.keeper : 0)
      await expectNothingAlive(family)
    }
  })
})
