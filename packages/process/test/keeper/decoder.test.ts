import { describe, expect, it } from "vitest"
import { Decoder, type ReplyHandler } from "../../src/internal/keeper/decoder.ts"
import * as F from "../../src/internal/keeper/frames.ts"

const frame = (type: number, id: number, payload: Buffer): Buffer => {
  const header = Buffer.alloc(F.FrameHeader.size)
  header.writeUInt32LE(payload.length, F.FrameHeader.at.size)
  header.writeUInt16LE(type, F.FrameHeader.at.type)
  header.writeUInt32LE(id, F.FrameHeader.at.id)
  return Buffer.concat([header, payload])
}

const u32 = (...values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => {
    bytes.writeUInt32LE(value, index * 4)
  })
  return bytes
}

/** The values of a layout, each a number of the field's width. */
const struct = (layout: F.Layout<string>, values: Readonly<Record<string, number>>): Buffer => {
  const bytes = Buffer.alloc(layout.size)
  const offsets = Object.values(layout.at)
  for (const [name, value] of Object.entries(values)) {
    const at = layout.at[name] ?? Number.NaN
    const next = offsets.filter((offset) => offset > at).reduce((a, b) => Math.min(a, b), layout.size)
    if (next - at === 8) bytes.writeBigUInt64LE(BigInt(value), at)
    else bytes.writeInt32LE(value, at)
  }
  return bytes
}

const recording = (): { readonly calls: Array<ReadonlyArray<unknown>>; readonly decoder: Decoder } => {
  const calls: Array<ReadonlyArray<unknown>> = []
  const handler: ReplyHandler = {
    ready: (...args) => calls.push(["ready", ...args]),
    started: (...args) => calls.push(["started", ...args]),
    failed: (...args) => calls.push(["failed", ...args]),
    exited: (...args) => calls.push(["exited", ...args]),
    ended: (...args) => calls.push(["ended", ...args]),
    done: (...args) => calls.push(["done", ...args]),
    lost: (...args) => calls.push(["lost", ...args]),
    unkillable: (...args) => calls.push(["unkillable", ...args]),
    refused: (...args) => calls.push(["refused", ...args]),
    listening: (...args) => calls.push(["listening", ...args]),
    notify: (...args) => calls.push(["notify", ...args]),
    cgroup: (...args) => calls.push(["cgroup", ...args]),
    object: (id, errno, step, tells) => calls.push(["object", id, errno, step, Buffer.from(tells)]),
    hangup: (...args) => calls.push(["hangup", ...args]),
    violation: (...args) => calls.push(["violation", ...args])
  }
  return { calls, decoder: new Decoder(handler) }
}

const secret = Buffer.from("0123456789abcdef")

