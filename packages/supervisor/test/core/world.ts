/**
 * A world that a tree's core is let loose in: it does what the core says at a moment of its own choice, and keeps a record.
 */
import * as fc from "fast-check"
import type { Action, Input, State, Verdict } from "../../src/internal/core/model.ts"
import type { ChildPlan, Dependency, TreePlan } from "../../src/internal/core/plan.ts"
import { initial, step } from "../../src/internal/core/step.ts"

export interface Step {
  readonly input: Input
  readonly before: State
  readonly actions: ReadonlyArray<Action>
  readonly after: State
}

interface Life {
  readonly incarnation: number
  readonly isReady: boolean
  readonly isToStop: boolean
}

type Place = readonly [id: string, incarnation: number]

export class World {
  readonly tree: TreePlan
  readonly steps: Array<Step> = []
  readonly lives = new Map<string, Life>()
  readonly deciding = new Map<string, number>()
  readonly waiting = new Map<string, number>()
  /** What nobody waits for any more, and what has been said before. */
  outdated: ReadonlyArray<Input> = []
  state: State
  now = 0
  #request = 0

  constructor(tree: TreePlan) {
    this.tree = tree
    this.state = initial(tree)
  }

  send(input: Input): ReadonlyArray<Action> {
    const [after, actions] = step(this.state, input)
    this.steps.push({ input, before: this.state, actions, after })
    this.state = after
    for (const action of actions) this.#perform(action)
    return actions
  }

  begin(): ReadonlyArray<Action> {
    return this.send({ _tag: "Begin" })
  }

  ready(id: string): ReadonlyArray<Action> {
    const life = this.#life(id)
    this.lives.set(id, { ...life, isReady: true })
    return this.#say({ _tag: "Ready", id, incarnation: life.incarnation })
  }

  ended(id: string, completed = false): ReadonlyArray<Action> {
    const { incarnation } = this.#life(id)
    this.lives.delete(id)
    return this.#say({ _tag: "Ended", id, incarnation, completed })
  }

  decided(id: string, verdict: Verdict): ReadonlyArray<Action> {
    const incarnation = this.deciding.get(id) ?? 0
    this.deciding.delete(id)
    return this.#say({ _tag: "Decided", id, incarnation, verdict, now: this.now })
  }

  elapsed(id: string): ReadonlyArray<Action> {
    const incarnation = this.waiting.get(id) ?? 0
    this.waiting.delete(id)
    return this.#say({ _tag: "Elapsed", id, incarnation })
  }

