/** Who is restarted with whom, and how often: the documentation of OTP's `supervisor`, as tables. */
import { describe, expect, it } from "@effect/vitest"
import type { RestartRule, Strategy } from "../../src/internal/core/plan.ts"
import {
  brief,
  chain,
  child,
  complete,
  crash,
  ignore,
  incarnations,
  meanwhile,
  restart,
  running,
  statuses
} from "./family.ts"

describe("a strategy", () => {
  it.each<readonly [Strategy, crashed: string, stops: string, after: string]>([
    ["one-for-one", "a", "", "a2 b1 c1"],
    ["one-for-one", "b", "", "a1 b2 c1"],
    ["one-for-one", "c", "", "a1 b1 c2"],
    ["one-for-all", "a", "-c -b", "a2 b2 c2"],
    ["one-for-all", "b", "-c -a", "a2 b2 c2"],
    ["one-for-all", "c", "-b -a", "a2 b2 c2"],
    ["rest-for-one", "a", "-c -b", "a2 b2 c2"],
    ["rest-for-one", "b", "-c", "a1 b2 c2"],
    ["rest-for-one", "c", "", "a1 b1 c2"]
  ])(
    "%s: when %s ends, the others that are stopped are '%s', and then there are %s",
    (strategy, crashed, stops, after) => {
      const world = running([child("a"), child("b"), child("c")], { strategy })
      const actions = meanwhile(world, () => {
        crash(world, crashed)
        world.drain()
      })
      expect(brief(actions.filter(({ _tag }) => _tag === "Stop"))).toBe(stops)
      expect(incarnations(world)).toBe(after)
      expect(statuses(world)).toBe("a ready, b ready, c ready")
    }
  )

  it("stops in the reverse of the order of starts, one by one where they come after each other, and starts in that order", () => {
    const world = running(chain("abcd"), { strategy: "one-for-all" })
    expect(brief(crash(world, "b"))).toBe("?b -d")
    expect(brief(world.ended("d"))).toBe("-c")
    expect(brief(world.ended("c"))).toBe("-a")
    expect(brief(world.ended("a"))).toBe("+a")
    expect(brief(world.ready("a"))).toBe("+b")
    expect(brief(world.ready("b"))).toBe("+c")
    expect(brief(world.ready("c"))).toBe("+d")
  })

  it("keeps to the order also past one that is at rest", () => {
    const plans = chain("abc").map((plan) => (plan.id === "b" ? child("b", { ...plan, restart: "never" }) : plan))
    const world = running(plans, { strategy: "one-for-all" })
    crash(world, "b", complete)
    expect(brief(crash(world, "a"))).toBe("?a -c")
    expect(brief(world.ended("c"))).toBe("+a")
    expect(brief(world.ready("a"))).toBe("+c")
    expect(brief(world.shutdown())).toBe("-c")
    expect(brief(world.ended("c"))).toBe("-a")
  })
})

