import { ExitStatus } from "@nursery/process"
import { describe, expect, it } from "vitest"
import { blame, type End, type Ended, firstCause, isBrokenPipe, judge } from "../../src/internal/verdict.ts"

/** Stages a, b, c ... in a row; of each how it ended and the when. */
const row = (...ends: ReadonlyArray<readonly [end: End | undefined, rank: number]>): ReadonlyArray<Ended> =>
  ends.map(([end, rank], index) => ({
    name: String.fromCharCode(97 + index),
    end,
    rank,
    isStarted: true,
    isCut: index !== ends.length - 1,
    reader: index === ends.length - 1 ? undefined : String.fromCharCode(98 + index)
  }))

const outcomes = (stages: ReadonlyArray<Ended>): string =>
  Array.from(judge(stages).values(), ({ cause, outcome }) =>
    cause === undefined ? outcome : `${outcome} ${cause}`
  ).join()

describe("what the ends of stages mean", () => {
  const cases: ReadonlyArray<
    readonly [what: string, stages: ReadonlyArray<Ended>, outcomes: string, blamed: ReadonlyArray<string | undefined>]
  > = [
    ["all went well", row(["good", 0], ["good", 1]), "succeeded,succeeded", []],
    ["one failed", row(["good", 0], ["failed", 1], ["good", 2]), "succeeded,failed,succeeded", ["b", "b", undefined]],
    ["its reader had enough", row(["brokenPipe", 1], ["good", 0]), "followed b,succeeded", [undefined, "a", undefined]],
    [
      "a chain of readers had enough",
      row(["brokenPipe", 2], ["brokenPipe", 1], ["good", 0]),
      "followed b,followed c,succeeded",
      [undefined, "a", undefined]
    ],
    ["its reader failed", row(["brokenPipe", 1], ["failed", 0]), "followed b,failed", ["b", "b", "b"]],
    [
      "the writer failed, and then who got half of it",
      row(["failed", 0], ["good", 1], ["failed", 2]),
      "failed,succeeded,followed a",
      ["a", "a", "c"]
    ],
    [
      "the reader failed, and then who could not write",
      row(["failed", 1], ["failed", 0]),
      "followed b,failed",
      ["b", "b", "b"]
    ],
    ["nobody of the pipeline read it", row(["good", 0], ["brokenPipe", 1]), "succeeded,failed", ["b", "b", "b"]],
    ["some were stopped", row([undefined, Number.POSITIVE_INFINITY], ["failed", 0]), "stopped,failed", ["b", "b", "b"]]
  ]
  it.each(cases)("%s", (_, stages, expected, [pipefail, all, last]) => {
    expect(outcomes(stages)).toBe(expected)
    expect(blame(stages, "pipefail", stages.at(-1)?.name)).toBe(pipefail)
    expect(blame(stages, "all", stages.at(-1)?.name)).toBe(all)
    expect(blame(stages, "last", stages.at(-1)?.name)).toBe(last)
  })

  it("tells what was never started", () => {
    const [first, second] = row(["failed", 0], [undefined, Number.POSITIVE_INFINITY])
    if (first === undefined || second === undefined) throw new Error("two")
    expect(outcomes([first, { ...second, isStarted: false }])).toBe("failed,unstarted")
    expect(outcomes([{ ...first, isStarted: false }])).toBe("failed")
  })

  it("takes it for no failure that this program had enough of what a process wrote", () => {
    const [only] = row(["brokenPipe", 0])
    if (only === undefined) throw new Error("one")
    expect(outcomes([{ ...only, isCut: true }])).toBe("followed")
    expect(firstCause([{ ...only, isCut: true }])).toBeUndefined()
  })

  it("knows no first cause where nothing failed", () => {
    expect(firstCause(row(["brokenPipe", 0], ["good", 1]))).toBeUndefined()
  })
})

it("knows the status of who wrote to nobody, also as shells pass it on", () => {
  expect(isBrokenPipe(ExitStatus.signaled("SIGPIPE"))).toBe(true)
  expect(isBrokenPipe(ExitStatus.exited(141))).toBe(true)
  expect(isBrokenPipe(ExitStatus.exited(1))).toBe(false)
  expect(isBrokenPipe(ExitStatus.signaled("SIGTERM"))).toBe(false)
})
