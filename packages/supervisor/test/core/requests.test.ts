/** What somebody may ask of a child at any time, and what becomes of it. */
import { describe, expect, it } from "@effect/vitest"
import {
  answers,
  backOff,
  brief,
  chain,
  child,
  complete,
  crash,
  incarnations,
  meanwhile,
  running,
  statuses,
  tree
} from "./family.ts"
import { World } from "./world.ts"

const times = (count: number, happen: () => void): void => {
  for (let n = 0; n < count; n++) happen()
}

describe("a restart on request", () => {
  it("that twenty ask for at the same time is one, and twenty successes", () => {
    const world = running([child("a")])
    const actions = meanwhile(world, () => {
      times(10, () => world.ask("restart", "a"))
      world.ended("a")
      times(10, () => world.ask("restart", "a"))
      world.ready("a")
    })
    expect(brief(actions)).toBe("-a +a")
    expect(answers(actions)).toEqual(new Array(20).fill("done"))
    expect(incarnations(world)).toBe("a2")
  })

  it("is answered by the new incarnation, not by the old one that gets ready before it is stopped", () => {
    // "b" comes after "a" and goes down: "a", which is starting once more, has to wait for that with its stop.
    const world = running(chain("ab"))
    crash(world, "a")
    world.ask("stop", "b")
    expect(brief(world.ask("restart", "a"))).toBe("")
    expect(answers(world.ready("a"))).toEqual([])
    expect(brief(world.ended("b"))).toBe("-a")
    expect(brief(world.ended("a"))).toBe("+a")
    expect(answers(world.ready("a"))).toEqual(["done"])
  })

  it("of one whose start somebody else waits for is that start", () => {
    const world = new World(tree([child("a")]))
    world.begin()
    world.ask("start", "a")
    expect(brief(world.ask("restart", "a"))).toBe("")
    expect(answers(world.ready("a"))).toEqual(["done", "done"])
  })

  it("of one that is starting stops that start", () => {
    const world = new World(tree([child("a")]))
    world.begin()
    expect(brief(world.ask("restart", "a"))).toBe("-a")
    expect(brief(world.ended("a"))).toBe("+a")
    expect(answers(world.ready("a"))).toEqual(["done"])
  })

  it("of one that is at rest is a start", () => {
    const world = running([child("a")])
    crash(world, "a", complete)
    expect(brief(world.ask("restart", "a"))).toBe("+a")
    expect(answers(world.ready("a"))).toEqual(["done"])
  })

  it("is refused when its new incarnation stays down", () => {
    const world = running([child("a")])
    world.ask("restart", "a")
    world.ended("a")
    expect(answers(crash(world, "a", { _tag: "Rest", rest: "paused" }))).toEqual(["down"])
  })

  it("waits as long as failures are restarted", () => {
    const world = running([child("a")])
    world.ask("restart", "a")
    world.ended("a")
    expect(answers(crash(world, "a"))).toEqual([])
    expect(answers(world.ready("a"))).toEqual(["done"])
  })

  it("is a success when its new incarnation has completed", () => {
    const world = running([child("a", { restart: "onFailure" })])
    world.ask("restart", "a")
    world.ended("a")
    expect(answers(crash(world, "a", complete))).toEqual(["done"])
  })

  it("takes those along that require it, in the reverse of the order and back", () => {
    const world = running(chain("abc", "alive"))
    expect(brief(world.ask("restart", "a"))).toBe("-c")
    expect(brief(world.ended("c"))).toBe("-b")
    expect(brief(world.ended("b"))).toBe("-a")
    expect(brief(world.ended("a"))).toBe("+a")
    expect(brief(world.ready("a"))).toBe("+b")
  })
})

