/** What is said to a worker and understood of it, without one. */
import { expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { FromServerEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Dispatcher, type Outcome, Slot } from "../../src/internal/pool/dispatcher.ts"
import { Call } from "../../src/internal/rpc/call.ts"
import { talk } from "../../src/internal/rpc/talk.ts"

/** A worker that has one call, and a client that takes a part of its answer when `taken` says so. */
const setUp = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const dispatcher = new Dispatcher({ window: 4, batch: undefined, now, onBacklog: () => {} })
  const given: Array<FromServerEncoded> = []
  const outcomes: Array<Outcome> = []
  const slot = new Slot("worker")
  const { next, read, watch } = talk(dispatcher, {
    serialization: RpcSerialization.ndjson,
    timeout: Duration.seconds(1),
    now,
    respond: (_client, response) => Effect.sync(() => void given.push(response)),
    scope: yield* Effect.scope
  })(slot)
  dispatcher.opened(slot)
  const ask = (id: number) => {
    const request = { _tag: "Request", id, tag: "Any", payload: null, headers: [] } as const
    const call = new Call(0, request, (outcome) => outcomes.push(outcome))
    dispatcher.submit([call])
    return call
  }
  const written = Effect.map(next, (bytes) => bytes.map((each) => new TextDecoder().decode(each)).join(""))
  const wrote = (text: string) => read(Stream.make(new TextEncoder().encode(text)))
  const late = watch === undefined ? Effect.never : Effect.flip(watch)
  return { ask, given, late, outcomes, slot, written, wrote, dispatcher }
})

const exitOf = (id: number) => `{"_tag":"Exit","requestId":${id},"exit":{"_tag":"Success","value":null}}\n`
const partOf = (id: number) => `{"_tag":"Chunk","requestId":${id},"values":[1]}\n`

it.effect("answers come in whatever order, cut wherever it may be", () =>
  Effect.gen(function* () {
    const { ask, given, outcomes, slot, written, wrote } = yield* setUp
    for (const id of [1, 2, 3]) ask(id)
    expect((yield* written).match(/"id":\d/g)).toEqual(['"id":1', '"id":2', '"id":3'])
    const text = exitOf(3) + exitOf(1)
    yield* wrote(text.slice(0, 50))
    expect(slot.load).toBe(3)
    yield* wrote(text.slice(50))
    expect(slot.load).toBe(1)
    expect(given).toMatchObject([{ requestId: 3 }, { requestId: 1 }])
    expect(outcomes.map(({ _tag }) => _tag)).toEqual(["Answer", "Answer"])
  })
)

it.effect("a worker is late when it owes something, and not when it is who asked that takes nothing", () =>
  Effect.gen(function* () {
    const { ask, late, written, wrote } = yield* setUp
    const watching = yield* Effect.forkChild(late, { startImmediately: true })
    yield* TestClock.adjust("10 seconds")
    const call = ask(1)
    yield* written
    yield* TestClock.adjust("900 millis")
    yield* wrote(partOf(1))
    yield* TestClock.adjust("10 seconds")
    expect(watching.pollUnsafe()).toBeUndefined()
    call.acknowledge(yield* Clock.currentTimeMillis)
    expect(yield* written).toBe('{"_tag":"Ack","requestId":1}\n')
    yield* TestClock.adjust("900 millis")
    expect(watching.pollUnsafe()).toBeUndefined()
    yield* TestClock.adjust("100 millis")
    expect((yield* Fiber.join(watching))._tag).toBe("RequestTimedOut")
  })
)

it.effect("a call that nobody wants any more is the worker's until it says that it has stopped", () =>
  Effect.gen(function* () {
    const { ask, given, late, outcomes, slot, written, wrote } = yield* setUp
    const [first, second] = [ask(1), ask(2)]
    // Before it has been sent: nothing is said of it.
    second.cancel(0)
    expect((yield* written).match(/"id":\d/g)).toEqual(['"id":1'])
    first.cancel(0)
    first.cancel(0)
    expect(yield* written).toBe('{"_tag":"Interrupt","requestId":1}\n')
    expect(slot.load).toBe(1)
    yield* wrote(exitOf(1))
    expect([slot.load, given, outcomes]).toEqual([0, [], []])

    // It is late as any other, also one whose part nobody had taken, and whatever it says meanwhile.
    const third = ask(3)
    yield* written
    yield* wrote(partOf(3))
    third.cancel(yield* Clock.currentTimeMillis)
    yield* wrote(partOf(3))
    const watching = yield* Effect.forkChild(late, { startImmediately: true })
    yield* TestClock.adjust("1 seconds")
    expect((yield* Fiber.join(watching))._tag).toBe("RequestTimedOut")
  })
)

it.effect("a request that has no form fails, and those with it are sent", () =>
  Effect.gen(function* () {
    const { dispatcher, outcomes, ask, written } = yield* setUp
    const request = { _tag: "Request", id: 1, tag: "Any", payload: 1n, headers: [] } as const
    dispatcher.submit([new Call(0, request, (outcome) => outcomes.push(outcome))])
    ask(2)
    expect((yield* written).match(/"id":\d/g)).toEqual(['"id":2'])
    expect(outcomes).toMatchObject([{ _tag: "Failure", attempts: 0, reason: { _tag: "EncodeError" } }])
  })
)
