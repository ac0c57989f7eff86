/** What every backend promises to its observers, in random lives of simulated processes. */
import { expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import type { Backend, FdRequest, Observer, SpawnRequest, StopPolicy, Ticket } from "@nursery/process/Backend"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Program, TestNursery } from "../src/index.ts"

const rounds = process.env["NURSERY_CAMPAIGN"] === undefined ? 150 : 5_000
const seed = Number(process.env["NURSERY_SEED"] ?? 20261122)

/** The same numbers for the same seed (a linear congruential generator, of which the upper bits are taken). */
const randomOf = (start: number) => {
  let state = BigInt(start)
  const below = (limit: number): number => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn
    return Number((state >> 33n) % BigInt(limit))
  }
  return { below, pick: <A>(values: readonly [A, ...ReadonlyArray<A>]): A => values[below(values.length)] ?? values[0] }
}

type Random = ReturnType<typeof randomOf>

/** Steps of any kind, with descendants. */
const programOf = (random: Random, depth = 0): Program.Program => {
  const step = (): Program.Program => {
    const time = random.below(3_000)
    switch (random.below(depth < 2 ? 10 : 8)) {
      case 0:
        return Program.exit(random.below(3))
      case 1:
        return Program.ignore("SIGTERM")
      case 2:
        return Program.onSignal("SIGTERM", Program.exits(1, { after: time }))
      case 3:
        return Program.stdout("x".repeat(random.below(100_000)))
      case 4:
        return random.below(8) === 0 ? Program.unkillable : Program.killable
      case 5:
        return random.below(4) === 0 ? Effect.fail("crash") : Program.close(1)
      case 6:
        return Program.notify({ STATUS: time })
      case 7:
        return Program.sleep(time)
      default:
        return Program.fork(programOf(random, depth + 1), { session: random.below(2) === 0 })
    }
  }
  const all = Array.from({ length: 1 + random.below(5) }, step)
  return Program.steps(...all, random.below(2) === 0 ? Program.runs : Effect.void)
}

/** Which callback may come after which. */
const next: Readonly<Record<string, ReadonlyArray<string>>> = {
  asked: ["started", "failed", "lost"],
  started: ["exited", "lost", "unkillable", "notified"],
  exited: ["ended", "lost", "unkillable", "notified"],
  lost: ["ended", "unkillable"],
  failed: [],
  ended: []
}

/** Sees that nothing comes out of its order, and nothing from inside a call. */
class Judge {
  #inCall = false
  /** Who has to be told of the end before anybody else is told anything. */
  #expected: number | undefined
  readonly states: Array<string> = []
  readonly complaints: Array<string> = []
  readonly heard: Array<string> = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  call<A>(f: () => A): A {
    this.#inCall = true
    try {
      return f()
    } finally {
      this.#inCall = false
    }
  }