describe("during a back-off", () => {
  it.each(["start", "restart"] as const)("a request to %s cuts it short", (what) => {
    const world = running([child("a")])
    crash(world, "a", backOff)
    expect(brief(world.ask(what, "a"))).toBe("!a +a")
    expect(answers(world.ready("a"))).toEqual(["done"])
  })

  it.each(["stop", "remove"] as const)("a request to %s is fulfilled at once, and nothing starts any more", (what) => {
    const world = running([child("a"), child("b")])
    crash(world, "a", backOff)
    const actions = world.ask(what, "a")
    expect(brief(actions)).toBe("!a")
    expect(answers(actions)).toEqual(["done"])
    expect(world.send({ _tag: "Elapsed", id: "a", incarnation: 1 })).toEqual([])
  })

  it("the end of the tree does not wait for it", () => {
    const world = running([child("a")])
    crash(world, "a", backOff)
    const actions = world.shutdown()
    expect(brief(actions)).toBe("!a")
    expect(actions.map(({ _tag }) => _tag)).toContain("Finished")
  })
})

describe("while a policy decides", () => {
  it.each(["stop", "remove"] as const)("a request to %s does not wait for it", (what) => {
    const world = running([child("a"), child("b")])
    world.ended("a")
    const actions = world.ask(what, "a")
    expect(brief(actions)).toBe("!a")
    expect(answers(actions)).toEqual(["done"])
    const late = { _tag: "GiveUp" } as const
    expect(world.send({ _tag: "Decided", id: "a", incarnation: 1, verdict: late, now: 0 })).toEqual([])
  })

  it("a request to start does not wait for it", () => {
    const world = running([child("a")])
    world.ended("a")
    expect(brief(world.ask("start", "a"))).toBe("!a +a")
  })
})

describe("a stop on request", () => {
  it("of one that is starting is answered when nothing of it runs", () => {
    const world = new World(tree([child("a")]))
    world.begin()
    world.ask("start", "a")
    const actions = world.ask("stop", "a")
    expect(brief(actions)).toBe("-a")
    expect(answers(actions)).toEqual(["down"])
    // It got ready on its way down.
    expect(answers(world.send({ _tag: "Ready", id: "a", incarnation: 1 }))).toEqual([])
    expect(answers(world.ended("a"))).toEqual(["done"])
    expect(statuses(world)).toBe("a stopped")
  })

  it("of one that is down is answered at once", () => {
    const world = running([child("a")])
    crash(world, "a", complete)
    expect(answers(world.ask("stop", "a"))).toEqual(["done"])
  })

  it("is not asked for again by who asks for the same", () => {
    const world = running([child("a")])
    const actions = meanwhile(world, () => {
      times(3, () => world.ask("stop", "a"))
      world.ended("a")
    })
    expect(brief(actions)).toBe("-a")
    expect(answers(actions)).toEqual(["done", "done", "done"])
  })

  it("comes to its end before a start that is asked for meanwhile", () => {
    const world = running([child("a")])
    world.ask("stop", "a")
    expect(brief(world.ask("start", "a"))).toBe("")
    const actions = world.ended("a")
    expect(brief(actions)).toBe("+a")
    expect(answers(actions)).toEqual(["done"])
    expect(answers(world.ready("a"))).toEqual(["done"])
  })

  it("that still waits for others comes to its end before a start that is asked for meanwhile", () => {
    const world = running(chain("ab", "alive"))
    expect(brief(world.ask("stop", "a"))).toBe("-b")
    world.ask("start", "a")
    expect(brief(world.ended("b"))).toBe("-a")
    expect(answers(world.ended("a"))).toEqual(["done"])
    expect(answers(world.ready("a"))).toEqual(["done"])
  })
})

describe("a start on request", () => {
  it("of one that is ready is answered at once", () => {
    const world = running([child("a")])
    expect(answers(world.ask("start", "a"))).toEqual(["done"])
    expect(incarnations(world)).toBe("a1")
  })

  it("of one that goes down for others waits for it to come back", () => {
    const world = running([child("a"), child("b")], { strategy: "one-for-all" })
    crash(world, "a")
    expect(answers(world.ask("start", "b"))).toEqual([])
    world.ended("b")
    expect(answers(world.ready("b"))).toEqual(["done"])
  })

  it("of one that was to go down for a loss, which turned out to be none, is answered", () => {
    // "b" requires "a", which has ended and turns out to have completed; "b" waits for "c" to go down before it.
    const world = running(chain("abc", "alive"))
    expect(brief(world.ended("a"))).toBe("?a -c")
    expect(answers(world.ask("start", "b"))).toEqual([])
    expect(answers(world.decided("a", complete))).toEqual(["done"])
    expect(brief(world.ended("c"))).toBe("+c")
    expect(incarnations(world)).toBe("a1 b1 c2")
  })
})

