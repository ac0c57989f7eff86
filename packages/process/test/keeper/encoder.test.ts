import { describe, expect, it } from "vitest"
import type { FdRequest, SpawnRequest } from "../../src/internal/backend.ts"
import { Encoder } from "../../src/internal/keeper/encoder.ts"
import * as F from "../../src/internal/keeper/frames.ts"
import { request, tuning } from "./support.ts"

interface Frame {
  readonly type: number
  readonly id: number
  readonly payload: Buffer
}

const frames = (encoder: Encoder): ReadonlyArray<Frame> => {
  const bytes = encoder.bytes()
  const found: Array<Frame> = []
  for (let at = 0; at < bytes.length; ) {
    const start = at + F.FrameHeader.size
    const end = start + bytes.readUInt32LE(at + F.FrameHeader.at.size)
    expect(end).toBeLessThanOrEqual(bytes.length)
    expect(bytes.readUInt16LE(at + F.FrameHeader.at.zero)).toBe(0)
    found.push({
      type: bytes.readUInt16LE(at + F.FrameHeader.at.type),
      id: bytes.readUInt32LE(at + F.FrameHeader.at.id),
      payload: bytes.subarray(start, end)
    })
    at = end
  }
  return found
}

const only = (encoder: Encoder): Buffer => {
  const [frame, ...others] = frames(encoder)
  expect(others).toEqual([])
  return frame?.payload ?? Buffer.alloc(0)
}

/** What the strings of a spawn are, once it is taken apart again. */
const strings = (payload: Buffer): ReadonlyArray<string> => {
  const from = F.Spawn.size + payload.readUInt32LE(F.Spawn.at.fdCount) * F.SpawnFd.size
  const to = payload.length - payload.readUInt32LE(F.Spawn.at.setupSize)
  expect(to - from).toBe(payload.readUInt32LE(F.Spawn.at.stringSize))
  return payload.toString("utf8", from, to - 1).split("\0")
}

const everything: SpawnRequest = {
  program: "tool",
  argv: ["tool", "", "größe", "🚀", "x\ny"],
  searchPath: "/a:/b",
  cwd: "/work dir",
  clearEnv: true,
  env: [
    ["SET", "a=b"],
    ["GONE", undefined],
    ["EMPTY", ""]
  ],
  level: "group",
  session: "owner",
  stop: { signal: 2, reach: "tree", grace: 1500.2, linger: undefined },
  umask: 0o27,
  fds: [
    { target: 0, kind: "file", path: "/in", mode: "read" },
    { target: 1, kind: "pipeOut", size: 1 << 20 },
    { target: 2, kind: "inherit", source: 9 },
    { target: 5, kind: "pipeIn" },
    { target: 3, kind: "file", path: "out.log", mode: "append" },
    { target: 4, kind: "joined", pipe: { id: 77, drop: () => {} }, end: "write" },
    { target: 6, kind: "null" },
    { target: 7, kind: "duplex" }
  ],
  shellFallback: true,
  groupOnFailure: true,
  notify: true,
  setup: [{ kind: "limit", resource: 7, soft: 64n, hard: "unlimited" }]
}

