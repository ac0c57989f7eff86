/**
 * A living keeper, under the sanitizers, against an owner that sends anything: garbage, sound frames in any order, numbers used again,
 * frames cut off, bent, in pieces and in one. It refuses or ends the connection; it never crashes, hangs, or leaves something behind.
 *
 * Every round is made from a number, which a failure names.
 */
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import type { Family } from "./driver.ts"
import * as F from "./frames.ts"
import * as Items from "./namespaceItems.ts"
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

const folder = Tools.temporaryFolder()
chmodSync(folder, 0o1777)

const anyBytes = (any: Random, most: number): Buffer => Buffer.from(Array.from({ length: any(most) }, () => any(256)))

/** A number that means something more often than not. */
const some = (any: Random, below: number): number => (any(12) === 0 ? oneOf(any, edges) : any(below))

const anyListening = (any: Random): Buffer => {
  const family = some(any, 4)
  const isPath = family === F.Address.path
  return F.listening({
    family,
    type: some(any, 3) & 255,
    // Of the kernel's choice, or one that is in use soon.
    port: any(4) === 0 ? 1 : 0,
    flags: some(any, 8),
    backlog: oneOf(any, edges),
    mode: any(3) === 0 ? some(any, 0o1000) : undefined,
    address: family === F.Address.inet ? [127, 0, 0, 1] : [],
    name: isPath
      ? join(folder, `s${any(4)}`)
      : family === F.Address.abstract
        ? `nursery-fuzz-${process.pid}-${any(4)}`
        : ""
  })
}

const anyObject = (any: Random): Buffer => {
  switch (any(7)) {
    case 0:
      return F.object(F.ObjectKind.pipe, F.u32(some(any, 70_000)))
    case 1:
      return F.object(F.ObjectKind.socketpair, F.u32(some(any, 4)))
    case 2:
      return F.object(
        F.ObjectKind.file,
        F.u32(some(any, 64), some(any, 0o1000)),
        F.strings(oneOf(any, ["/dev/null", join(folder, `f${any(3)}`), "/no/such", "relative", ""]))
      )
    case 3: {
      const bytes = anyBytes(any, 300)
      const size = any(8) === 0 ? oneOf(any, edges) : bytes.length + any(9000)
      return F.object(F.ObjectKind.memory, F.u32(some(any, 2)), F.u64(BigInt(size)), bytes)
    }
    case 4:
    case 5:
      return anyListening(any)
    default:
      return F.object(some(any, 12), anyBytes(any, 80))
  }
}

const flags = (any: Random): number => any(256)

const resources = 16

/** Bytes that an item of a kind may have, or with a chance of one in ten any. */
const anyItem = (any: Random, kind: number): Buffer => {
  if (any(10) === 0) return F.setup(kind, anyBytes(any, 60), any(20) === 0 ? any(70) : undefined)
  switch (kind) {
    case F.Setup.limit:
      return F.limit(some(any, resources), BigInt(oneOf(any, edges)), any(2) === 0 ? F.keep : F.infinity)
    case F.Setup.nice:
    case F.Setup.oomScore:
    case F.Setup.ioPriority:
      return F.number(kind, some(any, 30) - 10)
    case F.Setup.scheduler:
      // Not the real-time ones, whose processes would keep this machine to themselves.
      return F.setup(kind, F.u32(oneOf(any, [0, 3, 5]), any(3)))
    case F.Setup.affinity:
      return F.setup(kind, F.u64(BigInt(any(16)), ...(any(3) === 0 ? [BigInt(any(2))] : [])))
    case F.Setup.credentials:
      return F.credentials(
        oneOf(any, [F.keepId, 0, 1, 65534]),
        oneOf(any, [F.keepId, 0, 1]),
        any(2) === 0 ? [1, 2] : undefined
      )
    case F.Setup.capabilities:
      return F.capabilities(BigInt(oneOf(any, edges)), any(2) === 0 ? "keep" : "drop", any(2))
    case F.Setup.sandbox:
      return F.sandbox(BigInt(any(1 << 14)), BigInt(any(4)), BigInt(any(4)))
    case F.Setup.sandboxPath:
      return F.sandboxPath(oneOf(any, ["/", "/usr", "/no/such"]), BigInt(any(1 << 14)), any(2))
    case F.Setup.sandboxPort:
      return F.sandboxPort(any(70_000), BigInt(any(4)))
    case F.Setup.filter:
      return F.filter([6, 0, 0, any(3) === 0 ? any(1 << 31) : 0x7fff_0000])
    case F.Setup.namespaces:
      return Items.namespaces(flags(any), any(2) === 0 ? F.keepId : any(9), any(2) === 0 ? F.keepId : any(9))
    case F.Setup.mount:
      return Items.mount(
        some(any, 4),
        oneOf(any, ["", "/usr", "/no/such"]),
        oneOf(any, ["/tmp", "/mnt", "/no/such", ""])
      )
    case F.Setup.enter:
      return Items.enter(anyId(any), flags(any))
    case F.Setup.enterPath:
      return Items.enterPath(
        1 << any(9),
        oneOf(any, ["/proc/self/ns/net", "/proc/self/ns/user", "/dev/null", "/no/such"])
      )
    case F.Setup.veth:
      return Items.veth(anyId(any), `a${any(3)}`, "b")
    case F.Setup.address:
      return Items.address(`a${any(3)}`, oneOf(any, [4, 6, 9]), [10, any(256)], any(140))
    case F.Setup.linkUp:
      return Items.linkUp(oneOf(any, ["lo", "a0", ""]))
    case F.Setup.route:
      return Items.route("a0", oneOf(any, [4, 6]), [10], any(40), any(2) === 0 ? [10, 0, 0, 1] : undefined)
    default:
      return F.setup(kind, anyBytes(any, 40))
  }
}

