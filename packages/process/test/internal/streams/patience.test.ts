import { expect, it, vi } from "vitest"
import { begin } from "../../../src/internal/streams/patience.ts"

/** What happens when the looks find so much, one after the other. */
const play = (...found: ReadonlyArray<number>): Promise<{ readonly looks: number; readonly started: boolean }> =>
  new Promise((resolve) => {
    let looks = 0
    begin(
      () => {
        const count = found[looks] ?? 0
        looks++
        if (count < 0) resolve({ looks, started: false })
        return count
      },
      () => resolve({ looks, started: true })
    )
  })

it("starts as soon as much is found", async () => {
  expect(await play(100_000)).toEqual({ looks: 1, started: true })
  expect(await play(0, 10, 100_000)).toEqual({ looks: 3, started: true })
})

it("starts when it has taken long", async () => {
  expect(await play(0, 0, 0, 0, 0, 0)).toEqual({ looks: 4, started: true })
})

it("does not start what has ended", async () => {
  expect(await play(10, -1)).toEqual({ looks: 2, started: false })
})

it("does nothing when it is ended before", async () => {
  const look = vi.fn(() => 0)
  const end = begin(look, look)
  end()
  await play(0, -1)
  expect(look).not.toHaveBeenCalled()
})

it("goes on in a program whose clock is stopped", async () => {
  vi.useFakeTimers()
  try {
    expect(await play(100_000)).toEqual({ looks: 1, started: true })
  } finally {
    vi.useRealTimers()
  }
})
