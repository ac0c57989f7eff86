/**
 * What holds in every tree, whatever happens to it. Each test tells some hundred random stories; a failure prints the shortest one
 * that it finds, with the seed to tell it again.
 */
import { describe, expect, it } from "@effect/vitest"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { statusOf } from "../../src/internal/core/draft.ts"
import type { Action, Input, State } from "../../src/internal/core/model.ts"
import * as Core from "../../src/internal/core/step.ts"
import { observe } from "./observer.ts"
import { childrenOf, recount, totals } from "./recount.ts"
import { type Step, story, told, type World } from "./world.ts"

const isCampaign = process.env["NURSERY_CAMPAIGN"] !== undefined
const numRuns = isCampaign ? 30_000 : 200
// The same stories each time, but in campaigns.
const given = process.env["NURSERY_SEED"] ?? (isCampaign ? undefined : "20260731")
const parameters = { numRuns, ...(given === undefined ? undefined : { seed: Number(given) }) }

const always = (promise: string, check: (world: World) => void): void => {
  it(promise, () => {
    fc.assert(
      fc.property(story, (each) => check(told(each))),
      parameters
    )
  })
}

const ofTag = <Tag extends Action["_tag"]>(
  actions: ReadonlyArray<Action>,
  tag: Tag
): ReadonlyArray<Extract<Action, { readonly _tag: Tag }>> =>
  actions.filter((action): action is Extract<Action, { readonly _tag: Tag }> => action._tag === tag)

const actionsOf = ({ steps }: World): ReadonlyArray<Action> => steps.flatMap(({ actions }) => actions)

const resting: ReadonlyArray<string> = ["completed", "stopped", "paused", "failed"]

const child = (state: State, id: string) => HashMap.getUnsafe(state.children, id)

describe("steps", () => {
  always("come to the same when they are taken one child at a time", ({ steps }) => {
    let state = steps[0]?.before
    for (const { actions, input } of steps) {
      if (state === undefined) return
      const step = new Core.Step(state, input)
      let left: number
      do left = step.advance(1)
      while (left === 0)
      expect(step.outcome[1]).toEqual(actions)
      state = step.outcome[0]
    }
    expect(state).toEqual(steps.at(-1)?.after)
  })
})

describe("starts", () => {
  always("a child starts only when those before it let it", (world) => {
    observe(world, {
      before: (action, { seen }) => {
        if (action._tag !== "Start") return
        for (const { gate, on } of seen.plans.get(action.id)?.after ?? []) {
          expect(seen.letsPass(on)).toBe(true)
          if (gate === "value") expect(seen.provided.has(on) || seen.status(on) === "completed").toBe(true)
          if (gate === "alive") expect(seen.isAlive(on)).toBe(true)
        }
      }
    })
  })

  always("a child starts only when those that require it have gone down since its last life", (world) => {
    observe(world, {
      before: (action, { seen }) => {
        if (action._tag !== "Start") return
        const requiring = [...seen.plans.values()].filter(({ after }) =>
          after.some(({ gate, on }) => on === action.id && gate === "alive")
        )
        expect(requiring.filter(({ id }) => seen.isUp(id))).toEqual([])
      }
    })
  })

  always(
    "at most one incarnation of a child is up, each has the next number, and only one that is up is told to stop",
    (world) => {
      observe(world, {
        before: (action, { seen }) => {
          if (action._tag === "Stop") expect(seen.lives.get(action.id)).toEqual([action.incarnation])
          if (action._tag !== "Start") return
          expect(seen.isUp(action.id)).toBe(false)
          expect(action.incarnation).toBe((seen.latest.get(action.id) ?? 0) + 1)
        }
      })
    }
  )

  always("a restart of several starts none of them before all of them are down", (world) => {
    observe(world, {
      before: (action, { seen }) => {
        if (action._tag !== "Start") return
        const concerned = seen.groups.filter(({ members }) => members.has(action.id))
        expect(concerned.flatMap(({ left }) => [...left])).toEqual([])
      }
    })
  })

  always("nothing starts before the tree begins, nor when it ends", (world) => {
    observe(world, {
      before: (action, { step }) => {
        if (action._tag !== "Start") return
        expect(step.after.begun).toBe(true)
        expect(step.before.end).toBe(undefined)
        const at = step.actions.indexOf(action)
        expect(ofTag(step.actions.slice(0, at), "Ending")).toEqual([])
      }
    })
  })
})

