/** Who waits for whom. */
import { describe, expect, it } from "@effect/vitest"
import type { Rest, Verdict } from "../../src/internal/core/model.ts"
import type { Gate } from "../../src/internal/core/plan.ts"
import { answers, brief, chain, child, complete, crash, meanwhile, running, statuses, tree } from "./family.ts"
import { World } from "./world.ts"

const onA = (gate: Gate) => [child("a"), child("b", { after: [{ on: "a", gate }] })]

const rest = (rest: Exclude<Rest, "completed">): Verdict => ({ _tag: "Rest", rest })

describe("a start", () => {
  it("does not wait for a child that it does not come after", () => {
    const world = new World(tree([child("a"), child("b"), child("c")]))
    expect(brief(world.begin())).toBe("+a +b +c")
  })

  it.each<readonly [Gate]>([["order"], ["value"], ["alive"]])(
    "by %s waits for readiness, not for the start",
    (gate) => {
      const world = new World(tree(onA(gate)))
      expect(brief(world.begin())).toBe("+a")
      expect(brief(world.ready("a"))).toBe("+b")
    }
  )

  it.each<readonly [Gate, how: string, Verdict, starts: string]>([
    ["order", "completed", complete, "+b"],
    ["order", "stopped", rest("stopped"), "+b"],
    ["order", "failed", rest("failed"), "+b"],
    ["value", "completed", complete, "+b"],
    ["value", "failed", rest("failed"), ""],
    ["alive", "completed", complete, "+b"],
    ["alive", "stopped", rest("stopped"), ""],
    ["alive", "failed", rest("failed"), ""]
  ])("by %s, after one that has %s before it was ready: '%s'", (gate, _, verdict, starts) => {
    const world = new World(tree(onA(gate)))
    world.begin()
    expect(brief(world.ended("a"))).toBe("?a")
    expect(brief(world.decided("a", verdict))).toBe(starts)
  })

  it.each<readonly [Gate, starts: string]>([
    ["order", "+b"],
    ["value", "+b"],
    ["alive", ""]
  ])("by %s, after one that was ready and has been stopped: '%s'", (gate, starts) => {
    const world = running(onA(gate))
    world.ask("stop", "b")
    world.ask("stop", "a")
    world.drain()
    expect(brief(world.ask("start", "b"))).toBe(starts)
  })

  it("waits while the other is on its way back", () => {
    const world = running(onA("order"))
    crash(world, "a")
    expect(brief(crash(world, "b"))).toBe("?b")
    expect(brief(world.ready("a"))).toBe("+b")
  })
})

describe("what requires another", () => {
  it("is stopped when that ends, from the last to the first, and started when that is back", () => {
    const world = running(chain("abc", "alive"))
    expect(brief(world.ended("a"))).toBe("?a -c")
    expect(brief(world.decided("a", { _tag: "Restart", delay: 0 }))).toBe("")
    expect(brief(world.ended("c"))).toBe("-b")
    // It does not come back unnoticed by those that cannot do without it.
    expect(brief(world.ended("b"))).toBe("+a")
    expect(brief(world.ready("a"))).toBe("+b")
    expect(brief(world.ready("b"))).toBe("+c")
  })

  it("goes on until it is known whether one that ended as it should has done so for good", () => {
    const world = running(chain("ab", "alive"))
    expect(brief(world.ended("a", true))).toBe("?a")
    expect(brief(world.decided("a", { _tag: "Restart", delay: 0 }))).toBe("-b")
    expect(brief(world.ended("b"))).toBe("+a")
  })

  it("is not asked for its policy when it ends by itself on the way down", () => {
    const world = running(chain("abc", "alive"))
    world.ended("a")
    expect(brief(world.ended("b"))).toBe("")
    expect(brief(world.ended("c"))).toBe("")
  })

  it("is started again when that is back, also if it is temporary", () => {
    const world = running(chain("ab", "alive", { restart: "never" }))
    crash(world, "a")
    world.drain()
    expect(statuses(world)).toBe("a ready, b ready")
  })

  it("stays up when that has completed", () => {
    const world = running(chain("ab", "alive"))
    world.ended("a", true)
    expect(brief(world.decided("a", complete))).toBe("")
    expect(statuses(world)).toBe("a completed, b ready")
  })

  it("is stopped before that is stopped on request", () => {
    const world = running(chain("ab", "alive"))
    expect(brief(world.ask("stop", "a"))).toBe("-b")
    expect(brief(world.ended("b"))).toBe("-a")
    expect(answers(world.ended("a"))).toEqual(["done"])
    expect(statuses(world)).toBe("a stopped, b waiting")
    world.ask("start", "a")
    world.drain()
    expect(statuses(world)).toBe("a ready, b ready")
  })

  it("may be restarted twenty times and stopped while that is down, and never starts", () => {
    const world = new World(tree(onA("alive")))
    world.begin()
    crash(world, "a", rest("failed"))
    const actions = meanwhile(world, () => {
      for (let n = 0; n < 20; n++) world.ask("restart", "b")
      world.ask("stop", "b")
      world.ask("start", "a")
      world.drain()
    })
    expect(answers(actions)).toEqual([...new Array(20).fill("down"), "done", "done"])
    expect(brief(actions)).toBe("+a")
    expect(statuses(world)).toBe("a ready, b stopped")
  })
})

describe("the end of a tree", () => {
  it("comes from the last child to the first, and is told when nothing runs any more", () => {
    const world = running(chain("abc"))
    expect(brief(world.shutdown())).toBe("-c")
    expect(brief(world.ended("c"))).toBe("-b")
    expect(brief(world.ended("b"))).toBe("-a")
    expect(world.ended("a").map(({ _tag }) => _tag)).toEqual(["Changed", "Finished"])
  })

  it("waits for a later child also where the one between them is down", () => {
    const world = running(chain("abc"))
    crash(world, "b", { _tag: "Restart", delay: 100 })
    expect(brief(world.shutdown())).toBe("-c !b")
    expect(brief(world.ended("c"))).toBe("-a")
  })

  it("stops a child that is starting, and starts none that waits for it", () => {
    const world = new World(tree(chain("ab")))
    world.begin()
    expect(brief(world.shutdown())).toBe("-a")
    // It got ready on its way down.
    expect(world.send({ _tag: "Ready", id: "a", incarnation: 1 })).toEqual([])
    expect(brief(world.ended("a"))).toBe("")
    expect(world.state.finished).toBe(true)
  })

  it("is at once where nothing has begun", () => {
    const world = new World(tree([child("a")]))
    expect(world.shutdown().map(({ _tag }) => _tag)).toEqual(["Ending", "Changed", "Finished"])
    expect(world.begin()).toEqual([])
  })

  it("is the failure of a child that gives up, after the stop of the others", () => {
    const world = running([child("a"), child("b")])
    expect(brief(crash(world, "b", { _tag: "GiveUp" }))).toBe("?b -a")
    const end = { _tag: "Failed", id: "b", why: "policy" }
    expect(world.ended("a")).toContainEqual({ _tag: "Finished", end })
    expect(statuses(world)).toBe("a stopped, b failed")
  })
})

describe("readiness of the tree", () => {
  it("is told when every child is ready or at rest", () => {
    const world = new World(tree([child("a"), child("b")]))
    world.begin()
    world.ready("a")
    expect(crash(world, "b", complete)).toContainEqual({ _tag: "AllReady" })
  })

  it("of a tree without children is told at its beginning", () => {
    expect(new World(tree([])).begin()).toEqual([{ _tag: "AllReady" }])
  })
})