  ask(what: "start" | "stop" | "restart" | "remove", id: string): ReadonlyArray<Action> {
    return this.send({ _tag: "Ask", request: this.#request++, id, what })
  }

  add(child: ChildPlan): ReadonlyArray<Action> {
    return this.send({ _tag: "Add", request: this.#request++, child })
  }

  shutdown(): ReadonlyArray<Action> {
    return this.send({ _tag: "Shutdown" })
  }

  /** Answers everything: all that started gets ready, all that is told to stop ends, all that has ended is to be restarted. */
  drain(): void {
    for (;;) {
      const toStop = [...this.lives].find(([, { isToStop }]) => isToStop)
      const unready = [...this.lives].find(([, { isReady }]) => !isReady)
      const [deciding] = this.deciding.keys()
      const [waiting] = this.waiting.keys()
      if (toStop !== undefined) this.ended(toStop[0])
      else if (deciding !== undefined) {
        // So late that it is within no period.
        this.now += 1000
        this.decided(deciding, { _tag: "Restart", delay: 0 })
      } else if (waiting !== undefined) this.elapsed(waiting)
      else if (unready !== undefined) this.ready(unready[0])
      else return
    }
  }

  #life(id: string): Life {
    return this.lives.get(id) ?? { incarnation: 0, isReady: false, isToStop: false }
  }

  #say(input: Input): ReadonlyArray<Action> {
    this.outdated = [...this.outdated, input]
    return this.send(input)
  }

  #perform(action: Action): void {
    switch (action._tag) {
      case "Start":
        this.lives.set(action.id, { incarnation: action.incarnation, isReady: false, isToStop: false })
        break
      case "Stop":
        this.lives.set(action.id, { ...this.#life(action.id), isToStop: true })
        break
      case "Decide":
        this.deciding.set(action.id, action.incarnation)
        break
      case "Wait":
        this.waiting.set(action.id, action.incarnation)
        break
      case "Forget":
        this.#forget([action.id, action.incarnation])
        break
      case "Removed":
        this.outdated = this.outdated.filter((input) => !("id" in input) || input.id !== action.id)
        break
    }
  }

  /** The answer may be on its way already. */
  #forget([id, incarnation]: Place): void {
    if (this.deciding.delete(id)) {
      const verdict: Verdict = { _tag: "GiveUp" }
      this.outdated = [...this.outdated, { _tag: "Decided", id, incarnation, verdict, now: this.now }]
    }
    if (this.waiting.delete(id)) this.outdated = [...this.outdated, { _tag: "Elapsed", id, incarnation }]
  }
}

/** What may be chosen to happen next; `pick` chooses the child that it happens to, among those to whom it can. */
export type Move =
  | { readonly _tag: "ready" | "end" | "crash" | "leave" | "elapse" | "outdated"; readonly pick: number }
  | { readonly _tag: "decide"; readonly pick: number; readonly verdict: Verdict; readonly pause: number }
  | { readonly _tag: "ask"; readonly pick: number; readonly what: "start" | "stop" | "restart" | "remove" }
  | { readonly _tag: "add"; readonly child: ChildPlan }
  | { readonly _tag: "begin" | "shutdown" | "drain" }

const pickFrom = <A>(list: Iterable<A>, pick: number): A | undefined => {
  const all = [...list]
  return all[pick % all.length]
}

export const play = (world: World, move: Move): void => {
  const of = (map: Iterable<readonly [string, unknown]>, use: (id: string) => void): void => {
    const entry = "pick" in move ? pickFrom(map, move.pick) : undefined
    if (entry !== undefined) use(entry[0])
  }
  const lives = [...world.lives]
  switch (move._tag) {
    case "ready":
      of(
        lives.filter(([, { isReady }]) => !isReady),
        (id) => world.ready(id)
      )
      break
    case "end":
      of(
        lives.filter(([, { isToStop }]) => isToStop),
        (id) => world.ended(id)
      )
      break
    case "crash":
    case "leave":
      of(
        lives.filter(([, { isToStop }]) => !isToStop),
        (id) => world.ended(id, move._tag === "leave")
      )
      break
    case "decide":
      world.now += move.pause
      of(world.deciding, (id) => world.decided(id, move.verdict))
      break
    case "elapse":
      of(world.waiting, (id) => world.elapsed(id))
      break
    case "outdated": {
      const input = pickFrom(world.outdated, move.pick)
      if (input !== undefined) world.send(input)
      break
    }
    case "ask": {
      const id = pickFrom([...names, ...moreNames], move.pick)
      if (id !== undefined) world.ask(move.what, id)
      break
    }
    case "add":
      world.add(move.child)
      break
    case "begin":
      world.begin()
      break
    case "shutdown":
      world.shutdown()
      break
    case "drain":
      world.drain()
      break
  }
}

const names = ["a", "b", "c", "d", "e", "f"] as const
const moreNames = ["x", "y"] as const

const gate = fc.constantFrom("order", "value", "alive")

const after = (earlier: ReadonlyArray<string>): fc.Arbitrary<ReadonlyArray<Dependency>> =>
  fc
    .tuple(
      ...earlier.map((on) =>
        fc.option(
          gate.map((gate) => ({ on, gate })),
          { freq: 2, nil: undefined }
        )
      )
    )
    .map((dependencies) => dependencies.filter((dependency) => dependency !== undefined))

const childPlan = (id: string, earlier: ReadonlyArray<string>): fc.Arbitrary<ChildPlan> =>
  fc.record({
    id: fc.constant(id),
    after: after(earlier),
    restart: fc.constantFrom("always", "onFailure", "never"),
    significant: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    counted: fc.integer({ min: 0, max: 4 }).map((n) => n > 0)
  })

export const treePlan: fc.Arbitrary<TreePlan> = fc.record({
  strategy: fc.constantFrom("one-for-one", "one-for-all", "rest-for-one"),
  intensity: fc.record({ restarts: fc.integer({ min: 0, max: 5 }), within: fc.constantFrom(0, 4, 20) }),
  autoShutdown: fc.constantFrom("any", "all"),
  children: fc
    .integer({ min: 1, max: names.length })
    .chain((count) => fc.tuple(...names.slice(0, count).map((id, index) => childPlan(id, names.slice(0, index)))))
})

const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ _tag: fc.constant("Restart"), delay: fc.constantFrom(0, 0, 5) }) },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("RestartGroup"), delay: fc.constantFrom(0, 5) }) },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("Complete") }) },
  {
    weight: 2,
    arbitrary: fc.record({ _tag: fc.constant("Rest"), rest: fc.constantFrom("stopped", "paused", "failed") })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("GiveUp") }) }
)

const pick = fc.nat({ max: 59 })

const picking = (
  ...tags: ReadonlyArray<"ready" | "end" | "crash" | "leave" | "elapse" | "outdated">
): fc.Arbitrary<Move> => fc.record({ _tag: fc.constantFrom(...tags), pick })

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 24, arbitrary: picking("ready", "ready", "end", "end", "end", "elapse") },
  { weight: 8, arbitrary: picking("crash", "crash", "leave") },
  { weight: 4, arbitrary: picking("outdated") },
  { weight: 10, arbitrary: fc.record({ _tag: fc.constant("decide"), pick, verdict, pause: fc.nat({ max: 6 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      _tag: fc.constant("ask"),
      pick,
      what: fc.constantFrom("start", "stop", "restart", "restart", "remove")
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      _tag: fc.constant("add"),
      child: fc
        .constantFrom(...moreNames)
        .chain((id) => childPlan(id, id === "x" ? names.slice(0, 4) : ["a", "b", "x"]))
    })
  },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("drain") }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constantFrom("shutdown", "begin") }) }
)

/** A tree, and what happens to it. Requests may come before it begins. */
export interface Story {
  readonly tree: TreePlan
  readonly first: ReadonlyArray<Move>
  readonly moves: ReadonlyArray<Move>
}

export const story: fc.Arbitrary<Story> = fc.record({
  tree: treePlan,
  first: fc.array(move, { maxLength: 2 }),
  moves: fc.array(move, { maxLength: 80, size: "max" })
})

/** How the story goes up to the moment at which nothing is left to answer. */
export const told = ({ first, moves, tree }: Story): World => {
  const world = new World(tree)
  for (const each of first) play(world, each)
  world.begin()
  for (const each of moves) play(world, each)
  world.drain()
  return world
}
