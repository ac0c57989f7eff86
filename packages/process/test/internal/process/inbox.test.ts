import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { RawNotification } from "../../../src/internal/backend.ts"
import { Inbox, limit, parse } from "../../../src/internal/process/inbox.ts"

const raw = (text: string, other: Partial<RawNotification> = {}): RawNotification => ({
  pid: 7,
  sender: "member",
  cut: false,
  text,
  ...other
})

const fields = (text: string, cut = false) => parse(raw(text, { cut })).fields

describe("a text", () => {
  it("is lines NAME=value, of which those without a name are nothing", () => {
    expect(fields("READY=1")).toEqual({ READY: "1" })
    expect(fields("READY=1\n\nSTATUS=a=b c\nX_Y=\nnothing\n=empty\n")).toEqual({ READY: "1", STATUS: "a=b c", X_Y: "" })
    expect(fields("")).toEqual({})
  })

  it("has each name once, as it came first", () => {
    expect(fields("STATUS=one\nSTATUS=two")).toEqual({ STATUS: "one" })
  })

  it("may use any name", () => {
    const found = fields("__proto__=x\nconstructor=y\ntoString=z")
    expect(Object.entries(found)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
      ["toString", "z"]
    ])
  })

  it("that was cut has lost the line in which it ends", () => {
    expect(parse(raw("READY=1\nMAINPID=12", { cut: true }))).toEqual({
      pid: 7,
      sender: "member",
      fields: { READY: "1" },
      truncated: true
    })
    expect(fields("STATUS=xxx", true)).toEqual({})
  })
})

const statuses = (inbox: Inbox) =>
  Effect.map(Stream.runCollect(inbox.stream), (all) =>
    all.map(({ fields, sender }) => `${sender} ${Object.entries(fields).flat().join("=")}`)
  )

describe("what nobody has read", () => {
  it.effect("is kept, and after the end too", () =>
    Effect.gen(function* () {
      const inbox = new Inbox()
      inbox.add(raw("READY=1"))
      inbox.add(raw("STOPPING=1"))
      inbox.end()
      expect(yield* statuses(inbox)).toEqual(["member READY=1", "member STOPPING=1"])
    })
  )

  it.effect("loses strangers' first when it is too much, then what passes, then the oldest", () =>
    Effect.gen(function* () {
      const inbox = new Inbox()
      inbox.add(raw("READY=1"))
      inbox.add(raw("STATUS=first"))
      for (let index = 0; index < limit; index++) inbox.add(raw("MAINPID=1", { sender: "stranger" }))
      for (let index = 0; index < limit - 4; index++) inbox.add(raw(`RELOADING=${index}`, { sender: "gone" }))
      inbox.add(raw("WATCHDOG=1"))
      inbox.add(raw("WATCHDOG=trigger"))
      // Now it is full, without a stranger.
      inbox.add(raw("X=1"))
      inbox.add(raw("X=2"))
      inbox.add(raw("STATUS=last"))
      inbox.end()
      const kept = yield* statuses(inbox)
      expect(kept.length).toBe(limit)
      expect(kept.slice(0, 3)).toEqual(["member READY=1", "gone RELOADING=0", "gone RELOADING=1"])
      expect(kept.slice(-4)).toEqual([
        `gone RELOADING=${limit - 5}`,
        "member WATCHDOG=trigger",
        "member X=1",
        "member X=2"
      ])
    })
  )

  it.effect("loses the oldest when all of it says something", () =>
    Effect.gen(function* () {
      const inbox = new Inbox()
      for (let index = 0; index < limit + 10; index++) inbox.add(raw(`X=${index}`))
      inbox.end()
      const kept = yield* statuses(inbox)
      expect([kept.length, kept[0], kept.at(-1)]).toEqual([limit, "member X=10", `member X=${limit + 9}`])
    })
  )
})

describe("a consumer", () => {
  it.effect("that ends leaves the rest to the next one", () =>
    Effect.gen(function* () {
      const inbox = new Inbox()
      for (const text of ["A=1", "B=2", "C=3"]) inbox.add(raw(text))
      const first = yield* Stream.runCollect(Stream.take(inbox.stream, 1))
      expect(first.map(({ fields }) => fields)).toEqual([{ A: "1" }])
      inbox.end()
      expect(yield* statuses(inbox)).toEqual(["member B=2", "member C=3"])
      expect(yield* statuses(inbox)).toEqual([])
    })
  )

  it.effect("that is interrupted while it waits takes nothing along", () =>
    Effect.gen(function* () {
      const inbox = new Inbox()
      const waiting = yield* Effect.forkChild(Stream.runDrain(inbox.stream), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      inbox.add(raw("A=1"))
      inbox.end()
      expect(yield* statuses(inbox)).toEqual(["member A=1"])
    })
  )

  it.effect("besides another one dies, and disturbs nobody", () =>
    Effect.gen(function* () {
      const inbox = new Inbox()
      const first = yield* Effect.forkChild(statuses(inbox), { startImmediately: true })
      const second = yield* Effect.exit(statuses(inbox))
      expect(String(second)).toContain("notifications has a consumer already")
      inbox.add(raw("A=1"))
      inbox.end()
      expect(yield* Fiber.join(first)).toEqual(["member A=1"])
    })
  )
})