describe("removal", () => {
  it("is refused while another comes after it", () => {
    const world = running(chain("ab"))
    expect(answers(world.ask("remove", "a"))).toEqual(["needed"])
    expect(statuses(world)).toBe("a ready, b ready")
  })

  it("stops the child, and forgets it", () => {
    const world = running(chain("ab"))
    expect(brief(world.ask("remove", "b"))).toBe("-b")
    const actions = world.ended("b")
    expect(answers(actions)).toEqual(["done"])
    expect(actions.map(({ _tag }) => _tag)).toContain("Removed")
    expect(statuses(world)).toBe("a ready")
    expect(answers(world.ask("stop", "b"))).toEqual(["unknown"])
    expect(answers(world.ask("remove", "a"))).toEqual([])
  })

  it("is not undone: the child cannot be started, and nobody can come after it", () => {
    const world = running([child("a")])
    world.ask("remove", "a")
    expect(answers(world.ask("start", "a"))).toEqual(["unknown"])
    expect(answers(world.ask("restart", "a"))).toEqual(["unknown"])
    expect(answers(world.add(child("b", { after: [{ on: "a", gate: "order" }] })))).toEqual(["unknown"])
    expect(answers(world.add(child("a")))).toEqual(["duplicate"])
    expect(answers(world.ended("a"))).toEqual(["done"])
    expect(brief(world.add(child("a")))).toBe("+a")
  })

  it("of one that requires another lets that start again", () => {
    const world = running(chain("ab", "alive"))
    expect(brief(world.ask("remove", "b"))).toBe("-b")
    expect(brief(crash(world, "a"))).toBe("?a")
    expect(brief(world.ended("b"))).toBe("+a")
  })
})

describe("addition", () => {
  it("starts the child, and is answered when it is ready", () => {
    const world = running([child("a")])
    const actions = world.add(child("b", { after: [{ on: "a", gate: "alive" }] }))
    expect(brief(actions)).toBe("+b")
    expect(actions.map(({ _tag }) => _tag)).toEqual(["Added", "Changed", "Start"])
    expect(answers(world.ready("b"))).toEqual(["done"])
  })

  it("is refused for a name that there is, and after one that there is not", () => {
    const world = running([child("a")])
    expect(answers(world.add(child("a")))).toEqual(["duplicate"])
    expect(answers(world.add(child("b", { after: [{ on: "c", gate: "order" }] })))).toEqual(["unknown"])
    expect(statuses(world)).toBe("a ready")
  })
})

describe("when the tree ends", () => {
  it("who waits for a child to be up is told so", () => {
    const world = running([child("a")])
    world.ask("restart", "a")
    expect(answers(world.shutdown())).toEqual(["ending"])
  })

  it.each<readonly ["start" | "stop" | "restart" | "remove", ReadonlyArray<string>]>([
    ["start", ["ending"]],
    ["restart", ["ending"]],
    ["remove", ["ending"]],
    ["stop", ["done"]]
  ])("a request to %s is answered by %j", (what, answer) => {
    const world = running([child("a")])
    world.shutdown()
    const actions = meanwhile(world, () => {
      world.ask(what, "a")
      world.ended("a")
    })
    expect(answers(actions)).toEqual(answer)
    expect(answers(world.ask(what, "a"))).toEqual(answer)
  })

  it("no child can be added", () => {
    const world = running([child("a")])
    world.shutdown()
    expect(answers(world.add(child("b")))).toEqual(["ending"])
  })
})
