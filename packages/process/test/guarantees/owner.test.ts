/** Whatever way the owner ends, everything that it started is dead soon after, without its help. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Escapees from "../support/escapees.ts"
import * as Owner from "../support/owner.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"

const SIGUSR2 = 12

const kinds = Object.keys(Escapees.all)

/** Starts an owner of one of each kind of escapee; when all have escaped, it ends as it was told. */
const startFamily = (stage: Stage.Stage, args: ReadonlyArray<string>, options?: Owner.Options) =>
  Effect.gen(function* () {
    const owner = yield* Owner.start(stage, "family.ts", args, options)
    yield* stage.hears("ready", ...kinds.map(() => "escaped"))
    owner.kill(SIGUSR2, "owner")
    return owner
  })

/** What falls to init is the guard, which leaves when it has seen everything else end. */
const expectNothingLeft = (stage: Stage.Stage, report: Owner.Report) => {
  expect(report.left).toEqual([])
  expect(report.collected.map(({ name, status }) => `${name} ${status}`)).toEqual(["nursery-guard 0"])
  expect(stage.left()).toEqual([])
}

/** What an owner does by itself, and its status then; a signal is negative. */
const ends: ReadonlyArray<readonly [what: string, arg: string, status: number]> = [
  ["process.exit", "exit", 3],
  ["process.abort", "abort", -6],
  ["a segmentation fault", "segv", -11],
  ["an uncaught exception", "throw", 1],
  ["an unhandled rejection", "reject", 1]
]

/** What is done to it. */
const signals = { SIGKILL: 9, SIGTERM: 15 } as const

/** Ends that ask for the rights of their user. */
const demanding = ["process.exit", "SIGKILL", "it has run out of memory"]

const testsOf = (user: string, options: Owner.Options, isWanted: (what: string) => boolean) => {
  const test = (what: string, body: (stage: Stage.Stage) => Effect.Effect<void, never, Scope.Scope>) => {
    if (isWanted(what)) it.live(what, () => Effect.flatMap(Stage.make, body))
  }

  describe.concurrent(`of ${user}, everything is dead after`, () => {
    for (const [what, arg, status] of ends) {
      test(what, (stage) =>
        Effect.gen(function* () {
          const owner = yield* startFamily(stage, [arg], options)
          const report = yield* owner.ended
          expect(report.status).toBe(status)
          expectNothingLeft(stage, report)
        })
      )
    }

    for (const [name, signal] of Object.entries(signals)) {
      test(name, (stage) =>
        Effect.gen(function* () {
          const owner = yield* startFamily(stage, ["never"], options)
          owner.kill(signal, "owner")
          const report = yield* owner.ended
          expect(report.status).toBe(-signal)
          expectNothingLeft(stage, report)
        })
      )
    }

    test("SIGKILL while its event loop is blocked", (stage) =>
      Effect.gen(function* () {
        const owner = yield* startFamily(stage, ["busy"], options)
        yield* stage.hears("busy")
        owner.kill(signals.SIGKILL, "owner")
        expectNothingLeft(stage, yield* owner.ended)
      }))

    test("it has run out of memory", (stage) =>
      Effect.gen(function* () {
        const owner = yield* startFamily(stage, ["memory"], { ...options, nodeOptions: ["--max-old-space-size=40"] })
        const report = yield* owner.ended
        expect(report.status).not.toBe(0)
        expect(owner.output).toContain("JavaScript heap out of memory")
        expectNothingLeft(stage, report)
      }))
  })
}

testsOf("this user", {}, () => true)
if (Owner.isPrivileged && Owner.ordinaryProblem() === undefined) {
  testsOf("an ordinary user", { ordinary: true }, (what) => Random.isCampaign || demanding.includes(what))
}

describe.concurrent("an owner that closes its scopes", () => {
  it.live("leaves nothing for anybody to collect when SIGTERM interrupts it", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* startFamily(stage, ["never", "runMain"])
      owner.kill(signals.SIGTERM, "owner")
      const report = yield* owner.ended
      expect(report).toMatchObject({ status: 130, left: [], collected: [] })
      expect(stage.left()).toEqual([])
    })
  )

  it.live("leaves nothing for anybody to collect when its program returns", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* startFamily(stage, ["return"])
      const report = yield* owner.ended
      expect(report).toMatchObject({ status: 0, left: [], collected: [] })
      expect(stage.left()).toEqual([])
    })
  )

  it.live("leaves nothing for anybody to collect when its program fails", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const owner = yield* startFamily(stage, ["fail"])
      const report = yield* owner.ended
      expect(report).toMatchObject({ status: 1, left: [], collected: [] })
      expect(stage.left()).toEqual([])
    })
  )
})