  observer(): Observer {
    const id = this.states.push("asked") - 1
    const hear = (what: string) => {
      this.heard.push(`${this.#now()} ${id} ${what}`)
      const state = this.states[id] ?? ""
      if (this.#inCall) this.complaints.push(`${id}: ${what} from inside a call`)
      if (next[state]?.includes(what) !== true) this.complaints.push(`${id}: ${what} after ${state}`)
      if (this.#expected !== undefined && (this.#expected !== id || what !== "ended")) {
        this.complaints.push(`${id}: ${what} where ${this.#expected} had to end`)
      }
      this.#expected = undefined
      if (what !== "unkillable" && what !== "notified") this.states[id] = what
    }
    return {
      started: () => hear("started"),
      failed: () => hear("failed"),
      exited: (_status, _usage, isLast) => {
        hear("exited")
        if (isLast === true) this.#expected = id
      },
      ended: () => hear("ended"),
      lost: () => hear("lost"),
      unkillable: () => hear("unkillable"),
      notified: () => hear("notified")
    }
  }
}

const policyOf = (random: Random): StopPolicy => ({
  signal: random.pick([15, 15, 2, 0]),
  reach: random.pick(["leader", "group", "tree"]),
  grace: random.pick([0, 500, 2_000, undefined]),
  linger: random.pick([0, 500, 2_000, undefined])
})

const requestOf = (random: Random): SpawnRequest => {
  const output: FdRequest = random.below(2) === 0 ? { target: 1, kind: "null" } : { target: 1, kind: "pipeOut" }
  return {
    program: random.pick(["any", "any", "any", "missing"]),
    argv: ["any"],
    searchPath: "/bin",
    cwd: "",
    clearEnv: true,
    env: [],
    level: random.pick(["tree", "tree", "group"]),
    session: "new",
    stop: policyOf(random),
    umask: undefined,
    fds: [output],
    shellFallback: false,
    groupOnFailure: random.below(4) === 0,
    notify: random.below(2) === 0
  }
}

/** Something that a user of the backend may do. */
const disturb = (random: Random, judge: Judge, backend: Backend, tickets: Array<Ticket>) => {
  const ticket = tickets[random.below(tickets.length || 1)]
  const what = random.below(9)
  if (what < 3 || ticket === undefined) {
    tickets.push(judge.call(() => backend.spawn(requestOf(random), judge.observer())))
  } else if (what < 5) judge.call(() => ticket.stop(policyOf(random)))
  else if (what === 5) judge.call(() => ticket.cancel())
  else if (what === 6) {
    const answered = judge.call(() => {
      let isInside = true
      ticket.signal(random.pick([0, 10, 15, 18, 19]), "tree", () => {
        if (isInside) judge.complaints.push("a signal was answered from inside its call")
      })
      isInside = false
      return true
    })
    expect(answered).toBe(true)
  } else if (what === 7) judge.call(() => ticket.release(() => {}))
  else judge.call(() => ticket.retain(() => {}))
}

/** One random life of a nursery, from its start to its end: what was told and when, and what was started and sent. */
const live = (seed: number) =>
  Effect.gen(function* () {
    const random = randomOf(seed)
    const clock = yield* Effect.clockWith((clock) => Effect.succeed(clock))
    const judge = new Judge(() => clock.currentTimeMillisUnsafe())
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(TestNursery.layer({ any: () => programOf(random) }), scope)
    const record = yield* Effect.gen(function* () {
      const backend = yield* Nursery.backend
      const tickets: Array<Ticket> = []
      for (let turn = 0; turn < 25; turn++) {
        disturb(random, judge, backend, tickets)
        if (random.below(3) === 0) yield* TestClock.adjust(random.below(1_500))
        if (random.below(40) === 0) yield* TestNursery.loseKeeper
        if (random.below(40) === 0) judge.call(() => backend.close(() => {}))
      }
      yield* TestClock.adjust("20 seconds")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("20 seconds")
      return {
        alive: yield* TestNursery.alive,
        started: (yield* TestNursery.started).map(({ pid, time }) => ({ pid, time })),
        signals: yield* TestNursery.signals
      }
    }).pipe(Effect.provide(context))
    return { ...record, heard: judge.heard, complaints: judge.complaints, states: judge.states }
  }).pipe(Effect.provide(TestClock.layer()))

it.effect(`keeps the order of its callbacks in ${rounds} random lives (NURSERY_SEED=${seed})`, () =>
  Effect.gen(function* () {
    for (let round = 0; round < rounds; round++) {
      const life = yield* live(seed + round)
      expect(life.complaints, `round ${round}`).toEqual([])
      expect(life.alive, `round ${round}`).toEqual([])
      expect(
        life.states.filter((state) => state !== "ended" && state !== "failed"),
        `round ${round}`
      ).toEqual([])
    }
  })
)

it.effect("is the same each time", () =>
  Effect.gen(function* () {
    for (let round = 0; round < 20; round++) {
      const life = yield* live(seed + round)
      expect(life.heard.length).toBeGreaterThan(0)
      expect(yield* live(seed + round), `round ${round}`).toEqual(life)
    }
  })
)