const conversation: ReadonlyArray<readonly [bytes: Buffer, call: ReadonlyArray<unknown>]> = [
  [
    frame(
      F.Reply.ready,
      1,
      struct(F.Ready, { version: F.VERSION, keeper: 4_000_000, guard: 77, features: 5, time: 9, progress: 12 })
    ),
    ["ready", { version: F.VERSION, keeper: 4_000_000, guard: 77, features: 5, progress: 12 }]
  ],
  [
    frame(F.Reply.started, 2, struct(F.Started, { pid: 10, reaper: 11, time: 2 ** 40, count: 0 })),
    ["started", 2, 10, 11, []]
  ],
  [
    frame(
      F.Reply.started,
      3,
      Buffer.concat([
        struct(F.Started, { pid: 12, reaper: 13, time: 1, count: 2 }),
        struct(F.LentFd, { target: 1, descriptor: 40 }),
        struct(F.LentFd, { target: 2, descriptor: 41 })
      ])
    ),
    [
      "started",
      3,
      12,
      13,
      [
        { target: 1, descriptor: 40 },
        { target: 2, descriptor: 41 }
      ]
    ]
  ],
  [frame(F.Reply.failed, 4, struct(F.Failed, { step: 7, errno: 2, target: -1 })), ["failed", 4, "exec", 2, -1]],
  [
    frame(
      F.Reply.exited,
      3,
      struct(F.Exited, {
        status: 256,
        ended: 1,
        userTime: 2 ** 33 + 1,
        systemTime: 2,
        maxResident: 2 ** 40,
        minorFaults: 3,
        majorFaults: 4,
        blockInput: 5,
        blockOutput: 6,
        voluntarySwitches: 7,
        involuntarySwitches: 8
      })
    ),
    [
      "exited",
      3,
      256,
      {
        userTime: 2 ** 33 + 1,
        systemTime: 2,
        maxResidentSet: 2 ** 40,
        minorFaults: 3,
        majorFaults: 4,
        blockInput: 5,
        blockOutput: 6,
        voluntarySwitches: 7,
        involuntarySwitches: 8
      },
      true
    ]
  ],
  [frame(F.Reply.ended, 2, struct(F.Ended, { time: 1, collected: 3 })), ["ended", 2]],
  [frame(F.Reply.done, 0xffffffff, u32(3)), ["done", 0xffffffff, 3]],
  [frame(F.Reply.lost, 5, u32(99)), ["lost", 5, 99]],
  [frame(F.Reply.unkillable, 5, u32(40, 100, 101)), ["unkillable", 5, [100, 101]]],
  [frame(F.Reply.refused, 6, Buffer.concat([u32(22), Buffer.from("grüße")])), ["refused", 6, 22, "grüße"]],
  [
    frame(F.Reply.listening, 7, Buffer.concat([secret, Buffer.from("\u0001name")])),
    ["listening", 7, secret, "\u0001name"]
  ],
  [
    frame(F.Reply.notify, 8, Buffer.concat([u32(4_000_000, 0, 0), Buffer.from("STATUS=grüße\nREADY=1")])),
    ["notify", 8, { pid: 4_000_000, sender: "member", cut: false, text: "STATUS=grüße\nREADY=1" }, []]
  ],
  [frame(F.Reply.hangup, 7, u32(0)), ["hangup", 7, 0]],
  [frame(F.Reply.hangup, 7, u32(4_000_000)), ["hangup", 7, 4_000_000]],
  [frame(F.Reply.notify, 8, u32(9, 1, 0)), ["notify", 8, { pid: 9, sender: "stranger", cut: false, text: "" }, []]],
  [
    frame(F.Reply.notify, 8, Buffer.concat([u32(9, 0x20102, 0x8000_0005), Buffer.from("STATUS=cut o")])),
    ["notify", 8, { pid: 9, sender: "gone", cut: true, text: "STATUS=cut o" }, [0x8000_0005, 0x8000_0006]]
  ]
]

const stream = Buffer.concat(conversation.map(([bytes]) => bytes))
const expected = conversation.map(([, call]) => call)