describe("stops", () => {
  always("a child that somebody has stopped does not start until somebody asks for it", (world) => {
    const stopped = new Set<string>()
    for (const { actions, before, input } of world.steps) {
      const isRefused = ofTag(actions, "Answer").some(({ refusal }) => refusal === "needed" || refusal === "unknown")
      if (input._tag === "Ask" && !isRefused) {
        // What has completed is down already, and stays what it is: a group restart does it again.
        const hasCompleted = child(before, input.id).rest === "completed"
        if (input.what === "start" || input.what === "restart") stopped.delete(input.id)
        else if (!hasCompleted) stopped.add(input.id)
      }
      // Another child of that name.
      for (const { id } of ofTag(actions, "Added")) stopped.delete(id)
      expect(ofTag(actions, "Start").filter(({ id }) => stopped.has(id))).toEqual([])
    }
  })

  always("a child is not told to stop while one after it that goes down too is up", (world) => {
    observe(world, {
      before: (action, { seen, step }) => {
        if (action._tag !== "Stop") return
        const kept = recount(step.after)
        expect(seen.upAfter(action.id).filter((id) => kept.get(id)?.barred)).toEqual([])
      }
    })
  })

  always("a child is told to stop once in a life", (world) => {
    const stops = ofTag(actionsOf(world), "Stop").map(({ id, incarnation }) => `${id} ${incarnation}`)
    const removed = ofTag(actionsOf(world), "Removed")
    if (removed.length === 0) expect(new Set(stops).size).toBe(stops.length)
  })

  always("a child goes down when it loses what it requires", (world) => {
    observe(world, {
      after: ({ seen, step }) => {
        const kept = recount(step.after)
        for (const { after, id } of seen.plans.values()) {
          const hasLost = after.some(({ gate, on }) => gate === "alive" && !seen.isAlive(on))
          if (!hasLost || !seen.isUp(id)) continue
          // It is told so, or those after it are.
          const isDelayed = seen.upAfter(id).some((other) => kept.get(other)?.barred)
          expect([seen.status(id), isDelayed]).toEqual([isDelayed ? seen.status(id) : "stopping", isDelayed])
        }
      }
    })
  })

  always("every child that has been started has ended when the tree has finished", (world) => {
    world.shutdown()
    world.drain()
    observe(world, {
      before: (action, { seen }) => {
        if (action._tag === "Finished") expect([...seen.plans.keys()].filter((id) => seen.isUp(id))).toEqual([])
      }
    })
    expect(ofTag(actionsOf(world), "Finished").length).toBe(1)
    expect(childrenOf(world.state).map(({ rest }) => rest)).not.toContain(undefined)
  })
})

describe("intensity", () => {
  /** Whether a restart is decided on, and counts. */
  const isCounted = ({ before, input }: Step): boolean => {
    if (input._tag !== "Decided" || !("delay" in input.verdict) || !HashMap.has(before.children, input.id)) return false
    const { group, incarnation, phase, plan } = child(before, input.id)
    return phase === "deciding" && incarnation === input.incarnation && plan.counted && group === undefined
  }

  always("the tree fails at one restart more than the intensity within its period, and at no other", (world) => {
    const { restarts, within } = world.tree.intensity
    const times: Array<number> = []
    for (const step of world.steps) {
      let isTooMuch = false
      if (isCounted(step) && step.input._tag === "Decided") {
        const { now } = step.input
        times.push(now)
        isTooMuch = times.filter((time) => now - time <= within).length > restarts
      }
      const ends = ofTag(step.actions, "Ending").map(({ end }) => end)
      expect(ends.some((end) => end._tag === "Failed" && end.why === "intensity")).toBe(isTooMuch)
    }
  })
})

describe("sight", () => {
  always("what is told of the children's statuses gives the snapshot", (world) => {
    observe(world, {
      after: ({ seen, step }) => {
        const snapshot = childrenOf(step.after).map((each) => [each.plan.id, statusOf(each)])
        expect([...seen.plans.keys()].map((id) => [id, seen.status(id)])).toEqual(snapshot)
      }
    })
  })

  always("a change is told only when there is one", (world) => {
    observe(world, {
      before: (action, { seen }) => {
        if (action._tag === "Changed") expect(seen.status(action.id)).not.toBe(action.status)
      }
    })
  })

  always("the tree is told to be ready once, when all that are to run are", (world) => {
    observe(world, {
      before: (action, { step }) => {
        if (action._tag !== "AllReady") return
        expect(step.before.allReady).toBe(false)
        expect(childrenOf(step.after).filter(({ phase, rest }) => rest === undefined && phase !== "ready")).toEqual([])
      },
      after: ({ step: { after } }) => {
        if (after.begun && after.end === undefined && totals(after).unready === 0) expect(after.allReady).toBe(true)
      }
    })
  })

  always("the counters are right", (world) => {
    for (const { after } of world.steps) {
      const { groups, significant, unready, up } = after
      expect({ groups, significant, unready, up }).toEqual(totals(after))
      if (!after.begun) continue
      const kept = childrenOf(after).map(({ barred, holders, holding, passed, plan, users }) => [
        plan.id,
        { barred, passed, holding, holders, users }
      ])
      expect(kept).toEqual([...recount(after)])
    }
  })
})

