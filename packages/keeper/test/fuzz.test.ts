/**
 * A living keeper, under the sanitizers, against an owner that sends anything: garbage, sound frames in any order, numbers used again,
 * frames cut off, bent, in pieces and in one. It refuses or ends the connection; it never crashes, hangs, or leaves something behind.
 *
 * Every round is made from a number, which a failure names.
 */
import { afterAll, describe, expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import { childrenOf, closeAll, descriptorsOf, expectNothingLeft, start, until } from "./suite.ts"
import * as Tools from "./tools.ts"

/** Numbers below a bound, the same for the same seed: mulberry32. */
const randomOf = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Random = ReturnType<typeof randomOf>

const oneOf = <A>(any: Random, values: ReadonlyArray<A>): A => {
  const value = values[any(values.length)]
  if (value === undefined) throw new Error("nothing to choose from")
  return value
}

const edges = [0, 1, 2, 3, 9, 15, 64, 65, 249, 250, 251, 1023, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

/** Few, so that they are used again while they are in use. */
const anyId = (any: Random): number => (any(30) === 0 ? oneOf(any, edges) : 10 + any(40))

const anyFd = (any: Random, target: number): F.Fd => {
  const kind = any(3) === 0 ? any(6) : oneOf(any, [F.Kind.null, F.Kind.pipeIn, F.Kind.pipeOut])
  return {
    target: any(80) === 0 ? oneOf(any, edges) : target,
    kind: any(80) === 0 ? oneOf(any, edges) : kind,
    value: any(60) === 0 ? oneOf(any, edges) : kind === F.Kind.object ? anyId(any) : any(3),
    extra: any(60) === 0 ? oneOf(any, edges) : kind === F.Kind.object ? any(2) : 0,
    ...(kind === F.Kind.file
      ? { path: oneOf(any, ["/dev/null", "/dev/null", "/dev/null", "/no/such", "no-such-directory/relative", ""]) }
      : {})
  }
}

/** What a process does that may be started: little, and it ends by itself. */
const deeds: ReadonlyArray<ReadonlyArray<string>> = [
  [],
  ["exit", "3"],
  ["read"],
  ["raise", "9"],
  ["notify", "READY=1", "flood", "30", "100", "pass", "3", "STATUS=x"],
  ["fork", "{", "barrier", "}", "barrier"],
  ["fork", "{", "setsid", "burn", "20", "}"],
  ["ignore", "fork", "{", "burn", "30", "}", "wait"],
  ["repeat", "4", "{", "fork", "{", "exit", "0", "}", "}"]
]

const anyPolicy = (any: Random): F.Policy => ({
  signal: any(60) === 0 ? any(256) : oneOf(any, [0, 1, 9, 15, 18]),
  reach: any(60) === 0 ? any(256) : any(3),
  // Endless is allowed, but not for a test: the processes end by themselves soon enough.
  grace: oneOf(any, [0, 1, 20, F.NO_DEADLINE]),
  linger: oneOf(any, [0, 1, 20])
})

const anySpawn = (any: Random): Buffer => {
  const words = [Tools.probe(), ...oneOf(any, deeds)]
  const argv = any(15) === 0 ? ["no-such-program"] : any(20) === 0 ? [...words, "x".repeat(70_000)] : words
  return F.spawn({
    argv,
    cwd: oneOf(any, ["", "", "", "", "/", "/no/such"]),
    flags: any(60) === 0 ? oneOf(any, edges) : any(16),
    level: any(60) === 0 ? any(256) : any(2),
    session: any(60) === 0 ? any(256) : any(3),
    umask: any(60) === 0 ? oneOf(any, edges) : -1,
    env: oneOf<ReadonlyArray<string>>(any, [[], ["A=1", "B"], ["=x", "PATH"], ["A"]]),
    stop: anyPolicy(any),
    fds: Array.from({ length: any(8) }, (_, index) => anyFd(any, any(25) === 0 ? any(40) : index))
  })
}

const anyFrame = (any: Random): Buffer => {
  const id = anyId(any)
  switch (any(16)) {
    case 0:
      return F.frame(F.Request.hello, id, F.hello())
    case 1:
      return F.frame(F.Request.cancel, id)
    case 2:
      return F.frame(F.Request.signal, id, Buffer.concat([F.u32(anyId(any)), Buffer.from([any(66), any(4), 0, 0])]))
    case 3:
      return F.frame(F.Request.stop, id, F.policy(anyPolicy(any)))
    case 4:
      return F.frame(F.Request.close, id, F.u32(...Array.from({ length: any(20) }, () => any(60))))
    case 5:
      return F.frame(F.Request.pipe, id, F.u32(oneOf(any, edges)))
    case 6:
      return F.frame(F.Request.drop, id)
    case 7:
      return F.frame(F.Request.retain, id)
    case 8:
      return F.frame(F.Request.environment, id, Buffer.concat([F.u32(any(3)), F.strings("A=1", "PATH=/bin:/usr/bin")]))
    case 9:
      return F.frame(F.Request.listen, id)
    case 10:
      return F.frame(any(70), id, Buffer.from(Array.from({ length: any(60) }, () => any(256))), any(10) === 0 ? 1 : 0)
    default:
      return F.frame(F.Request.spawn, id, anySpawn(any))
  }
}

/** Bent somewhere behind the header, so that the stream can still be followed. */
const bend = (any: Random, frame: Buffer): Buffer => {
  const bent = Buffer.from(frame)
  for (let change = any(4); change > 0 && bent.length > 12; change--) {
    const at = 12 + any(bent.length - 12)
    if (any(2) === 0 && at + 4 <= bent.length) bent.writeUInt32LE(oneOf(any, edges), at)
    else bent[at] = any(256)
  }
  return bent
}

/** Piece by piece, down to single bytes, or as one. */
const send = async (any: Random, family: Family, bytes: Buffer): Promise<void> => {
  if (any(3) === 0) {
    family.write(bytes)
    return
  }
  for (let at = 0; at < bytes.length; ) {
    const size = any(4) === 0 ? 1 + any(3) : 1 + any(5000)
    family.write(bytes.subarray(at, at + size))
    at += size
    if (any(8) === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

const anyStream = (any: Random): Buffer =>
  Buffer.concat(
    Array.from({ length: 1 + any(40) }, () => {
      const frame = anyFrame(any)
      return any(5) === 0 ? bend(any, frame) : frame
    })
  )

const keeper = Tools.sanitizedKeeper()
const options = {
  firstId: 1_000_000,
  keeper: typeof keeper === "string" ? keeper : "",
  hello: { ownerDeathGrace: 30, spawnDeadline: 1000 }
}
const users = [0, Tools.ordinaryUser].filter((uid) => uid !== 0 || Tools.isRoot)

afterAll(closeAll)

const missing = keeper instanceof Tools.Missing
describe.skipIf(missing)(`a living keeper${Tools.because(keeper)}`, () => {
  const first = Tools.campaign ? Date.now() % 1_000_000_000 : 1
  const seconds = Tools.fuzzSeconds(1.5)
  const limit = (seconds + 180) * 1000

  it.each(users)("answers any frames with an end in order, as user %i", { timeout: limit }, async (uid) => {
    const end = performance.now() + seconds * 1000
    for (let rounds = 0; rounds < 3 || performance.now() < end; rounds++) {
      const seed = first + rounds
      const any = randomOf(seed)
      const family = await start({ ...options, uid })
      const idle = descriptorsOf(family.keeper).length
      for (let burst = 0; burst < 6; burst++) await send(any, family, anyStream(any))
      // It answers still, and everything that it lent can be given back: then its table is no larger than the objects that are left.
      await family.settled().catch((error: unknown) => Promise.reject(new Error(`seed ${seed}`, { cause: error })))
      for (let id = 0; id < 60; id++) {
        family.send(F.Request.cancel, id)
        family.send(F.Request.drop, id)
      }
      for (const edge of edges) family.send(F.Request.cancel, edge)
      for (const edge of edges) family.send(F.Request.drop, edge)
      await family.settled()
      // A spawn that was cancelled before its reaper forked ends when that has happened, which nothing tells for ids that were reused.
      // A listener with its spare descriptor may be there now.
      const limit = performance.now() + 60_000
      let many = Number.POSITIVE_INFINITY
      while (many > 2 && performance.now() < limit) {
        await until(() => childrenOf(family.keeper).every((pid) => childrenOf(pid).length === 0))
        family.send(F.Request.close, 0, F.u32(...Array.from({ length: 2000 }, (_, index) => index)))
        await family.settled()
        many = descriptorsOf(family.keeper).length - idle
      }
      expect({ seed, many: many > 2 }).toEqual({ seed, many: false })
      await expectNothingLeft(family)
    }
  })

  it.each(users)("survives garbage, and ends what it cannot follow, as user %i", { timeout: limit }, async (uid) => {
    const end = performance.now() + (seconds * 1000) / 2
    for (let rounds = 0; rounds < 3 || performance.now() < end; rounds++) {
      const any = randomOf(first + rounds)
      const family = await start({ ...options, uid, silent: any(2) === 0 })
      await send(any, family, anyStream(any))
      const garbage = Buffer.from(Array.from({ length: 1 + any(3000) }, () => any(any(2) === 0 ? 256 : 3)))
      await send(any, family, garbage)
      // In the middle of a frame, as often as not.
      await expectNothingLeft(family)
    }
  })
})
