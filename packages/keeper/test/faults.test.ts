/** System calls of the keeper that fail, one after another: what can be told is told, and nothing leaks. */
import { chmodSync, closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs"
import { connect } from "node:net"
import { constants } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import {
  childrenOf,
  closeAll,
  descriptorsOf,
  expectNothingAlive,
  signalAll,
  start,
  until,
  whileStopped
} from "./suite.ts"
import * as Tools from "./tools.ts"

const { EAGAIN, EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC } = constants.errno

const ETOOMANYREFS = 109

/** `enum fault` of `native/faults.h`, with what each call can fail with. */
const calls: ReadonlyArray<readonly [name: string, number: number, errors: ReadonlyArray<number>]> = [
  ["pipe2", 1, [EMFILE, ENFILE]],
  ["fcntl", 2, [EMFILE]],
  ["open", 3, [ENFILE]],
  ["memfd_create", 4, [ENFILE, ENOMEM]],
  ["sendmsg", 5, [ENOBUFS, ETOOMANYREFS, EAGAIN]],
  ["recvmsg", 6, [ENOMEM]],
  ["fork", 7, [EAGAIN, ENOMEM]],
  ["vfork", 8, [EAGAIN]],
  ["mmap", 9, [ENOMEM]],
  ["mremap", 10, [ENOMEM]],
  ["malloc", 11, [ENOMEM]],
  ["dup2", 12, [EMFILE]],
  ["write", 13, [ENOSPC]],
  ["sigqueue", 14, [EAGAIN]],
  ["socket", 16, [EMFILE]]
]

/** The first write is that of a long list of arguments; those of the reapers into their pipe do not fail as long as it is there. */
const limitOf = (name: string): number => (name === "write" ? 1 : 40)

/** What is to fail next. */
class Faults {
  readonly path: string
  readonly #file: number

  constructor() {
    this.path = join(Tools.temporaryFolder(), "faults")
    writeFileSync(this.path, Buffer.alloc(4096))
    chmodSync(this.path, 0o666)
    this.#file = openSync(this.path, "r+")
  }

  /** The `nth` call from now on. */
  arm(call: number, nth: number, error: number): void {
    const bytes = Buffer.alloc(16)
    for (const [index, value] of [call, nth, error, 0].entries()) bytes.writeInt32LE(value, index * 4)
    writeSync(this.#file, bytes, 0, 16, 0)
  }

  /** Nothing fails any more; whether something has. */
  disarm(): boolean {
    const bytes = Buffer.alloc(16)
    readSync(this.#file, bytes, 0, 16, 0)
    this.arm(0, 0, 0)
    return bytes.readInt32LE(12) > 0
  }

  close(): void {
    closeSync(this.#file)
  }
}

const fds = (object: number): ReadonlyArray<F.Fd> => [
  { target: 0, kind: F.Kind.pipeIn },
  { target: 1, kind: F.Kind.pipeOut },
  { target: 2, kind: F.Kind.inherit, value: 2 },
  { target: 3, kind: F.Kind.object, value: object, extra: 1 },
  { target: 4, kind: F.Kind.pipeOut },
  { target: 5, kind: F.Kind.pipeOut },
  { target: 6, kind: F.Kind.file, value: F.File.read, path: "/dev/null" }
]

/** Everything that a spawn can need, once; what came of it. */
const exercise = async (family: Family, level: number): Promise<F.Answer> => {
  const object = family.nextId()
  family.send(F.Request.pipe, object, F.u32(4096))
  const long = "x".repeat(70_000)
  const words = ["fork", "{", "setsid", "pause", "}", "notify", "READY=1", "read", "exit", "0", long]
  const child = family.probe(words, { level, fds: fds(object), flags: F.Flag.notify })
  const answer = await family.answer(child.id, ["started", "failed", "lost"])
  family.send(F.Request.drop, object)
  if (answer.type === "started") {
    for (const { descriptor } of answer.lent) family.send(F.Request.close, family.nextId(), F.u32(descriptor))
    child.stop({ grace: 5, linger: 5 })
  }
  await child.ended()
  return answer
}

/** So that the next spawn has to fork one. */
const withoutReapers = async (family: Family): Promise<void> => {
  signalAll(9, childrenOf(family.keeper))
  await until(() => childrenOf(family.keeper).length === 0)
}

const missing = Tools.faultyKeeper()
const keeper = missing instanceof Tools.Missing ? undefined : missing

/** The keeper has given up an owner that it could not serve any more, which ends everything, and is in order. */
const outlived = async (family: Family): Promise<boolean> => {
  try {
    await family.settled()
    return true
  } catch {
    return false
  }
}

afterAll(closeAll)

describe.skipIf(keeper === undefined)(`a call that fails${Tools.because(missing)}`, () => {
  it.each(calls)("%s: the spawn fails with its errno or succeeds, and nothing leaks", async (name, number, errors) => {
    const faults = new Faults()
    const begin = async (): Promise<Family> => {
      const family = await start({
        keeper: keeper ?? "",
        hello: { spawnDeadline: 15_000, ownerDeathGrace: 50, reapers: 0 },
        env: { NURSERY_FAULTS: faults.path }
      })
      // What is made once and kept.
      for (const level of [F.Level.tree, F.Level.group]) await exercise(family, level)
      await family.settled()
      return family
    }
    const finish = async (family: Family): Promise<void> => {
      family.end()
      await expectNothingAlive(family)
    }
    let hits = 0
    for (const level of [F.Level.tree, F.Level.group]) {
      for (const error of errors) {
        let family = await begin()
        let before = descriptorsOf(family.keeper)
        for (let nth = 1, hit = true; hit && nth <= limitOf(name); nth++) {
          if (name === "fork") await withoutReapers(family)
          faults.arm(number, nth, error)
          const answer = await exercise(family, level).catch(() => undefined)
          hit = faults.disarm()
          if (hit) hits++
          const what = {
            name,
            error,
            level,
            nth,
            answer: answer?.type,
            errno: answer?.type === "failed" && answer.errno
          }
          if (answer?.type === "failed") expect(what).toEqual({ ...what, errno: error })
          if (!(await outlived(family))) {
            await finish(family)
            family = await begin()
            before = descriptorsOf(family.keeper)
            continue
          }
          // Its own answer to the next one, and its table of descriptors, are as if nothing had been.
          expect({ ...what, next: (await exercise(family, level)).type }).toEqual({ ...what, next: "started" })
          await family.settled()
          await until(() => JSON.stringify(descriptorsOf(family.keeper)) === JSON.stringify(before))
        }
        await finish(family)
      }
    }
    faults.close()
    expect(hits).toBeGreaterThan(0)
  })

  it.each([F.Level.tree, F.Level.group])(
    "fork: a job whose reaper was killed is failed when there is no other, level %i",
    async (level) => {
      const faults = new Faults()
      const family = await start({ keeper: keeper ?? "", hello: { reapers: 0 }, env: { NURSERY_FAULTS: faults.path } })
      await family.probe([], { level }).exited()
      await family.settled()
      // The keeper finds the request before it hears of the death, and sends the job to nobody.
      const reapers = childrenOf(family.keeper)
      const child = await whileStopped(family, async () => {
        const child = family.probe(["exit", "1"], { level })
        await until(() => family.unsent === 0)
        await family.order("umask 022")
        faults.arm(7, 1, EAGAIN)
        signalAll(9, reapers)
        return child
      })
      // Lost, if the reaper took it in its very last moment.
      const answer = await family.answer(child.id, ["failed", "lost"])
      if (answer.type === "failed") expect(answer).toMatchObject({ step: F.Step.helper, errno: EAGAIN })
      await child.ended()
      expect(faults.disarm()).toBe(true)
      expect(await family.probe(["exit", "1"], { level }).exited()).toMatchObject({ status: 1 << 8 })
      faults.close()
      family.end()
      await expectNothingAlive(family)
    }
  )

  it.each([
    ["socket", 16, EMFILE],
    ["epoll_ctl", 15, ENOMEM]
  ])("%s: LISTEN is refused, and works the next time", async (_, number, error) => {
    const faults = new Faults()
    const family = await start({ keeper: keeper ?? "", env: { NURSERY_FAULTS: faults.path } })
    await family.settled()
    faults.arm(number, 1, error)
    family.send(F.Request.listen, 50)
    expect(await family.answer(50, ["listening", "refused"])).toMatchObject({ type: "refused", errno: error })
    expect(faults.disarm()).toBe(true)
    family.send(F.Request.listen, 51)
    await family.answer(51, ["listening"])
    faults.close()
    family.end()
    await expectNothingAlive(family)
  })

  it("accept4: out of descriptors, a guest is turned away instead of waking the keeper for ever", async () => {
    const faults = new Faults()
    const family = await start({ keeper: keeper ?? "", env: { NURSERY_FAULTS: faults.path } })
    family.send(F.Request.listen, 50)
    const answer = await family.answer(50, ["listening"])
    if (answer.type !== "listening") return expect.unreachable()
    await family.settled()
    const before = descriptorsOf(family.keeper)
    faults.arm(17, 1, EMFILE)
    await new Promise<void>((resolve) => {
      const guest = connect({ path: `\0${answer.name}` })
      guest.on("error", () => {})
      guest.on("close", () => resolve())
      guest.resume()
    })
    expect(faults.disarm()).toBe(true)
    await family.settled()
    expect(descriptorsOf(family.keeper)).toEqual(before)
    faults.close()
    family.end()
    await expectNothingAlive(family)
  })
})
