import { FileError, InvalidPipeline, type Report, StageFailed, type StageReport, TimeLimit } from "@nursery/pipeline"
import * as Duration from "effect/Duration"
import { describe, expect, it } from "vitest"

const stage = (name: string, fields: Partial<StageReport>): StageReport => ({
  name,
  kind: "typed",
  outcome: "succeeded",
  cause: undefined,
  error: undefined,
  started: undefined,
  duration: undefined,
  bytesIn: undefined,
  bytesOut: undefined,
  recordsIn: undefined,
  recordsOut: undefined,
  ...(fields as object)
})

const reportOf = (...stages: ReadonlyArray<StageReport>): Report => ({
  stages: Object.fromEntries(stages.map((each) => [each.name, each])),
  firstCause: undefined,
  duration: Duration.seconds(1)
})

describe("StageFailed", () => {
  it("names the stage, and those that failed because of it", () => {
    const error = new StageFailed({
      stage: "pick",
      error: new Error("no such field"),
      report: reportOf(
        stage("pick", { outcome: "failed", error: new Error("no such field") }),
        stage("load", { outcome: "followed", cause: "pick", error: "the input ended" }),
        stage("count", { outcome: "followed", cause: "load", error: undefined })
      )
    })
    expect(error.message).toBe('"pick": no such field\nafter it "load": the input ended')
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ _tag: "StageFailed", stage: "pick" })
  })

  it("says something of a failure that is no Error", () => {
    const error = new StageFailed({ stage: "a", error: { code: 3 }, report: reportOf() })
    expect(error.message).toBe('"a": {"code":3}')
    const large = new StageFailed({ stage: "a", error: { count: 3n, itself: error }, report: reportOf() })
    expect(large.message).toMatch(/^"a": \{"count":3n,"itself":/)
  })
})

describe("TimeLimit", () => {
  it("names the stages that ran too long", () => {
    const report = reportOf(stage("a", { outcome: "stopped" }), stage("b", {}), stage("c", { outcome: "stopped" }))
    const error = new TimeLimit({ after: Duration.seconds(3), report })
    expect(error.message).toBe('the pipeline was not done within 3s: "a", "c" did not end')
    expect(JSON.stringify(error)).toBe('{"_tag":"TimeLimit","after":"3s"}')
    const early = new TimeLimit({ after: Duration.zero, report: reportOf(stage("a", { outcome: "unstarted" })) })
    expect(early.message).toBe("the pipeline was not done within 0: nothing of it was started")
  })
})

it("says what is wrong with a pipeline, or a file", () => {
  expect(new InvalidPipeline({ stage: "a", problem: "two stages have this name" }).message).toBe(
    '"a": two stages have this name'
  )
  expect(new FileError({ path: "/no", operation: "open", errno: "ENOENT" }).message).toBe("cannot open /no: ENOENT")
})