/** Of some kinds only, and in the order in which they make sense, or in any other. */
const anySetup = (any: Random, kinds: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const items = Array.from({ length: any(6) }, () => oneOf(any, kinds))
  if (any(4) !== 0) items.sort((one, other) => one - other)
  return items.map((kind) => anyItem(any, kind))
}

const harmless: ReadonlyArray<number> = Object.values(F.Setup).filter((kind) => kind < F.Setup.namespaces)
const all: ReadonlyArray<number> = [...Object.values(F.Setup), 0, 99, 0xffff]

/** Root could change mounts, name and network of this machine: it asks for nothing of that, nor are its other items bent to it. */
const kindsFor = (uid: number): ReadonlyArray<number> => (uid === 0 ? harmless : all)

const anyPolicy = (any: Random): F.Policy => ({
  signal: any(60) === 0 ? any(256) : oneOf(any, [0, 1, 9, 15, 18]),
  reach: any(60) === 0 ? any(256) : any(3),
  // Endless is allowed, but not for a test: the processes end by themselves soon enough.
  grace: oneOf(any, [0, 1, 20, F.NO_DEADLINE]),
  linger: oneOf(any, [0, 1, 20])
})

const anySpawn = (any: Random, kinds: ReadonlyArray<number>): Buffer => {
  const words = [Tools.probe(), ...oneOf(any, deeds)]
  const argv = any(15) === 0 ? ["no-such-program"] : any(20) === 0 ? [...words, "x".repeat(70_000)] : words
  return F.spawn({
    argv,
    cwd: oneOf(any, ["", "", "", "", "/", "/no/such"]),
    flags: any(60) === 0 ? oneOf(any, edges) : any(16),
    level: any(60) === 0 ? any(256) : any(12) === 0 ? F.Level.pidNamespace : any(2),
    session: any(60) === 0 ? any(256) : any(3),
    umask: any(60) === 0 ? oneOf(any, edges) : -1,
    env: oneOf<ReadonlyArray<string>>(any, [[], ["A=1", "B"], ["=x", "PATH"], ["A"]]),
    stop: anyPolicy(any),
    fds: Array.from({ length: any(8) }, (_, index) => anyFd(any, any(25) === 0 ? any(40) : index)),
    setup: kinds.length > 0 && any(3) === 0 ? anySetup(any, kinds) : []
  })
}

const anyFrame = (any: Random, kinds: ReadonlyArray<number>): Buffer => {
  const id = anyId(any)
  switch (any(20)) {
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
      return F.frame(F.Request.drop, id, any(2) === 0 ? F.u32(any(8) === 0 ? oneOf(any, edges) : any(2)) : undefined)
    case 7:
      return F.frame(F.Request.retain, id)
    case 8:
      return F.frame(F.Request.environment, id, Buffer.concat([F.u32(any(3)), F.strings("A=1", "PATH=/bin:/usr/bin")]))
    case 9:
      return F.frame(F.Request.listen, id)
    case 10:
      return F.frame(any(70), id, Buffer.from(Array.from({ length: any(60) }, () => any(256))), any(10) === 0 ? 1 : 0)
    case 11:
      return F.frame(F.Request.seal, id)
    case 12:
    case 13:
    case 14:
      return F.frame(F.Request.object, id, anyObject(any))
    default:
      return F.frame(F.Request.spawn, id, anySpawn(any, kinds))
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

const anyStream = (any: Random, kinds: ReadonlyArray<number>): Buffer =>
  Buffer.concat(
    Array.from({ length: 1 + any(40) }, () => {
      const bends = any(5) === 0
      const frame = anyFrame(any, bends && kinds === harmless ? [] : kinds)
      return bends ? bend(any, frame) : frame
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
      for (let burst = 0; burst < 6; burst++) await send(any, family, anyStream(any, kindsFor(uid)))
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
      // A listener with its spare descriptor may be there now, and the socket of an init that waits for its job.
      const limit = performance.now() + 60_000
      let many = Number.POSITIVE_INFINITY
      while (many > 3 && performance.now() < limit) {
        await until(() => childrenOf(family.keeper).every((pid) => childrenOf(pid).length === 0))
        family.send(F.Request.close, 0, F.u32(...Array.from({ length: 2000 }, (_, index) => index)))
        await family.settled()
        many = descriptorsOf(family.keeper).length - idle
      }
      expect({ seed, many: many > 3 }).toEqual({ seed, many: false })
      await expectNothingLeft(family)
    }
  })

  it.each(users)("survives garbage, and ends what it cannot follow, as user %i", { timeout: limit }, async (uid) => {
    const end = performance.now() + (seconds * 1000) / 2
    for (let rounds = 0; rounds < 3 || performance.now() < end; rounds++) {
      const any = randomOf(first + rounds)
      const family = await start({ ...options, uid, silent: any(2) === 0 })
      await send(any, family, anyStream(any, kindsFor(uid)))
      const garbage = Buffer.from(Array.from({ length: 1 + any(3000) }, () => any(any(2) === 0 ? 256 : 3)))
      await send(any, family, garbage)
      // In the middle of a frame, as often as not.
      await expectNothingLeft(family)
    }
  })
})