describe("Decoder", () => {
  it("reads every kind of reply, all in one chunk", () => {
    const { calls, decoder } = recording()
    decoder.push(stream)
    expect(calls).toEqual(expected)
  })

  it("reads the same wherever the stream is cut in two", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const { calls, decoder } = recording()
      decoder.push(stream.subarray(0, cut))
      decoder.push(stream.subarray(cut))
      expect(calls).toEqual(expected)
    }
  })

  it("reads the same byte by byte", () => {
    const { calls, decoder } = recording()
    for (const byte of stream) decoder.push(Buffer.from([byte]))
    expect(calls).toEqual(expected)
  })

  it("reads the same when each chunk is overwritten after it was pushed", () => {
    const { calls, decoder } = recording()
    const shared = Buffer.alloc(5)
    for (let at = 0; at < stream.length; at += 5) {
      const length = stream.copy(shared, 0, at, at + 5)
      decoder.push(shared.subarray(0, length))
    }
    expect(calls).toEqual(expected)
  })

  it("takes a READY of another version as far as its version", () => {
    const { calls, decoder } = recording()
    decoder.push(frame(F.Reply.ready, 1, u32(7, 0, 0, 0, 0, 0, 0, 0, 0)))
    expect(calls).toEqual([["ready", { version: 7, keeper: 0, guard: 0, features: 0, progress: -1 }]])
  })

  it("reads a frame of eight megabytes from many small chunks", () => {
    const { calls, decoder } = recording()
    const long = frame(F.Reply.refused, 1, Buffer.concat([u32(22), Buffer.alloc(F.FRAME_MAX - 4, "x")]))
    for (let at = 0; at < long.length; at += 4096) decoder.push(long.subarray(at, at + 4096))
    expect(calls).toHaveLength(1)
    expect(calls[0]?.[3]).toHaveLength(F.FRAME_MAX - 4)
  })

  it("reads a text of the longest size", () => {
    const { calls, decoder } = recording()
    decoder.push(frame(F.Reply.notify, 1, Buffer.concat([u32(1, 0, 0), Buffer.alloc(F.NOTIFY_MAX, "x")])))
    expect(calls).toEqual([["notify", 1, { pid: 1, sender: "member", cut: false, text: "x".repeat(F.NOTIFY_MAX) }, []]])
  })

  const garbage: ReadonlyArray<readonly [string, Buffer]> = [
    ["a length over FRAME_MAX", frame(F.Reply.done, 1, Buffer.alloc(0)).fill(0xff, 0, 4)],
    ["a type that does not exist, before its payload has come", frame(F.Reply.hangup + 1, 1, u32(1)).subarray(0, 12)],
    ["a request in place of a reply", frame(F.Request.cancel, 1, Buffer.alloc(0))],
    ["text", Buffer.from("bash: no such file or directory\n")],
    ["a STARTED that counts more descriptors than it has", frame(F.Reply.started, 1, struct(F.Started, { count: 1 }))],
    ["a STARTED whose count overflows", frame(F.Reply.started, 1, struct(F.Started, { count: 0x20000000 }))],
    ["a STARTED that is cut off", frame(F.Reply.started, 1, u32(1))],
    ["a FAILED with an unknown step", frame(F.Reply.failed, 1, struct(F.Failed, { step: 13, errno: 1, target: 0 }))],
    ["an EXITED that is too short", frame(F.Reply.exited, 1, u32(0, 1))],
    ["an ENDED that is too long", frame(F.Reply.ended, 1, Buffer.alloc(F.Ended.size + 1))],
    ["a DONE without a number", frame(F.Reply.done, 1, Buffer.alloc(0))],
    ["a LOST without a pid", frame(F.Reply.lost, 1, Buffer.alloc(3))],
    ["an UNKILLABLE with half a pid", frame(F.Reply.unkillable, 1, Buffer.alloc(6))],
    ["a REFUSED without a number", frame(F.Reply.refused, 1, Buffer.alloc(2))],
    ["a LISTENING without a name", frame(F.Reply.listening, 1, secret)],
    ["a HANGUP that is cut off", frame(F.Reply.hangup, 1, Buffer.alloc(3))],
    ["a NOTIFY that is cut off", frame(F.Reply.notify, 1, u32(1, 0))],
    ["a NOTIFY of an unknown sender", frame(F.Reply.notify, 1, u32(1, 3, 0))],
    [
      "a NOTIFY that is too long",
      frame(F.Reply.notify, 1, Buffer.concat([u32(1, 0, 0), Buffer.alloc(F.NOTIFY_MAX + 1)]))
    ],
    ["a READY that is cut off", frame(F.Reply.ready, 1, u32(F.VERSION))]
  ]

  it.each(garbage)("reports %s once, and nothing after it", (_name, bytes) => {
    const { calls, decoder } = recording()
    decoder.push(Buffer.concat([bytes, stream]))
    decoder.push(stream)
    expect(calls.map(([name]) => name)).toEqual(["violation"])
  })

  it("never throws, whatever is changed in the stream and wherever it is cut", () => {
    // A linear congruential generator, so that each run is the same.
    let seed = 1
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    let violations = 0
    for (let round = 0; round < 3000; round++) {
      const { calls, decoder } = recording()
      const bytes = Buffer.from(stream)
      for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256)
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + random(60)
        decoder.push(bytes.subarray(at, next))
        at = next
      }
      const found = calls.findIndex(([name]) => name === "violation")
      if (found !== -1) {
        violations++
        expect(found).toBe(calls.length - 1)
      }
    }
    expect(violations).toBeGreaterThan(300)
  })

  it("reports nothing more once it was stopped, not even what it has read", () => {
    const seen: Array<number> = []
    const { decoder } = recording()
    const stopping = new Decoder(
      new Proxy(Object.create(null), {
        get: () => (id: number) => {
          seen.push(id)
          stopping.stop()
        }
      })
    )
    stopping.push(Buffer.concat([frame(F.Reply.done, 1, u32(0)), frame(F.Reply.done, 2, u32(0))]))
    expect(seen).toEqual([1])
    decoder.stop()
  })
})