describe("requests", () => {
  const requestOf = (input: Input): number | undefined =>
    input._tag === "Ask" || input._tag === "Add" ? input.request : undefined

  always("each is answered once, at the latest when the tree has finished", (world) => {
    world.shutdown()
    world.drain()
    const asked = world.steps.map(({ input }) => requestOf(input)).filter((request) => request !== undefined)
    const answered = ofTag(actionsOf(world), "Answer").map(({ request }) => request)
    expect(answered.toSorted((a, b) => a - b)).toEqual(asked)
  })

  always("a success tells the truth", (world) => {
    const asked = new Map<number, { readonly input: Input; readonly before: State }>()
    observe(world, {
      after: ({ seen, step }) => {
        const { actions, before, input } = step
        const request = requestOf(input)
        if (request !== undefined) asked.set(request, { input, before })
        for (const answer of ofTag(actions, "Answer")) {
          const asking = asked.get(answer.request)
          if (answer.refusal !== undefined || asking === undefined) continue
          const what = asking.input._tag === "Ask" ? asking.input.what : "start"
          const id =
            asking.input._tag === "Ask" ? asking.input.id : asking.input._tag === "Add" ? asking.input.child.id : ""
          const was = ofTag(actions, "Changed").flatMap((action) => (action.id === id ? [action.status] : []))
          const statuses = [...was, seen.status(id)]
          if (what === "remove") expect(ofTag(actions, "Removed").map((action) => action.id)).toContain(id)
          if (what === "stop")
            expect(statuses.some((status) => ["waiting", ...resting].includes(`${status}`))).toBe(true)
          if (what === "start" || what === "restart")
            expect(statuses.some((status) => status === "ready" || status === "completed")).toBe(true)
          // Unless it has joined a restart that was under way.
          const last = HashMap.get(asking.before.children, id)
          if (what === "restart" && Option.isSome(last) && last.value.waiters.every((waiter) => waiter.for !== "up")) {
            expect(child(step.after, id).incarnation).toBeGreaterThan(last.value.incarnation)
          }
        }
      }
    })
  })

  always("restarts that are asked for at the same time are one", (world) => {
    const { children } = world.state
    // Where one waits for another, so does its restart.
    if (childrenOf(world.state).some(({ phase, rest }) => phase !== "ready" && rest === undefined)) return
    for (const id of HashMap.keys(children)) {
      const before = child(world.state, id)
      if (before.phase !== "ready" || world.state.end !== undefined) continue
      const first = world.steps.length
      for (let n = 0; n < 20; n++) world.ask("restart", id)
      world.drain()
      const actions = world.steps.slice(first).flatMap((step) => step.actions)
      expect(ofTag(actions, "Start").filter((action) => action.id === id).length).toBe(1)
      expect(ofTag(actions, "Answer").map(({ refusal }) => refusal)).toEqual(new Array(20).fill(undefined))
    }
  })
})

describe("life", () => {
  always(
    "when everything has been answered, each child runs, is at rest, or waits for one that does not let it",
    (world) => {
      const { state } = world
      observe(world, {
        after: ({ seen, step }) => {
          if (step.after !== state) return
          for (const { after, id } of seen.plans.values()) {
            if (seen.isAtRest(id) || seen.status(id) === "ready") continue
            expect(seen.status(id)).toBe("waiting")
            const missing = after.filter(
              ({ gate, on }) =>
                !seen.letsPass(on) ||
                (gate === "alive" && !seen.isAlive(on)) ||
                (gate === "value" && !seen.provided.has(on) && seen.status(on) !== "completed")
            )
            expect(missing).not.toEqual([])
          }
          expect(step.after.groups.size).toBe(0)
        }
      })
    }
  )

  always("the tree finishes once: when an end has been decided and nothing runs", (world) => {
    world.shutdown()
    world.drain()
    observe(world, {
      after: ({ seen, step: { actions, after, before } }) => {
        const isQuiet = [...seen.plans.keys()].every((id) => !seen.isUp(id))
        expect(after.finished).toBe(after.end !== undefined && isQuiet)
        expect(ofTag(actions, "Finished").length).toBe(after.finished && !before.finished ? 1 : 0)
        expect(ofTag(actions, "Ending").length).toBe(after.end !== undefined && before.end === undefined ? 1 : 0)
      }
    })
  })

  always("what is out of date changes nothing", (world) => {
    for (const input of world.outdated) {
      const { state } = world
      expect(world.send(input)).toEqual([])
      expect(world.state).toBe(state)
    }
  })
})
