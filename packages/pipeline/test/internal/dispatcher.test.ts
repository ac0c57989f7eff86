import { describe, expect, it } from "@effect/vitest"
import { Dispatcher, Entry, Slot } from "../../src/internal/pool/dispatcher.ts"

const dispatcherOf = (window: number, low?: number) => {
  let backlogs = 0
  const options = { window, low, batch: undefined, now: () => 0, onBacklog: () => void backlogs++ }
  return { dispatcher: new Dispatcher(options), backlogs: () => backlogs }
}

const opened = (dispatcher: Dispatcher, key: string): Slot => {
  const slot = new Slot(key)
  dispatcher.opened(slot)
  return slot
}

const entries = (count: number, answers: Array<unknown> = []) =>
  Array.from({ length: count }, (_, index) => new Entry(index, (outcome) => void answers.push(outcome)))

/** Sends what is staged; what that is. */
const send = (dispatcher: Dispatcher, slot: Slot): ReadonlyArray<unknown> => {
  const messages = dispatcher.unstage(slot)
  dispatcher.sent(slot, messages)
  return messages.flat().map(({ encoded }) => encoded)
}

describe("a worker that has had all that it may have", () => {
  it("gets more when it has few enough left, together", () => {
    const { dispatcher } = dispatcherOf(4, 2)
    const slot = opened(dispatcher, "a")
    dispatcher.submit(entries(10))
    expect(send(dispatcher, slot)).toEqual([0, 1, 2, 3])
    expect(dispatcher.answered(slot, ["a"])).toBeUndefined()
    expect(send(dispatcher, slot)).toEqual([])
    dispatcher.answered(slot, ["b"])
    expect(send(dispatcher, slot)).toEqual([4, 5])
    dispatcher.answered(slot, ["c", "d", "e"])
    expect(send(dispatcher, slot)).toEqual([6, 7, 8])
  })

  it("gets each as soon as it has room, where nothing else is said", () => {
    const { dispatcher } = dispatcherOf(4)
    const slot = opened(dispatcher, "a")
    dispatcher.submit(entries(10))
    send(dispatcher, slot)
    dispatcher.answered(slot, ["a"])
    expect(send(dispatcher, slot)).toEqual([4])
  })

  it("is not the reason for another one while it could have more", () => {
    const { backlogs, dispatcher } = dispatcherOf(4, 2)
    const slot = opened(dispatcher, "a")
    dispatcher.submit(entries(4))
    expect(backlogs()).toBe(0)
    dispatcher.submit(entries(1))
    expect(backlogs()).toBe(1)
    send(dispatcher, slot)
    expect(backlogs()).toBe(1)
    dispatcher.answered(slot, ["a"])
    expect([backlogs(), dispatcher.backlog]).toEqual([1, 1])
  })
})

describe("requests that nobody wants any more", () => {
  it("are forgotten while they wait", () => {
    const { dispatcher } = dispatcherOf(1, 0)
    opened(dispatcher, "a")
    const all = entries(101)
    dispatcher.submit(all)
    for (const entry of all.slice(1)) dispatcher.cancel(entry)
    expect(dispatcher.backlog).toBe(0)
    expect(dispatcher.status).toEqual({ workers: 1, running: 1, waiting: 0 })
  })

  it("are not sent, and the others are in their order", () => {
    const { dispatcher } = dispatcherOf(8, 4)
    const all = entries(6)
    dispatcher.submit(all)
    for (const entry of [all[0], all[3]]) if (entry !== undefined) dispatcher.cancel(entry)
    const slot = opened(dispatcher, "a")
    expect(send(dispatcher, slot)).toEqual([1, 2, 4, 5])
  })

  it("keep their place among the answers when they have been sent", () => {
    const { dispatcher } = dispatcherOf(8, 4)
    const answers: Array<unknown> = []
    const all = entries(3, answers)
    dispatcher.submit(all)
    const slot = opened(dispatcher, "a")
    send(dispatcher, slot)
    if (all[1] !== undefined) dispatcher.cancel(all[1])
    dispatcher.answered(slot, ["a", "b", "c"])
    expect(answers).toEqual([
      { _tag: "Answer", value: "a" },
      { _tag: "Answer", value: "c" }
    ])
  })
})
