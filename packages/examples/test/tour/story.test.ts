import type { ChildExit, Status, SupervisorEvent } from "@nursery/supervisor"
import { expect, it } from "vitest"
import { wordsOf } from "../../src/tour/story.ts"

const base = { path: ["app"], child: "web", incarnation: 1, time: 0, sequence: 1 }

const changed = (status: Status): SupervisorEvent => ({ ...base, _tag: "Changed", status })
const exited = (exit: ChildExit, expected: boolean): SupervisorEvent => ({ ...base, _tag: "Exited", exit, expected })

it("tells a wait for others from the end of a wait for a schedule", () => {
  expect(wordsOf(changed("waiting"), "stopping")).toBe("has ended, and waits")
  expect(wordsOf(changed("waiting"), "backing-off")).toBeUndefined()
})

it("tells how a child ended, unless it was asked to", () => {
  const exit: ChildExit = { _tag: "Failed", error: new Error("too old") }
  expect(wordsOf(exited(exit, false), "ready")).toContain("too old")
  expect(wordsOf(exited(exit, true), "stopping")).toBeUndefined()
  expect(wordsOf(exited({ _tag: "Completed", value: 1 }, false), "ready")).toBeUndefined()
})