describe("a sibling in a group restart", () => {
  it.each<readonly [RestartRule, strategy: Strategy, after: string]>([
    ["always", "one-for-all", "a ready, b ready"],
    ["onFailure", "one-for-all", "a ready, b ready"],
    ["never", "one-for-all", "a ready, b stopped"],
    ["always", "rest-for-one", "a ready, b ready"],
    ["onFailure", "rest-for-one", "a ready, b ready"],
    ["never", "rest-for-one", "a ready, b stopped"],
    ["never", "one-for-one", "a ready, b ready"]
  ])("with the rule %s under %s: %s", (rule, strategy, after) => {
    const world = running([child("a"), child("b", { restart: rule })], { strategy })
    crash(world, "a")
    world.drain()
    expect(statuses(world)).toBe(after)
  })

  it.each<readonly [RestartRule, Strategy, after: string]>([
    ["onFailure", "one-for-one", "a2 b1"],
    ["onFailure", "one-for-all", "a2 b2"],
    ["onFailure", "rest-for-one", "a2 b2"],
    ["never", "one-for-all", "a2 b1"],
    ["never", "rest-for-one", "a2 b1"]
  ])("that has completed, with the rule %s, under %s: %s", (rule, strategy, after) => {
    const world = running([child("a"), child("b", { restart: rule })], { strategy })
    crash(world, "b", complete)
    crash(world, "a")
    world.drain()
    expect(incarnations(world)).toBe(after)
  })

  it.each<readonly [RestartRule, after: string]>([
    ["onFailure", "a2 b2"],
    ["never", "a2 b1"]
  ])("that turns out to have completed while the group goes down, with the rule %s: %s", (rule, after) => {
    const world = running([child("a"), child("b", { restart: rule })], { strategy: "one-for-all" })
    world.ended("b")
    crash(world, "a")
    world.decided("b", complete)
    world.drain()
    expect(incarnations(world)).toBe(after)
  })

  it("that is significant and turns out to have completed ends the tree", () => {
    const world = running([child("a"), child("b", { restart: "onFailure", significant: true })], {
      strategy: "one-for-all"
    })
    world.ended("b")
    crash(world, "a")
    world.decided("b", complete)
    expect(world.state.end).toEqual({ _tag: "Significant", id: "b" })
    expect(statuses(world)).toBe("a stopped, b completed")
  })

  it.each(["stop", "remove"] as const)("that somebody has asked to %s stays down", (what) => {
    const world = running([child("a"), child("b")], { strategy: "one-for-all" })
    crash(world, "a")
    world.ask(what, "b")
    world.drain()
    expect(statuses(world)).toBe(what === "stop" ? "a ready, b stopped" : "a ready")
    expect(incarnations(world)).toBe(what === "stop" ? "a2 b1" : "a2")
  })

  it("that somebody has stopped stays down also when the restart takes in more", () => {
    const world = running([child("a"), child("b"), child("c")], { strategy: "rest-for-one" })
    crash(world, "b")
    world.ask("stop", "c")
    crash(world, "a")
    world.drain()
    expect(statuses(world)).toBe("a ready, b ready, c stopped")
  })

  it("that is temporary is started all the same when somebody waits for it", () => {
    const world = running([child("a"), child("b", { restart: "never" })], { strategy: "one-for-all" })
    crash(world, "a")
    world.ask("restart", "b")
    world.drain()
    expect(incarnations(world)).toBe("a2 b2")
  })
})

describe("a group restart", () => {
  it("can be asked for by a policy under any strategy", () => {
    const world = running([child("a"), child("b"), child("c")])
    expect(brief(crash(world, "b", { _tag: "RestartGroup", delay: 0 }))).toBe("?b -c -a")
    world.drain()
    expect(incarnations(world)).toBe("a2 b2 c2")
  })

  it("waits for the back-off of the one that ended, with all of them down", () => {
    const world = running([child("a"), child("b")], { strategy: "one-for-all" })
    expect(brief(crash(world, "a", { _tag: "Restart", delay: 100 }))).toBe("?a ~a -b")
    expect(brief(world.ended("b"))).toBe("")
    expect(brief(world.elapsed("a"))).toBe("+a +b")
  })

  it("takes in one that went down for an earlier group restart, and those who went down with it", () => {
    const world = running([child("a"), child("b"), child("c")], { strategy: "rest-for-one" })
    expect(brief(crash(world, "b"))).toBe("?b -c")
    expect(brief(crash(world, "a"))).toBe("?a")
    expect(brief(world.ended("c"))).toBe("+a +b +c")
    expect(incarnations(world)).toBe("a2 b2 c2")
  })
})

