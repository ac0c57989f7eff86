/** Ends of pipes that no kernel knows. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Outcome } from "../../../src/internal/streams/descriptor.ts"
import type { Receiver } from "../../../src/internal/streams/flow.ts"
import { Source } from "../../../src/internal/streams/source.ts"
import { Target } from "../../../src/internal/streams/target.ts"
import type { VirtualEnd } from "../../../src/internal/streams/virtual.ts"
import * as Pipe from "./pipe.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const onError = (errno: string) => ({ errno })

/** An end that notes what is done with it, and takes `room` bytes at a time. */
const make = () => {
  const state = {
    calls: [] as string[],
    written: "",
    room: 0,
    outcome: undefined as string | undefined,
    receiver: undefined as Receiver | undefined,
    listeners: new Set<() => void>()
  }
  const end: VirtualEnd = {
    flow: (receiver) => {
      state.receiver = receiver
      const note = (call: string) => () => void state.calls.push(call)
      return {
        start: note("start"),
        stop: note("stop"),
        close: note("close"),
        ref: note("ref"),
        unref: note("unref"),
        prepare: () => {
          state.calls.push("prepare")
          return -1
        }
      }
    },
    write: (chunks): Outcome => {
      if (state.outcome !== undefined) return state.outcome
      const all = Buffer.concat(chunks)
      const taken = all.subarray(0, state.room)
      if (taken.length === 0) return -1
      state.room -= taken.length
      state.written += taken.toString()
      return taken.length
    },
    onWritable: (listener) => {
      state.listeners.add(listener)
      return () => void state.listeners.delete(listener)
    },
    end: () => void state.calls.push("end")
  }
  const change = (room: number, outcome?: string) => {
    state.room = room
    state.outcome = outcome
    for (const listener of Array.from(state.listeners)) listener()
  }
  return { end, state, change }
}

describe("a source of a virtual end", () => {
  const sourceOf = (end: VirtualEnd) => new Source({ handle: end, name: "stdout", onError })

  it.live("reads when it is asked, and closes at the end", () =>
    Effect.gen(function* () {
      const { end, state } = make()
      const source = sourceOf(end)
      expect(state.calls).toEqual([])
      const fiber = yield* Effect.forkChild(Stream.mkString(Stream.decodeText(source.stream)), {
        startImmediately: true
      })
      expect(state.calls).toEqual(["start"])
      expect(state.receiver?.bytes(bytes("one "))).toBe(true)
      expect(state.receiver?.bytes(bytes("two"))).toBe(true)
      state.receiver?.ended()
      expect(yield* Fiber.join(fiber)).toBe("one two")
      expect(state.calls.filter((call) => call === "close")).toEqual(["close"])
    })
  )

  it.live("is collected from at once, with no timer of the machine", () =>
    Effect.sync(() => {
      const { end, state } = make()
      sourceOf(end).collect({ keeps: true, bytes: () => true, end: () => {} }, true)
      expect(state.calls).toEqual(["start"])
    })
  )

  it.live("takes what is there at the exit of the writer", () =>
    Effect.sync(() => {
      const { end, state } = make()
      const source = sourceOf(end)
      expect(source.readNow()).toBe(false)
      expect(state.calls).toEqual(["prepare"])
      state.receiver?.ended()
      expect(source.readNow()).toBe(true)
    })
  )
})

describe("a target of a virtual end", () => {
  const targetOf = (end: VirtualEnd) => new Target({ handle: end, onError })
  const sending = (target: Target<{ readonly errno: string }>, text: string) =>
    Effect.forkChild(Stream.run(Stream.make(bytes(text)), target.sink), { startImmediately: true })

  it.live("writes what fits at once, and ends", () =>
    Effect.gen(function* () {
      const { end, state } = make()
      state.room = 100
      yield* Fiber.join(yield* sending(targetOf(end), "text"))
      expect(state.written).toBe("text")
      expect(state.calls).toEqual(["end"])
      expect(state.listeners.size).toBe(0)
    })
  )

  it.live("writes the rest in parts, when there is room", () =>
    Effect.gen(function* () {
      const { change, end, state } = make()
      state.room = 2
      const fiber = yield* sending(targetOf(end), "abcdef")
      expect(state.written).toBe("ab")
      change(0)
      change(3)
      expect(state.written).toBe("abcde")
      expect(fiber.pollUnsafe()).toBeUndefined()
      change(3)
      yield* Fiber.join(fiber)
      expect(state.written).toBe("abcdef")
      expect(state.listeners.size).toBe(0)
    })
  )

  it.live("fails when the reader leaves, whether or not it waits", () =>
    Effect.gen(function* () {
      const { change, end, state } = make()
      const target = targetOf(end)
      const waiting = yield* sending(target, "text")
      change(0, "EPIPE")
      expect(yield* Effect.flip(Fiber.join(waiting))).toEqual({ errno: "EPIPE" })
      expect(yield* Effect.flip(Fiber.join(yield* sending(target, "more")))).toEqual({ errno: "EPIPE" })
      expect(state.calls).toEqual(["end"])
      expect(state.listeners.size).toBe(0)
    })
  )

  it.live("waits for nothing once it is interrupted or closed", () =>
    Effect.gen(function* () {
      const one = make()
      yield* Fiber.interrupt(yield* sending(targetOf(one.end), "text"))
      expect(one.state.listeners.size).toBe(0)
      const other = make()
      const target = targetOf(other.end)
      const fiber = yield* sending(target, "text")
      target.close()
      expect(yield* Effect.flip(Fiber.join(fiber))).toEqual({ errno: "EPIPE" })
      yield* Pipe.turn
      expect(other.state.listeners.size).toBe(0)
      expect(other.state.calls).toEqual(["end"])
    })
  )
})