describe("Encoder", () => {
  it("writes all of a spawn", () => {
    const encoder = new Encoder()
    expect(encoder.spawn(42, everything, [0, 0, 0, 0, 0, 0, 0, 88])).toBeUndefined()
    const [frame] = frames(encoder)
    expect(frame).toMatchObject({ type: F.Request.spawn, id: 42 })
    const payload = frame?.payload ?? Buffer.alloc(0)
    const { at } = F.Spawn
    expect(payload.readUInt32LE(at.flags)).toBe(
      F.SpawnFlag.shellFallback | F.SpawnFlag.groupOnFailure | F.SpawnFlag.clearEnvironment | F.SpawnFlag.notify
    )
    expect(payload[at.level]).toBe(F.Level.group)
    expect(payload[at.session]).toBe(F.Session.owner)
    expect(payload[at.stop + F.StopPolicy.at.signal]).toBe(2)
    expect(payload[at.stop + F.StopPolicy.at.reach]).toBe(F.Reach.tree)
    expect(payload.readUInt32LE(at.stop + F.StopPolicy.at.grace)).toBe(1501)
    expect(payload.readUInt32LE(at.stop + F.StopPolicy.at.linger)).toBe(F.NO_DEADLINE)
    expect(payload.readInt32LE(at.umask)).toBe(0o27)
    expect(payload.readUInt32LE(at.argc)).toBe(5)
    expect(payload.readUInt32LE(at.envc)).toBe(3)
    expect(payload.readUInt32LE(at.filec)).toBe(2)
    expect(strings(payload)).toEqual([
      ...["tool", "/work dir", "/a:/b"],
      ...everything.argv,
      ...["SET=a=b", "GONE", "EMPTY="],
      ...["/in", "out.log"]
    ])
    const items = payload.subarray(payload.length - payload.readUInt32LE(at.setupSize))
    expect([items.length, items.readUInt16LE(0), items.readUInt16LE(2)]).toEqual([
      F.Setup.size + F.SetupLimit.size,
      F.SetupKind.limit,
      F.SetupLimit.size
    ])
    expect(items.readUInt32LE(F.Setup.size + F.SetupLimit.at.resource)).toBe(7)
    expect(items.readBigUInt64LE(F.Setup.size + F.SetupLimit.at.soft)).toBe(64n)
    expect(items.readBigUInt64LE(F.Setup.size + F.SetupLimit.at.hard)).toBe(F.LIMIT_INFINITY)
    const table = everything.fds.map((_fd, index) =>
      ["target", "kind", "value", "extra"].map((_field, field) =>
        payload.readInt32LE(F.Spawn.size + index * F.SpawnFd.size + field * 4)
      )
    )
    expect(table).toEqual([
      [0, F.FdKind.file, F.FdFile.read, 0],
      [1, F.FdKind.pipeOut, 1 << 20, 0],
      [2, F.FdKind.inherit, 9, 0],
      [5, F.FdKind.pipeIn, 0, 0],
      [3, F.FdKind.file, F.FdFile.append, 1],
      [4, F.FdKind.object, 77, 1],
      [6, F.FdKind.null, 0, 0],
      [7, F.FdKind.object, 88, 0]
    ])
  })

  it("says that umask and environment are the owner's", () => {
    const encoder = new Encoder()
    encoder.spawn(1, request(["true"]), undefined)
    const payload = only(encoder)
    expect(payload.readInt32LE(F.Spawn.at.umask)).toBe(F.UMASK_OF_OWNER)
    expect(payload.readUInt32LE(F.Spawn.at.flags)).toBe(0)
  })

  it("writes the small requests", () => {
    const encoder = new Encoder()
    encoder.hello(1, tuning)
    encoder.cancel(2)
    encoder.signal(3, 2, 15, "group")
    encoder.stop(2, { signal: 0, reach: "leader", grace: 0, linger: 10 })
    encoder.close(4, [7, 9])
    encoder.pipe(5)
    encoder.drop(5)
    encoder.release(2)
    encoder.retain(2)
    encoder.environment(6, ["A", "ß"], ["1", "x=y"])
    encoder.listen(7)
    const found = frames(encoder)
    expect(found.map(({ type, id }) => [type, id])).toEqual([
      [F.Request.hello, 1],
      [F.Request.cancel, 2],
      [F.Request.signal, 3],
      [F.Request.stop, 2],
      [F.Request.close, 4],
      [F.Request.pipe, 5],
      [F.Request.drop, 5],
      [F.Request.release, 2],
      [F.Request.retain, 2],
      [F.Request.environment, 6],
      [F.Request.listen, 7]
    ])
    const payloads = found.map(({ payload }) => payload)
    expect(payloads[0]?.readUInt32LE(F.Hello.at.magic)).toBe(F.MAGIC)
    expect(payloads[0]?.readUInt32LE(F.Hello.at.ownerDeathGrace)).toBe(tuning.ownerDeathGrace)
    expect(payloads[0]?.readUInt32LE(F.Hello.at.spawnDeadline)).toBe(tuning.spawnDeadline)
    expect(payloads[0]?.readUInt32LE(F.Hello.at.killDeadline)).toBe(tuning.killDeadline)
    expect(payloads[0]?.readUInt32LE(F.Hello.at.reapers)).toBe(tuning.idleReapers)
    expect(payloads[2]).toEqual(Buffer.from([2, 0, 0, 0, 15, F.Reach.group, 0, 0]))
    expect(payloads[3]).toEqual(Buffer.from([0, F.Reach.leader, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0]))
    expect(payloads[4]).toEqual(Buffer.from([7, 0, 0, 0, 9, 0, 0, 0]))
    expect(payloads[9]?.toString()).toBe("\u0002\0\0\0A=1\0ß=x=y\0")
  })

  it("overwrites what an earlier burst left in the buffer", () => {
    const encoder = new Encoder()
    encoder.environment(1, ["A"], ["\xff".repeat(400)])
    encoder.reset(false)
    encoder.spawn(2, request(["true"], { fds: [{ target: 0, kind: "null" }] }), undefined)
    const reused = Buffer.from(encoder.bytes())
    const fresh = new Encoder()
    fresh.spawn(2, request(["true"], { fds: [{ target: 0, kind: "null" }] }), undefined)
    expect(reused).toEqual(fresh.bytes())
  })

  it("does not touch bytes that are still being sent", () => {
    const encoder = new Encoder()
    encoder.cancel(1)
    const sent = encoder.bytes()
    const copy = Buffer.from(sent)
    encoder.reset(true)
    encoder.cancel(0xffffffff)
    expect(sent).toEqual(copy)
  })

  it("grows for long words, and keeps what came before", () => {
    const encoder = new Encoder()
    const long = "é".repeat(700_000)
    encoder.cancel(1)
    expect(encoder.spawn(2, request(["true", long, "end"]), undefined)).toBeUndefined()
    const [first, second] = frames(encoder)
    expect(first).toMatchObject({ type: F.Request.cancel, id: 1 })
    expect(strings(second?.payload ?? Buffer.alloc(0)).slice(3)).toEqual(["true", long, "end"])
  })

  const bad: ReadonlyArray<readonly [string, Partial<SpawnRequest>]> = [
    ["a NUL in the program", { program: "a\0b" }],
    ["a NUL in an argument", { argv: ["true", "a\0"] }],
    ["a NUL in the working directory", { cwd: "/\0" }],
    ["a NUL in the search path", { searchPath: "\0" }],
    ["a NUL in a value of the environment", { env: [["A", "\0"]] }],
    ["a NUL in a name of the environment", { env: [["\0", undefined]] }],
    ["an equals sign in a name", { env: [["A=B", "c"]] }],
    ["an equals sign in a name to remove", { env: [["A=B", undefined]] }],
    ["an empty name", { env: [["", "c"]] }],
    ["a NUL in a file's path", { fds: [{ target: 0, kind: "file", path: "\0", mode: "read" }] }],
    ["a negative descriptor", { fds: [{ target: -1, kind: "null" }] }],
    ["a descriptor that is cut to another", { fds: [{ target: 2 ** 32 + 1, kind: "null" }] }],
    ["a descriptor that is no integer", { fds: [{ target: 1.5, kind: "null" }] }],
    ["a source that is cut to another", { fds: [{ target: 1, kind: "inherit", source: 2 ** 32 }] }],
    ["a socket without an object", { fds: [{ target: 1, kind: "duplex" }] satisfies ReadonlyArray<FdRequest> }]
  ]

  it.each(bad)("writes nothing for %s", (_name, options) => {
    const encoder = new Encoder()
    encoder.cancel(1)
    const before = encoder.size
    expect(encoder.spawn(2, request(["true"], options), undefined)).toBe("malformed")
    expect(encoder.size).toBe(before)
  })

  it("writes up to FRAME_MAX and nothing beyond", () => {
    const encoder = new Encoder()
    const fixed = F.Spawn.size + "true\0\0\0true\0\0".length
    const options = { fds: [], searchPath: "" }
    const longest = "x".repeat(F.FRAME_MAX - fixed)
    expect(encoder.spawn(1, request(["true", longest], options), undefined)).toBeUndefined()
    expect(only(encoder)).toHaveLength(F.FRAME_MAX)
    encoder.reset(false)
    expect(encoder.spawn(1, request(["true", `${longest}x`], options), undefined)).toBe("too big")
    expect(encoder.spawn(1, request(["true", ...Array<string>(9).fill("x".repeat(1 << 20))]), undefined)).toBe(
      "too big"
    )
    expect(encoder.environment(1, ["A"], ["x".repeat(F.FRAME_MAX)])).toBe("too big")
    expect(encoder.size).toBe(0)
  })
})