describe("intensity", () => {
  const within = 10_000

  it.each<readonly [limit: number, times: ReadonlyArray<number>, failsAt: number | undefined]>([
    [0, [0], 0],
    [1, [0, within], 1],
    [1, [0, within + 1], undefined],
    [3, [0, 1, 2], undefined],
    [3, [0, 1, 2, 3], 3],
    [3, [0, 1, 2, within], 3],
    [3, [0, 1, 2, within + 1], undefined],
    [3, [0, 1, 2, within + 1, within + 1], 4]
  ])("of %d in ten seconds, with restarts at %j: the tree fails at number %s", (restarts, times, failsAt) => {
    const world = running([child("a")], { intensity: { restarts, within } })
    const failed = times.findIndex((time) => {
      world.now = time
      crash(world, "a")
      if (world.state.end === undefined) world.ready("a")
      return world.state.end !== undefined
    })
    expect(failed).toBe(failsAt ?? -1)
    expect(world.state.end).toEqual(failsAt === undefined ? undefined : { _tag: "Failed", id: "a", why: "intensity" })
  })

  it("counts the restarts of all children together", () => {
    const world = running([child("a"), child("b")], { intensity: { restarts: 1, within } })
    crash(world, "a")
    expect(brief(crash(world, "b"))).toBe("?b -a")
    expect(world.state.end).toEqual({ _tag: "Failed", id: "b", why: "intensity" })
  })

  it("does not count a child that bounds its restarts itself, nor a restart that somebody asked for", () => {
    const world = running([child("a", { counted: false }), child("b")], { intensity: { restarts: 0, within } })
    crash(world, "a")
    world.ask("restart", "b")
    world.drain()
    expect(incarnations(world)).toBe("a2 b2")
  })

  it("counts a group restart once, also when several of the group had ended", () => {
    const world = running([child("a"), child("b"), child("c")], {
      strategy: "one-for-all",
      intensity: { restarts: 1, within }
    })
    world.ended("a")
    world.ended("b")
    world.decided("a", restart)
    world.decided("b", restart)
    world.drain()
    expect(incarnations(world)).toBe("a2 b2 c2")
  })

  it("counts a failure during a group restart as a further restart", () => {
    const world = running([child("a"), child("b")], { strategy: "one-for-all", intensity: { restarts: 1, within } })
    crash(world, "a")
    expect(brief(world.ended("b"))).toBe("+a +b")
    expect(brief(crash(world, "b"))).toBe("?b -a")
    world.drain()
    expect(world.state.end).toEqual({ _tag: "Failed", id: "b", why: "intensity" })
    expect(incarnations(world)).toBe("a2 b2")
  })

  it("restarts the group once more after a failure during a group restart", () => {
    const world = running(chain("abc"), { strategy: "one-for-all", intensity: { restarts: 2, within } })
    crash(world, "c")
    world.ended("b")
    world.ended("a")
    world.ready("a")
    expect(brief(crash(world, "b"))).toBe("?b -a")
    expect(brief(world.ended("a"))).toBe("+a")
    world.drain()
    expect(incarnations(world)).toBe("a3 b3 c2")
  })
})

describe("significant children", () => {
  const both = [
    child("a", { significant: true, restart: "onFailure" }),
    child("b", { significant: true, restart: "never" })
  ]

  it("end the tree by the end of one of them", () => {
    const world = running([...both, child("c")])
    expect(brief(crash(world, "a", complete))).toBe("?a -c -b")
    world.drain()
    expect(world.state.end).toEqual({ _tag: "Significant", id: "a" })
    expect(statuses(world)).toBe("a completed, b stopped, c stopped")
  })

  it("end the tree by the end of the last of them, where that is asked for", () => {
    const world = running([...both, child("c")], { autoShutdown: "all" })
    crash(world, "b", complete)
    expect(world.state.end).toBe(undefined)
    crash(world, "a", complete)
    expect(world.state.end).toEqual({ _tag: "Significant", id: "a" })
  })

  it("end the tree also by a failure that is not restarted, if they are temporary", () => {
    const world = running(both)
    crash(world, "b", ignore)
    expect(world.state.end).toEqual({ _tag: "Significant", id: "b" })
  })

  it.each<readonly [string, () => ReturnType<typeof running>]>([
    [
      "is restarted",
      () => {
        const world = running(both)
        crash(world, "a")
        return world
      }
    ],
    [
      "is not significant",
      () => {
        const world = running([...both, child("c")])
        crash(world, "c", complete)
        return world
      }
    ],
    [
      "is temporary, and is paused by a policy",
      () => {
        const world = running(both)
        crash(world, "b", { _tag: "Rest", rest: "paused" })
        return world
      }
    ],
    [
      "is transient, and stays down by a policy",
      () => {
        const world = running(both)
        crash(world, "a", { _tag: "Rest", rest: "failed" })
        return world
      }
    ],
    [
      "is stopped by somebody",
      () => {
        const world = running(both)
        world.ask("stop", "a")
        return world
      }
    ],
    [
      "is stopped by a sibling's restart",
      () => {
        const world = running([...both, child("c")], { strategy: "one-for-all" })
        crash(world, "c")
        return world
      }
    ]
  ])("do not end the tree when the child %s", (_, happen) => {
    const world = happen()
    world.drain()
    expect(world.state.end).toBe(undefined)
  })

  it("that somebody has stopped are not waited for", () => {
    const world = running(both, { autoShutdown: "all" })
    world.ask("stop", "a")
    world.drain()
    crash(world, "b", complete)
    expect(world.state.end).toEqual({ _tag: "Significant", id: "b" })
  })
})
